//! Connections that break, come back, or do not.

use rt::sim::Simulation;

use super::server::Script;
use super::{run_until, with};
use crate::bench::engine::Outages;
use crate::bench::plan::Kind;
use crate::bench::recorder::LOST;

#[test]
fn a_connection_that_breaks_ends_a_run_without_patience_with_what_was_measured() {
    let ran = run_until(11, Script::default(), Kind::Produce, &with(&["--reconnect=0s"]), |step, sim| {
        if step == 25 {
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
    });
    assert!(ran.failure.unwrap().contains("connection lost"));
    assert!((1_000..2_000).contains(&ran.total.acked), "{}", ran.total.acked);
}

#[test]
fn a_connection_that_breaks_comes_back_and_only_what_was_in_flight_fails() {
    let script = Script { delay_ms: 5, ..Script::default() };
    let ran = run_until(13, script, Kind::E2e, &with(&["--verify"]), |step, sim| {
        if step == 25 {
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
    });
    // The producer's connection and the consumer's.
    assert_eq!((ran.failure, ran.outages), (None, Outages { lost: 2, back: 2 }));
    let (lost, _) = ran.total.errors[&LOST];
    assert!((1..=10).contains(&lost), "5 were in flight, {lost} are counted");
    // Every message that was due is in the histogram, and only in-flight ones failed.
    assert_eq!((ran.total.service.len(), ran.unsent, ran.total.errors.len()), (4_000, 0, 1));
    assert_eq!(ran.verdict.lost, 0);
}

#[test]
fn what_was_stored_without_an_answer_is_not_taken_for_what_is_still_to_come() {
    // A hundred sends are stored and lose their answers; deliveries, 32 an answer, come long after acknowledgements.
    let script = Script { delay_ms: 100, pull_ms: 100, ..Script::default() };
    let ran = run_until(15, script, Kind::E2e, &with(&["--verify"]), |step, sim| {
        if step == 25 {
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
    });
    assert!(ran.verdict.unacknowledged > 32, "{:?}", ran.verdict);
    assert_eq!(ran.verdict.lost, 0, "{:?}", ran.verdict);
}

#[test]
fn what_was_due_in_an_outage_is_late_and_not_left_out() {
    let longer = ["--rate=1000/s", "--connections=1", "--warmup=1s", "--duration=12s", "--size=100"];
    let ran = run_until(14, Script::default(), Kind::Produce, &longer, |step, sim| {
        if step == 25 {
            sim.network().partition([10, 0, 0, 1], [10, 0, 0, 2]);
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
        if step == 45 {
            sim.network().heal();
        }
    });
    assert_eq!((ran.failure, ran.outages), (None, Outages { lost: 1, back: 1 }));
    let lost = ran.total.errors.get(&LOST).map_or(0, |(count, _)| *count);
    assert_eq!((ran.total.acked + lost, ran.unsent), (12_000, 0));
    assert!(ran.total.response.max() >= 1_900_000_000, "two seconds: {}", ran.total.response.max());
    assert!(ran.total.service.max() < 100_000_000, "{}", ran.total.service.max());
    assert!(ran.total.lag.max() < 1_000_000, "the generator is not to blame: {}", ran.total.lag.max());
}

#[test]
fn a_broker_that_stays_away_ends_the_run() {
    let cut = |step, sim: &Simulation| {
        if step == 25 {
            sim.network().partition([10, 0, 0, 1], [10, 0, 0, 2]);
            sim.network().reset([10, 0, 0, 1], [10, 0, 0, 2]);
        }
    };
    let ran = run_until(15, Script::default(), Kind::Produce, &with(&["--reconnect=1s"]), cut);
    assert!(ran.failure.unwrap().ends_with("; not back within 1s"));
    let ran = run_until(16, Script::default(), Kind::Produce, &with(&[]), cut);
    assert!(ran.failure.unwrap().ends_with("; not back when the run ended"));
    assert!(ran.unsent > 1_000, "what was due and never sent: {}", ran.unsent);
}
