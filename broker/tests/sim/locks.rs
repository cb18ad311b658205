//! Queue locks of orderly consumers.

use net::body::{LockBatch, LockBatchReply, MessageQueue};
use net::json::{self, Style};
use net::requests::{LockBatchMq, UnlockBatchMq};

use crate::support::{Client, Setup, World, create_topic};

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
