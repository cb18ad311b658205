//! Topics that go and come back, and very many queues.

use rt::sim::Crash;
use store::{FlushMode, QueueOffset};

use crate::bench::{Bench, body_of, message, small};

#[test]
fn a_topic_deleted_and_made_again_starts_at_zero_also_after_a_crash() {
    for kind in [Crash::Process, Crash::Os, Crash::Power] {
        let mut bench = Bench::new(small());
        for number in 0..10 {
            bench.send(&message("Gone", &body_of(number, 300)), 1);
        }
        bench.send(&message("Stays", &body_of(77, 10)), 1);
        bench.settle();
        bench.store.delete_topic("Gone");
        let durable = bench.store.tables().durable();
        bench.sim.block_on(durable).unwrap();
        assert!(bench.store.find_queue("Gone", 0).is_none());

        let mut bench = bench.crash(kind, 2);
        assert!(
            bench.store.find_queue("Gone", 0).is_none(),
            "{kind:?}: its old records do not bring it back"
        );
        let first = bench.send(&message("Gone", &body_of(100, 300)), 1);
        assert_eq!(first.queue_offset, QueueOffset::default(), "{kind:?}");
        bench.settle();

        let bench = bench.crash(kind, 3);
        let gone = bench.store.find_queue("Gone", 0).expect("it has a message again");
        assert_eq!(bench.all(gone), [(0, body_of(100, 300))], "{kind:?}");
        let stays = bench.store.find_queue("Stays", 0).unwrap();
        assert_eq!(bench.all(stays), [(0, body_of(77, 10))], "{kind:?}");
    }
}

#[test]
fn a_hundred_thousand_queues_keep_their_messages_over_a_restart() {
    let mut config = small();
    config.segment_bytes = 4 << 20;
    config.window_bytes = 8 << 20;
    config.flush_mode = FlushMode::Async;
    let mut bench = Bench::new(config);
    let body = |id: u32| id.to_be_bytes();
    for queue_id in 0..QUEUES {
        let body = body(queue_id);
        let mut message = message("Many", &body);
        message.queue_id = queue_id;
        assert_eq!(bench.send(&message, 1).queue_offset.get(), 0);
    }
    bench.settle();
    let bench = bench.restart(2);
    let mut seen = 0;
    bench.store.for_each_queue(|_, _, queue| {
        let range = bench.store.offsets(queue);
        assert_eq!((range.min.get(), range.max.get()), (0, 1));
        seen += 1;
    });
    assert_eq!(seen, QUEUES);
    for queue_id in (0..QUEUES).step_by(9_973) {
        let queue = bench.store.find_queue("Many", queue_id).unwrap();
        assert_eq!(bench.all(queue), [(0, body(queue_id).to_vec())]);
    }
}

const QUEUES: u32 = 100_000;
