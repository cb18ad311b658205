//! Reads every queue from its minimum to its maximum, when all is over.

use history::{Event, Reader};
use net::names::{DLQ_PREFIX, RETRY_PREFIX};
use net::requests::{GetMaxOffset, PullMessage};
use testbed::{Client, Message, pull};

use crate::cluster::{Cluster, SHARDS, every_queue, queue};
use crate::life::Life;
use crate::producers::attempt_of;
use crate::triers::{GROUP as TRIERS, dead_letter, tried_again};

/// Everything there is, in answers of at most `messages` messages.
pub(crate) fn drain(cluster: &mut Cluster<'_>, reader: Reader, messages: i32) {
    cluster.note(Event::Drain { reader });
    for (topic, shard, id) in every_queue(cluster.life) {
        let world = cluster.world;
        let mut client = world.connect(cluster.host(shard).expect("it runs"));
        let queue_id = i32::try_from(id).expect("few queues");
        let place = queue(topic, shard, id);
        let max = read(&mut client, topic, queue_id, messages, |one| {
            cluster.note(Event::Read {
                reader,
                queue: place,
                offset: one.queue_offset,
                attempt: attempt_of(&one.body),
                at_ms: one.stored_at_ms,
            });
        });
        cluster.note(Event::Max { queue: place, offset: u64::try_from(max).expect("an offset") });
        client.close();
    }
    if cluster.life == Life::Groups {
        drain_retries(cluster, messages);
    }
}

/// What was given back, and what became of it in the end.
fn drain_retries(cluster: &mut Cluster<'_>, messages: i32) {
    for shard in 0..SHARDS {
        let world = cluster.world;
        let mut client = world.connect(cluster.host(shard).expect("it runs"));
        for (prefix, dead) in [(RETRY_PREFIX, false), (DLQ_PREFIX, true)] {
            let topic = format!("{prefix}{TRIERS}");
            // Not made before the first dead letter.
            if client.ask(&GetMaxOffset { topic: &topic, queue_id: 0, committed: true }, b"").code != 0 {
                continue;
            }
            read(&mut client, &topic, 0, messages, |one| {
                cluster.note(if dead { dead_letter(one) } else { tried_again(one) });
            });
        }
        client.close();
    }
}

/// Shows every message of a queue; the offset behind the last one.
fn read(
    client: &mut Client<'_>,
    topic: &str,
    queue_id: i32,
    messages: i32,
    mut show: impl FnMut(&Message),
) -> i64 {
    let max = client.must(&GetMaxOffset { topic, queue_id, committed: true }, b"").number("offset");
    let mut next = 0;
    while next < max {
        let request = PullMessage { max_msg_nums: messages, ..pull("drain", topic, queue_id, next) };
        let answer = client.ask(&request, b"");
        answer.messages().iter().for_each(&mut show);
        let further = answer.number("nextBeginOffset");
        assert!(further > next, "a read of {topic} at {next} of {max} stands still: {answer:?}");
        next = further;
    }
    max
}
