//! Times: a late server shows where it should, schedules do not move, and measuring costs no allocation.

use std::sync::mpsc;

use net::ResponseCode;

use super::server::Script;
use super::{TOPIC, run, with};
use crate::bench::flight::{Flight, Sent, Step};
use crate::bench::plan::{Kind, tests::plan};
use crate::bench::recorder::{LOST, Latencies, Phase, Recorder, TIMED_OUT, Times};
use crate::bench::template::{Body, Head, Message};

#[test]
fn a_stall_shows_in_response_times_and_not_in_service_times() {
    let script = Script { delay_ms: 0, stall_ms: 100, ..Script::default() };
    let ran = run(1, script, Kind::Produce, &with(&["--inflight=1"]));
    let at = |latencies: &Latencies, percentile| latencies.value_at_percentile(percentile) / 1_000;
    // One request a second meets the stall itself: less than one in a hundred. The hundred that were due meanwhile wait.
    assert!(at(&ran.total.service, 99.0) < 1_000, "{} us", at(&ran.total.service, 99.0));
    assert!(
        (90_000..101_000).contains(&at(&ran.total.response, 99.0)),
        "{} us",
        at(&ran.total.response, 99.0)
    );
    assert!(at(&ran.total.response, 85.0) < 1_000, "{} us", at(&ran.total.response, 85.0));
    // The server was late, not the generator.
    assert!(at(&ran.total.lag, 99.9) < 1_000, "{} us", at(&ran.total.lag, 99.9));
    assert_eq!((ran.total.response.len(), ran.unsent), (4_000, 0));
}

#[test]
fn a_known_delay_is_measured_and_warm_up_is_cut() {
    let ran = run(2, Script { delay_ms: 5, ..Script::default() }, Kind::Produce, &with(&[]));
    let p50 = ran.total.response.value_at_quantile(0.5);
    assert!((5_000_000..5_300_000).contains(&p50), "{p50}");
    assert_eq!(ran.total.response.len(), 4_000);
    let warm: u64 = ran.intervals.iter().filter(|one| one.phase == Phase::WarmUp).map(|one| one.sent).sum();
    assert_eq!(warm, 1_000);
}

#[test]
fn a_server_that_cannot_keep_up_does_not_move_the_schedule() {
    // 250 answers a second for 1,000 messages a second.
    let ran = run(3, Script { delay_ms: 4, ..Script::default() }, Kind::Produce, &with(&["--inflight=1"]));
    assert!(ran.total.service.value_at_quantile(0.99) < 5_000_000);
    // At the end, messages are answered that were due three quarters of the run before.
    assert!(ran.total.response.max() > 2_500_000_000, "{}", ran.total.response.max());
    assert!((2_900..3_900).contains(&ran.unsent), "{}", ran.unsent);
}

#[test]
fn a_closed_loop_has_service_times_only() {
    let arguments = ["--connections=2", "--inflight=3", "--warmup=0s", "--messages=600", "--size=100"];
    let ran = run(4, Script { delay_ms: 10, ..Script::default() }, Kind::Produce, &arguments);
    assert_eq!((ran.total.acked, ran.total.response.len(), ran.total.service.len()), (600, 0, 600));
    // Six at a time, ten milliseconds each: a second.
    let seconds: u64 = ran.intervals.iter().filter(|one| one.phase == Phase::Measured).count() as u64;
    assert!((1..=2).contains(&seconds), "{seconds}");
}

#[test]
fn errors_and_timeouts_stay_in_the_histogram_and_are_counted_by_code() {
    let script = Script { delay_ms: 1, refuse_every: 10, ignore_every: 100, ..Script::default() };
    let ran = run(5, script, Kind::Produce, &with(&["--timeout=500"]));
    let count = |code: i32| ran.total.errors.get(&code).map_or(0, |(count, _)| *count);
    assert_eq!(ran.total.response.len(), 4_000);
    // Forty of the measured ones, and those of the warm-up that were given up after it.
    assert!((44..=46).contains(&count(TIMED_OUT)), "{:?}", ran.total.errors);
    assert_eq!(count(LOST), 0, "{:?}", ran.total.errors);
    assert!((358..=362).contains(&count(ResponseCode::SYSTEM_BUSY.0)), "{:?}", ran.total.errors);
    let p995 = ran.total.response.value_at_quantile(0.995);
    assert!((500_000_000..700_000_000).contains(&p995), "{p995}");
}

#[test]
fn one_seed_repeats_a_run_to_the_byte() {
    let arguments = [
        "--rate=1k",
        "--warmup=0s",
        "--duration=3s",
        "--arrivals=poisson",
        "--keys=zipf:1.1",
        "--size=50..500",
    ];
    let once = || run(6, Script { delay_ms: 2, ..Script::default() }, Kind::Produce, &arguments);
    let (a, b) = (once(), once());
    assert_eq!((a.trace, a.total.response.clone()), (b.trace, b.total.response.clone()));
    let other = run(7, Script { delay_ms: 2, ..Script::default() }, Kind::Produce, &arguments);
    assert_ne!(other.trace, a.trace);
}

#[test]
fn a_warm_message_allocates_nothing() {
    for arguments in
        [&["--rate=1k", "--verify", "--keys=rr", "--tags=A,B"][..], &["--batch=8"], &["--header=rocketmq"]]
    {
        let plan = plan(Kind::Produce, arguments);
        let head = Head::new(&plan.shape, TOPIC, 1);
        let bodies = Body::all(&plan.shape, &plan.bodies);
        let mut flight = Flight::new(64);
        let (to, _intervals) = mpsc::channel();
        let times = Times { start: 0, measured: 0, end: u64::MAX, interval: u64::MAX };
        let mut recorder = Recorder::new(times, to);
        let mut out = Vec::with_capacity(1 << 20);
        let counted = allocation_counter::measure(|| {
            for number in 0..10_000_u64 {
                out.clear();
                let body = number as usize % bodies.len();
                let sent =
                    Sent { intended: number, written: number, number, body: body as u32, step: Step::Last };
                let opaque = flight.take(sent);
                let message = Message {
                    opaque,
                    born_at_ms: 1_777_777_777_777,
                    stream: 1,
                    number,
                    intended: number,
                    written: number,
                    key: 1,
                    deliver_at_ms: None,
                };
                head.append(&bodies[body], &mut out, &message, 1);
                assert_eq!(flight.answered(opaque), Some(sent));
                recorder.at(number, 1);
                recorder.now.service.saturating_record(number * 1_000);
                recorder.now.response.saturating_record(number * 1_000);
            }
        });
        assert_eq!(counted.count_total, 0, "{arguments:?}");
    }
}
