//! Offsets set by an administrator: told to the next pull, safe from late commits, on line and off.

use net::body::ResetOffsetBody;
use net::requests::{CloneGroupOffset, InvokeBrokerToResetOffset, UpdateAndCreateSubscriptiongroup};

use crate::support::{
    Client, Host, Setup, World, attached, commit, create_topic, group_config, message, offset_query, pull,
};

fn boot(world: &World) -> Host {
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 1), b"");
    for group in ["g", "h"] {
        admin.must(&UpdateAndCreateSubscriptiongroup {}, &group_config(group, |_| {}));
    }
    host
}

fn reset(timestamp: i64, is_force: bool) -> InvokeBrokerToResetOffset<'static> {
    InvokeBrokerToResetOffset { topic: "T", group: "g", timestamp, is_force, queue_id: -1, offset: None }
}

fn offset(client: &mut Client<'_>, group: &str) -> i64 {
    client.must(&offset_query(group, "T", 0), b"").number("offset")
}

#[test]
fn a_reset_is_told_to_the_next_pull_and_commits_of_before_do_not_undo_it() {
    let world = World::new(1);
    let host = boot(&world);
    let mut client = world.connect(&host);
    let mut admin = world.connect_local(&host);
    for number in 0..10 {
        client.must(&message("T", 0), format!("m{number}").as_bytes());
        world.run_ms(100);
    }
    client.must(&commit("g", "T", 0, 10), b"");
    let middle = world.unix_ms() - 450;
    let body: ResetOffsetBody = admin.must(&reset(middle, true), b"").json();
    let (queue, target) = body.offsets.first_key_value().unwrap();
    assert_eq!((queue.topic.as_str(), queue.queue_id, *target), ("T", 0, 6));
    assert_eq!(offset(&mut client, "g"), 6);
    client.must(&commit("g", "T", 0, 10), b"");
    assert_eq!(offset(&mut client, "g"), 6, "the consumer does not know yet");
    let moved = client.ask(&pull("g", "T", 0, 10), b"");
    assert_eq!((moved.code, moved.number("nextBeginOffset")), (21, 6));
    assert_eq!(client.ask(&pull("g", "T", 0, 6), b"").texts(), ["m6", "m7", "m8", "m9"]);
    client.must(&commit("g", "T", 0, 8), b"");
    assert_eq!(offset(&mut client, "g"), 8);
}

#[test]
fn a_consumer_that_waits_hears_of_it_at_once() {
    let world = World::new(2);
    let host = boot(&world);
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"old");
    let opaque = client.begin(&attached(pull("g", "T", 0, 1), 15_000), b"");
    world.run_ms(100);
    world.connect_local(&host).must(&reset(0, true), b"");
    assert_ne!(client.wait(opaque).code, 0, "released with nothing");
    assert_eq!(client.ask(&pull("g", "T", 0, 1), b"").number("nextBeginOffset"), 0);
}

#[test]
fn without_force_a_group_only_goes_back_and_minus_one_is_the_end() {
    let world = World::new(3);
    let host = boot(&world);
    let mut client = world.connect(&host);
    let mut admin = world.connect_local(&host);
    for _ in 0..5 {
        client.must(&message("T", 0), b"x");
    }
    client.must(&commit("g", "T", 0, 2), b"");
    admin.must(&reset(-1, false), b"");
    assert_eq!(offset(&mut client, "g"), 2);
    admin.must(&reset(-1, true), b"");
    assert_eq!(offset(&mut client, "g"), 5);
    let exact = InvokeBrokerToResetOffset { queue_id: 0, offset: Some(3), ..reset(0, true) };
    admin.must(&exact, b"");
    assert_eq!(offset(&mut client, "g"), 3);
    for (request, code) in [
        (InvokeBrokerToResetOffset { offset: Some(6), ..exact }, 1),
        (InvokeBrokerToResetOffset { queue_id: 7, ..exact }, 1),
        (InvokeBrokerToResetOffset { topic: "none", ..reset(0, true) }, 17),
        (InvokeBrokerToResetOffset { group: "none", ..reset(0, true) }, 26),
    ] {
        let answer = admin.ask(&request, b"");
        assert_eq!(answer.code, code, "{answer:?}");
    }
}

#[test]
fn offsets_are_cloned_to_another_group() {
    let world = World::new(4);
    let host = boot(&world);
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"x");
    client.must(&commit("g", "T", 0, 1), b"");
    let clone = CloneGroupOffset { src_group: "g", dest_group: "h", topic: Some("T"), offline: false };
    world.connect_local(&host).must(&clone, b"");
    assert_eq!(offset(&mut client, "h"), 1);
}
