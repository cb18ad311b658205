//! Queue locks of orderly consumers, and what of them is left after a restart.

use net::body::{LockBatch, LockBatchReply, MessageQueue};
use net::json::{self, Style};
use net::requests::{HeartBeat, LockBatchMq, UnlockBatchMq};
use rt::sim::Crash;

use crate::support::{Client, Setup, World, create_topic, heartbeat};

fn request(group: &str, client_id: &str, queues: &[(&str, &str, i32)]) -> Vec<u8> {
    let queues = queues.iter().map(|(broker, topic, queue_id)| MessageQueue {
        broker_name: (*broker).to_owned(),
        topic: (*topic).to_owned(),
        queue_id: *queue_id,
    });
    let body = LockBatch {
        client_id: client_id.to_owned(),
        consumer_group: group.to_owned(),
        queues: queues.collect(),
        only_this_broker: false,
    };
    json::to_vec(&body, Style::Raw)
}

/// The queue ids of `T` that `client_id` holds after asking for the first three.
fn lock(client: &mut Client<'_>, group: &str, client_id: &str) -> Vec<i32> {
    let three = [("broker-a", "T", 0), ("broker-a", "T", 1), ("broker-a", "T", 2)];
    lock_some(client, group, client_id, &three)
}

fn lock_some(
    client: &mut Client<'_>,
    group: &str,
    client_id: &str,
    queues: &[(&str, &str, i32)],
) -> Vec<i32> {
    let answer = client.ask(&LockBatchMq {}, &request(group, client_id, queues));
    answer.json::<LockBatchReply>().locked.into_iter().map(|queue| queue.queue_id).collect()
}

#[test]
fn a_queue_is_locked_by_one_client_until_it_lets_go() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 3), b"");
    let mut client = world.connect(&host);
    assert_eq!(lock_some(&mut client, "g", "a", &[("broker-a", "T", 1)]), [1]);
    assert_eq!(lock(&mut client, "g", "b"), [0, 2], "a subset is granted");
    assert_eq!(lock(&mut client, "other", "b"), [0, 1, 2], "another group is another lock");
    client.must(&UnlockBatchMq {}, &request("g", "b", &[("broker-a", "T", 1)]));
    assert_eq!(lock(&mut client, "g", "b"), [0, 2], "only the owner unlocks");
    client.must(&UnlockBatchMq {}, &request("g", "a", &[("broker-a", "T", 1)]));
    assert_eq!(lock(&mut client, "g", "b"), [0, 1, 2]);
}

#[test]
fn a_lock_nobody_renews_is_free_after_a_minute() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 3), b"");
    let mut client = world.connect(&host);
    assert_eq!(lock(&mut client, "g", "a"), [0, 1, 2]);
    world.run_ms(40_000);
    assert_eq!(lock_some(&mut client, "g", "a", &[("broker-a", "T", 0)]), [0], "renewed");
    world.run_ms(19_000);
    assert_eq!(lock(&mut client, "g", "b"), Vec::<i32>::new());
    world.run_ms(2_000);
    assert_eq!(lock(&mut client, "g", "b"), [1, 2]);
}

#[test]
fn queues_that_are_not_here_are_not_locked() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 3), b"");
    let mut client = world.connect(&host);
    let strangers = [("broker-b", "T", 0), ("broker-a", "U", 0), ("broker-a", "T", 3), ("broker-a", "T", -1)];
    assert_eq!(lock_some(&mut client, "g", "a", &strangers), Vec::<i32>::new());
    assert_eq!(client.ask(&LockBatchMq {}, b"{").code, 1);
}

/// Found by `cargo run -p sim -- 130 --groups`: after a restart the members that were back first shared out the queues
/// among themselves, and one was granted a queue that another still consumed.
#[test]
fn a_queue_stays_its_owners_over_a_restart_for_as_long_as_the_owner_believes() {
    for (seed, crash) in [(4, Some(Crash::Process)), (5, Some(Crash::Os)), (6, Some(Crash::Power)), (7, None)]
    {
        let world = World::new(seed);
        let setup = Setup::default();
        let host = world.boot(&setup);
        world.connect_local(&host).must(&create_topic("T", 3), b"");
        let mut client = world.connect(&host);
        client.must(&HeartBeat {}, &heartbeat("a", "g", &[]));
        assert_eq!(lock(&mut client, "g", "a"), [0, 1, 2]);
        client.must(&UnlockBatchMq {}, &request("g", "a", &[("broker-a", "T", 2)]));
        assert_eq!(
            lock_some(&mut client, "g", "b", &[("broker-a", "T", 2)]),
            [2],
            "flushed behind the unlock"
        );
        let disk = match crash {
            Some(crash) => host.crash(crash),
            None => host.stop(&world),
        };
        let host = world.boot_from(disk, &setup);
        let start = world.now_ms();
        let mut client = world.connect(&host);
        assert_eq!(lock(&mut client, "g", "b"), [2], "{crash:?}: its own; the rest is still the other's");
        assert_eq!(
            lock_some(&mut client, "g", "a", &[("broker-a", "T", 0)]),
            [0],
            "{crash:?}: renewed at once"
        );
        world.run_ms(start + 34_900 - world.now_ms());
        assert_eq!(lock(&mut client, "g", "c"), Vec::<i32>::new(), "{crash:?}");
        world.run_ms(200);
        assert_eq!(lock(&mut client, "g", "c"), [1], "{crash:?}: its owner did not come back");
    }
}

#[test]
fn what_was_unlocked_or_ran_out_before_a_restart_is_free_after_it() {
    let world = World::new(8);
    let setup = Setup::default();
    let host = world.boot(&setup);
    world.connect_local(&host).must(&create_topic("T", 3), b"");
    let mut client = world.connect(&host);
    client.must(&HeartBeat {}, &heartbeat("a", "g", &[]));
    assert_eq!(lock_some(&mut client, "g", "a", &[("broker-a", "T", 0)]), [0]);
    world.run_ms(75_000); // it is not renewed, and was looked through
    assert_eq!(lock_some(&mut client, "g", "a", &[("broker-a", "T", 1), ("broker-a", "T", 2)]), [1, 2]);
    client.must(&UnlockBatchMq {}, &request("g", "a", &[("broker-a", "T", 1)]));
    world.run_ms(1_100); // nobody waits for the flush of what is given up
    let host = world.boot_from(host.crash(Crash::Process), &setup);
    assert_eq!(lock(&mut world.connect(&host), "g", "b"), [0, 1]);
}
