//! Retry topics: their names, their turn, and what goes when a topic or group is deleted.

use net::requests::PopMessage;

use super::{boot, send};
use crate::support::{Setup, World, create_topic, message, pop, pull};

#[test]
fn the_second_name_of_retry_topics_is_written_if_wanted_and_both_are_read() {
    let world = World::new(14);
    let setup = Setup::with(|config| config.pop_retry_topic_v2 = true);
    let host = boot(&world, &setup, 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 2);
    client.popped(&pop());
    world.run_ms(10_100);
    let again = client.popped(&pop());
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|one| one.topic == "%RETRY%g+T"));
    client.must(&again[0].ack(), b"");
    drop(client);
    let host = world.boot_from(host.stop(&world), &Setup::default());
    world.run_ms(10_100);
    let mut client = world.connect(&host);
    let third = client.popped(&pop());
    assert_eq!((third.len(), third[0].topic.as_str()), (1, "%RETRY%g+T"), "a retry stays in its topic");
}

#[test]
fn a_deleted_topic_takes_its_retry_topics_and_what_is_out_along() {
    let world = World::new(16);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 2);
    client.popped(&PopMessage { max_msg_nums: 1, invisible_time_ms: 1_000, ..pop() });
    client.popped(&PopMessage { queue_id: 0, ..pop() });
    world.run_ms(1_100);
    assert_eq!(client.ask(&pull("h", "%RETRY%g_T", 0, 0), b"").messages().len(), 1);
    let mut admin = world.connect_local(&host);
    admin.must(&net::requests::DeleteTopicInBroker { topic: "T" }, b"");
    assert_eq!(client.ask(&pull("h", "%RETRY%g_T", 0, 0), b"").code, 17);
    admin.must(&create_topic("T", 1), b"");
    world.run_ms(20_000);
    assert!(client.popped(&pop()).is_empty(), "nothing of the old topic comes into the new one");
    client.must(&message("T", 0), b"new");
    assert_eq!(client.popped_texts(&pop()), ["new"]);
}

#[test]
fn a_group_that_is_deleted_gets_nothing_back_and_leaves_nothing() {
    let world = World::new(12);
    let host = boot(&world, &Setup::default(), 1);
    let mut client = world.connect(&host);
    send(&mut client, 1, 2);
    client.popped(&pop());
    world.run_ms(1_000);
    let request = net::requests::DeleteSubscriptiongroup { group_name: "g", clean_offset: true };
    world.connect_local(&host).must(&request, b"");
    world.run_ms(10_000);
    assert_eq!(client.ask(&pull("g2", "%RETRY%g_T", 0, 0), b"").code, 17, "no retry topic was made");
}

#[test]
fn the_retry_topic_comes_first_as_often_as_configured() {
    for (percent, first) in [(100, "m000"), (0, "new")] {
        let world = World::new(18);
        let host = boot(&world, &Setup::with(|config| config.pop_retry_percent = percent), 1);
        let mut client = world.connect(&host);
        for _ in 0..5 {
            client.must(&message("T", 0), b"m000");
            client.popped(&PopMessage { invisible_time_ms: 1_000, ..pop() });
            world.run_ms(1_100);
            client.must(&message("T", 0), b"new");
            let one = PopMessage { max_msg_nums: 1, ..pop() };
            let came = client.popped(&one);
            assert_eq!(came[0].text(), first, "{percent} %");
            client.must(&came[0].ack(), b"");
            for rest in client.popped(&pop()) {
                client.must(&rest.ack(), b"");
            }
        }
    }
}
