//! What is read after it has left memory, and what is searched for.

use std::slice;

use rt::sim::Crash;
use store::{Boundary, PhysicalOffset, QueueOffset, ReadStatus};

use crate::bench::{Bench, SEGMENT, body_in, body_of, message, small};

const TOPIC: &str = "Orders";
/// Enough for five segments, of which the window holds two.
const COUNT: u64 = 500;

/// Message `number`, stored at `1_000 + number / 2` ms, its keys its own number and one that all have.
fn fill(bench: &mut Bench) -> Vec<PhysicalOffset> {
    let mut places = Vec::new();
    for number in 0..COUNT {
        let (keys, unique_key) = (format!("order-{number} all"), format!("U{number}"));
        let properties = format!("KEYS\x01{keys}\x02UNIQ_KEY\x01{unique_key}\x02");
        let body = body_of(number, 600);
        let mut message = message(TOPIC, &body);
        (message.properties, message.keys, message.unique_key) =
            (properties.as_bytes(), keys.as_bytes(), unique_key.as_bytes());
        places.push(bench.send(&message, stored_at(number)).at);
    }
    bench.settle();
    assert!(bench.store.window().start() > SEGMENT, "the beginning has left the window");
    places
}

fn stored_at(number: u64) -> i64 {
    1_000 + (number / 2) as i64
}

/// As it is, after an orderly restart, after a power cut.
fn over_restarts(check: impl Fn(&Bench, &[PhysicalOffset])) {
    let mut bench = Bench::new(small());
    let places = fill(&mut bench);
    check(&bench, &places);
    let bench = bench.restart(2);
    check(&bench, &places);
    let bench = bench.crash(Crash::Power, 3);
    check(&bench, &places);
}

#[test]
fn messages_are_found_by_key_and_unique_key_in_a_time_range() {
    over_restarts(|bench, _| {
        let query = |key: &str, max, from, to| -> Vec<Vec<u8>> {
            let found = bench.sim.block_on(bench.store.query_keys(TOPIC, key, max, from, to)).unwrap();
            found.iter().map(|record| body_in(record)).collect()
        };
        for number in [0, 7, COUNT / 2, COUNT - 1] {
            let (body, at) = (body_of(number, 600), stored_at(number));
            assert_eq!(query(&format!("order-{number}"), 32, 0, i64::MAX), slice::from_ref(&body));
            assert_eq!(query(&format!("U{number}"), 32, at, at), [body]);
            assert!(query(&format!("U{number}"), 32, at + 1_000, i64::MAX).is_empty());
            assert!(query(&format!("U{number}"), 32, 0, at - 1_000).is_empty());
        }
        let newest: Vec<_> = (COUNT - 5..COUNT).rev().map(|number| body_of(number, 600)).collect();
        assert_eq!(query("all", 5, 0, i64::MAX), newest, "the newest, newest first");
        assert!(query("order", 32, 0, i64::MAX).is_empty(), "a prefix is no key");
        let others = bench.sim.block_on(bench.store.query_keys("Other", "all", 5, 0, i64::MAX)).unwrap();
        assert!(others.is_empty(), "another topic's keys");
    });
}

#[test]
fn what_left_the_window_is_read_from_the_files() {
    over_restarts(|bench, places| {
        let queue = bench.store.find_queue(TOPIC, 0).unwrap();
        assert_eq!(bench.hot(queue, QueueOffset::default()).0, ReadStatus::Cold);
        let expected: Vec<_> = (0..COUNT).map(|number| (number, body_of(number, 600))).collect();
        assert!(bench.all(queue) == expected, "every message, in order");
        for (number, at) in (0..).zip(places).step_by(61) {
            let record = bench.sim.block_on(bench.store.record_at(*at)).unwrap().expect("it is there");
            assert_eq!(body_in(&record), body_of(number, 600));
            let inside = bench.sim.block_on(bench.store.record_at(at.plus(1))).unwrap();
            assert!(inside.is_none(), "nothing starts inside a record");
        }
        assert!(bench.sim.block_on(bench.store.record_at(bench.store.end())).unwrap().is_none());
    });
}

#[test]
fn an_offset_is_found_by_time_at_both_boundaries() {
    over_restarts(|bench, _| {
        let queue = bench.store.find_queue(TOPIC, 0).unwrap();
        let offset =
            |at, boundary| bench.sim.block_on(bench.store.offset_by_time(queue, at, boundary)).unwrap().get();
        // Two messages share each millisecond.
        for number in [0, 2, 120, COUNT - 2] {
            assert_eq!(offset(stored_at(number), Boundary::Lower), number);
            assert_eq!(offset(stored_at(number), Boundary::Upper), number + 1);
        }
        assert_eq!((offset(0, Boundary::Lower), offset(0, Boundary::Upper)), (0, 0));
        assert_eq!(offset(i64::MAX, Boundary::Lower), COUNT);
        assert_eq!(offset(i64::MAX, Boundary::Upper), COUNT - 1);
    });
}
