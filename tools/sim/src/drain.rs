//! Reads every queue from its minimum to its maximum, when all is over.

use history::{Event, Reader};
use net::requests::{GetMaxOffset, PullMessage};

use crate::cluster::{Cluster, every_queue, queue};
use crate::producers::attempt_of;
use crate::support::pull;

/// Everything there is, in answers of at most `messages` messages.
pub(crate) fn drain(cluster: &mut Cluster<'_>, reader: Reader, messages: i32) {
    cluster.note(Event::Drain { reader });
    for (topic, shard, id) in every_queue() {
        let world = cluster.world;
        let mut client = world.connect(cluster.host(shard).expect("it runs"));
        let queue_id = i32::try_from(id).expect("few queues");
        let place = queue(topic, shard, id);
        let max = client.must(&GetMaxOffset { topic, queue_id, committed: true }, b"").number("offset");
        cluster.note(Event::Max { queue: place, offset: u64::try_from(max).expect("an offset") });
        let mut next = 0;
        while next < max {
            let request = PullMessage { max_msg_nums: messages, ..pull("drain", topic, queue_id, next) };
            let answer = client.ask(&request, b"");
            for one in answer.messages() {
                cluster.note(Event::Read {
                    reader,
                    queue: place,
                    offset: one.queue_offset,
                    attempt: attempt_of(&one.body),
                    at_ms: one.stored_at_ms,
                });
            }
            let further = answer.number("nextBeginOffset");
            assert!(further > next, "a read of {topic} at {next} of {max} stands still: {answer:?}");
            next = further;
        }
        client.close();
    }
}
