//! Segments that go, and sends that are refused, because of age and of the disk.

use std::time::Duration;

use rt::Env;
use store::{DeleteWhen, QueueOffset, ReadStatus, Refusal, StoreConfig, StoreError};

use crate::bench::{Bench, SEGMENT, body_of, message, small};

const HOUR_MS: i64 = 3_600_000;
const TOPIC: &str = "Orders";

/// Fills some segments; a slow queue has a message in the first one only.
fn filled(config: StoreConfig) -> Bench {
    let mut bench = Bench::new(config);
    to_hour(&mut bench, 12);
    let now = bench.unix_ms();
    bench.send(&message("Slow", b"once"), now);
    for number in 0..COUNT {
        bench.send(&message(TOPIC, &body_of(number, 600)), now);
    }
    bench.settle();
    bench
}

const COUNT: u64 = 600;

/// Moves the clock on to the next full hour `hour`, UTC.
fn to_hour(bench: &mut Bench, hour: i64) {
    let day = 24 * HOUR_MS;
    let now = bench.unix_ms();
    bench.machine.shift_clock_ms((hour * HOUR_MS - now).rem_euclid(day));
}

fn begins_at(bench: &Bench) -> u64 {
    bench.store.statistics().min_physical.get()
}

/// The start of the log has moved, and everything follows it.
fn has_moved(bench: &mut Bench) {
    for _ in 0..300 {
        if begins_at(bench) > 0 {
            break;
        }
        bench.run(Duration::from_millis(100));
    }
    bench.run(Duration::from_secs(2));
    let begin = begins_at(bench);
    assert!(begin > 0, "nothing went");
    assert_eq!(begin % SEGMENT, 0);
    let queue = bench.store.find_queue(TOPIC, 0).expect("it has messages");
    let range = bench.store.offsets(queue);
    assert!(range.min.get() > 0 && range.min < range.max, "{range:?}");
    let (status, batch) = bench.hot(queue, QueueOffset::default());
    assert_eq!((status, batch.next), (ReadStatus::TooSmall, range.min), "a consumer is led to the minimum");
    let all = bench.all(queue);
    assert_eq!(all.first().map(|(offset, _)| *offset), Some(range.min.get()));
    for (offset, body) in all {
        assert_eq!(body, body_of(offset, 600));
    }
    let slow = bench.store.find_queue("Slow", 0).expect("a queue outlives its messages");
    let range = bench.store.offsets(slow);
    assert_eq!((range.min.get(), range.max.get()), (1, 1), "its message is gone, its numbering is not");
    let gone = bench.sim.block_on(bench.store.record_at(store::PhysicalOffset::new(0)));
    assert!(matches!(gone, Ok(None)), "{gone:?}");
    let next = bench.send(&message("Slow", b"twice"), 1);
    assert_eq!(next.queue_offset.get(), 1);
}

#[test]
fn expired_segments_go_at_four_in_the_morning_and_not_before() {
    let mut bench = filled(small());
    bench.machine.shift_clock_ms(12 * HOUR_MS);
    to_hour(&mut bench, 4);
    bench.run(Duration::from_secs(3));
    assert_eq!(begins_at(&bench), 0, "it is the hour, but nothing has expired");
    bench.machine.shift_clock_ms(72 * HOUR_MS + 5 * HOUR_MS);
    bench.run(Duration::from_secs(3));
    assert_eq!(begins_at(&bench), 0, "everything has expired, but it is not the hour");
    to_hour(&mut bench, 4);
    has_moved(&mut bench);
    let bench = bench.restart(2);
    let queue = bench.store.find_queue(TOPIC, 0).unwrap();
    assert!(bench.store.offsets(queue).min.get() > 0, "and it lasts");
}

/// Sizes the disk so that this share of it is used.
fn use_share(bench: &Bench, share: f64) {
    let stats = bench.store.statistics();
    let used = stats.disk_total - stats.disk_available;
    bench.machine.disk().set_capacity(Some((used as f64 / share) as u64));
}

#[test]
fn expired_segments_go_at_any_hour_on_a_disk_over_its_mark() {
    let mut bench = filled(small());
    use_share(&bench, 0.80);
    bench.run(Duration::from_secs(3));
    assert_eq!(begins_at(&bench), 0, "nothing has expired");
    bench.machine.shift_clock_ms(72 * HOUR_MS);
    to_hour(&mut bench, 12);
    has_moved(&mut bench);
}

#[test]
fn a_disk_over_the_forced_mark_loses_segments_of_any_age_unless_that_is_off() {
    let mut config = small();
    config.retention.clean_forcibly = false;
    let mut bench = filled(config);
    use_share(&bench, 0.88);
    bench.run(Duration::from_secs(3));
    assert_eq!(begins_at(&bench), 0, "switched off");

    let mut bench = filled(small());
    use_share(&bench, 0.88);
    has_moved(&mut bench);
    let stats = bench.store.statistics();
    assert!(stats.disk_ratio < 0.88, "the space came back: {}", stats.disk_ratio);
    assert!(
        !bench.machine.disk().files().iter().any(|name| name.contains("recycled-")),
        "nothing is kept back"
    );
}

#[test]
fn what_a_look_has_freed_is_sent_to_at_once() {
    let mut config = small();
    config.retention_interval = Duration::from_secs(10);
    let mut bench = filled(config);
    use_share(&bench, 0.93);
    for _ in 0..300 {
        if bench.store.statistics().disk_ratio <= 0.85 {
            break;
        }
        bench.run(Duration::from_millis(100));
    }
    let queue = bench.store.queue(TOPIC, 0);
    let sent = bench.store.append(queue, &message(TOPIC, b"now"), 1);
    assert!(sent.is_ok(), "{sent:?}");
}

#[test]
fn sends_are_refused_above_the_warning_mark_until_usage_is_below_the_forced_one() {
    let mut config = small();
    config.retention.clean_forcibly = false;
    config.retention.delete_when = DeleteWhen::Hours(vec![4]);
    let mut bench = filled(config);
    let body = body_of(1, 10);
    let mut refused_at = |share| {
        use_share(&bench, share);
        bench.run(Duration::from_millis(500));
        let queue = bench.store.queue(TOPIC, 0);
        let sent = bench.store.append(queue, &message(TOPIC, &body), 1);
        bench.store.end_of_turn(bench.machine.env().now());
        match sent {
            Ok(_) => {
                assert_eq!(bench.store.refusal(), None);
                false
            }
            Err(StoreError::Refused(Refusal::DiskFull { what })) => {
                assert!(what.contains('%'), "{what}");
                assert!(matches!(bench.store.refusal(), Some(Refusal::DiskFull { .. })));
                true
            }
            Err(other) => panic!("{other}"),
        }
    };
    assert!(!refused_at(0.88), "below the mark");
    assert!(refused_at(0.93), "above the mark");
    assert!(refused_at(0.88), "not yet back");
    assert!(!refused_at(0.80), "healed");
    assert!(!refused_at(0.88), "and it takes the upper mark again");
}
