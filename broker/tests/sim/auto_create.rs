//! Topics made on the fly by a send: from which template, with how many queues, and who hears of it.

use broker::PeerMessage;
use net::body::TopicConfig;
use net::requests::{GetTopicConfig, SendMessageV2, UpdateAndCreateTopic};

use crate::support::{Client, Setup, World, create_topic, message};

fn config_of(client: &mut Client<'_>, topic: &str) -> TopicConfig {
    client.ask(&GetTopicConfig { topic, logical: None }, b"").json()
}

#[test]
fn a_topic_gets_the_clients_queues_but_not_more_than_the_template_has() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    for (topic, asked, made) in [("four", 4, 4), ("many", 100, 8), ("none", 0, 1), ("negative", -3, 1)] {
        let request = SendMessageV2 { default_queues: asked, ..message(topic, 0) };
        assert_eq!(client.ask(&request, b"x").code, 0);
        let config = config_of(&mut client, topic);
        assert_eq!((config.read_queues, config.write_queues, config.perm), (made, made, 6), "{topic}");
    }
}

#[test]
fn any_topic_that_inherits_is_a_template_and_passes_on_its_other_bits() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&UpdateAndCreateTopic { perm: 5, ..create_topic("template", 2) }, b"");
    let mut client = world.connect(&host);
    assert_eq!(client.ask(&SendMessageV2 { default_topic: "template", ..message("T", 0) }, b"x").code, 0);
    let config = config_of(&mut client, "T");
    assert_eq!(
        (config.write_queues, config.perm),
        (2, 4),
        "readable like its template, INHERIT is not inherited"
    );
}

#[test]
fn the_other_shards_are_told_once() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    assert!(host.heard().is_empty(), "what exists from the start is no news");
    let mut client = world.connect(&host);
    for _ in 0..3 {
        client.ask(&message("T", 0), b"x");
    }
    let heard = host.heard();
    let [PeerMessage::TopicMade(config)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((config.name.as_str(), config.write_queues), ("T", 4));
    client.ask(&message("a b", 0), b"x");
    assert!(host.heard().is_empty());
}

#[test]
fn a_topic_an_administrator_makes_stays_on_its_shard() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 3), b"");
    assert!(host.heard().is_empty());
}
