//! The lines of RocketMQ's own benchmark programs, for scripts that read them (`--rmq-format`, `bench rmq-*`).
//!
//! Times are local in Java; here they are UTC, like everything this program prints.

use crate::bench::plan::{Kind, Plan};
use crate::bench::recorder::{Interval, Latencies};
use crate::bench::summary::Summary;

/// Whose lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// `Producer`.
    Producer,
    /// `BatchProducer`.
    Batch,
    /// `TransactionProducer`.
    Tx,
    /// `TimerProducer`.
    TimerProducer,
    /// `Consumer`.
    Consumer,
    /// `TimerConsumer`.
    TimerConsumer,
}

impl Lines {
    /// Of the program that does what `plan` does.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        match plan.kind {
            Kind::Produce => Self::Producer,
            Kind::Batch => Self::Batch,
            Kind::Tx => Self::Tx,
            // Its delays by level are an option of the producer.
            Kind::Delay if plan.shape.level.is_some() => Self::Producer,
            Kind::Delay => Self::TimerProducer,
            Kind::Consume if plan.shape.due_property.is_some() => Self::TimerConsumer,
            Kind::Consume | Kind::Pop | Kind::E2e | Kind::Mixed => Self::Consumer,
        }
    }
}

/// The line of an interval that lasted `seconds`, at `now_ms`.
#[must_use]
pub fn interval(lines: Lines, interval: &Interval, batch: usize, seconds: f64, now_ms: i64) -> String {
    let time = time(now_ms);
    let per = |count: u64| (count as f64 / seconds) as u64;
    let failed = interval.error_count();
    let (unsent, refused) = failures(interval);
    let (most, mean) = (whole_ms(&interval.service), mean_ms(&interval.service));
    match lines {
        Lines::Tx => format!(
            "Current Time: {time} | Send TPS: {:5} | Max RT(ms): {:5} | AVG RT(ms): {:3.1} | Send Failed: {failed} | Check: {} | UnexpectedCheck: {} | DuplicatedCheck: {}",
            per(interval.acked),
            whole_ms(&interval.transaction_service).max(most),
            mean_ms(&interval.transaction_service),
            interval.checks,
            interval.checks_unexpected,
            interval.checks_again,
        ),
        Lines::TimerProducer => format!(
            "Send TPS: {}, Max RT: {most}, Average RT: {mean:7.3}, Send Failed: {unsent}, Response Failed: {refused}",
            per(interval.acked),
        ),
        Lines::Producer => format!(
            "Current Time: {time} | Send TPS: {} | Max RT(ms): {most} | Average RT(ms): {mean:7.3} | Send Failed: {unsent} | Response Failed: {refused}",
            per(interval.acked)
        ),
        Lines::Batch => format!(
            "Current Time: {time} | Send TPS: {} | Send MPS: {} | Max RT(ms): {most} | Average RT(ms): {mean:7.3} | Average Message RT(ms): {:7.3} | Send Failed: {failed} | Send Message Failed: {}",
            per(interval.acked / batch as u64),
            per(interval.acked),
            mean / batch as f64,
            failed * batch as u64
        ),
        Lines::TimerConsumer if interval.lateness.is_empty() => format!(
            "Consume TPS: {}, Avg delayedDuration: {:7.3}, Max delayedDuration: 0, ",
            per(interval.received),
            0.0
        ),
        Lines::TimerConsumer => {
            let at = |quantile: f64| interval.lateness.value_at_quantile(quantile) / 1_000_000;
            format!(
                "Consume TPS: {}, Avg delayedDuration: {:7.3}, Max delayedDuration: {}, delayDuration %25: {}, %50: {}; %80: {}; %90: {}; %99: {}; %99.9: {}",
                per(interval.received),
                mean_ms(&interval.lateness),
                whole_ms(&interval.lateness),
                at(0.25),
                at(0.5),
                at(0.8),
                at(0.9),
                at(0.99),
                at(0.999),
            )
        }
        Lines::Consumer => format!(
            "Current Time: {time} | Consume TPS: {} | AVG(B2C) RT(ms): {:7.3} | AVG(S2C) RT(ms): {:7.3} | MAX(B2C) RT(ms): {} | MAX(S2C) RT(ms): {} | Consume Fail: {failed}",
            per(interval.received),
            mean_ms(&interval.born_to_client),
            mean_ms(&interval.store_to_client),
            whole_ms(&interval.born_to_client),
            whole_ms(&interval.store_to_client),
        ),
    }
}

/// The line at the end, which only `Producer` has.
#[must_use]
pub fn complete(lines: Lines, total: &Interval, summary: &Summary) -> Option<String> {
    let (unsent, refused) = failures(total);
    let line = || {
        format!(
            "[Complete] Send Total: {} | Send TPS: {} | Max RT(ms): {} | Average RT(ms): {:7.3} | Send Failed: {unsent} | Response Failed: {refused}",
            total.acked + unsent,
            summary.rates.messages_per_second as u64,
            whole_ms(&total.service),
            mean_ms(&total.service),
        )
    };
    (lines == Lines::Producer).then(line)
}

/// Requests that failed on our side of the wire (no answer, connection lost), and those that the broker refused, as
/// Java's exceptions tell them apart.
fn failures(interval: &Interval) -> (u64, u64) {
    let ours = interval.errors.iter().filter(|(code, _)| **code < 0).map(|(_, (count, _))| count).sum();
    (ours, interval.error_count() - ours)
}

fn whole_ms(latencies: &Latencies) -> u64 {
    latencies.max() / 1_000_000
}

fn mean_ms(latencies: &Latencies) -> f64 {
    latencies.mean() / 1e6
}

/// `yyyy-MM-dd HH:mm:ss,SSS`
fn time(now_ms: i64) -> String {
    crate::time::show(now_ms).replace('T', " ").replace('.', ",").trim_end_matches('Z').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::recorder::{LOST, Phase, TIMED_OUT};

    #[test]
    fn lines_of_transactions_and_timers_are_those_of_rocketmqs_tools() {
        let mut one = Interval::new(Phase::Measured, 0);
        (one.acked, one.received, one.checks, one.checks_unexpected) = (1600, 500, 7, 1);
        one.transaction_service.saturating_record(3_000_000);
        one.service.saturating_record(2_000_000);
        assert_eq!(
            interval(Lines::Tx, &one, 1, 10.0, 1_795_269_600_123),
            "Current Time: 2026-11-21 14:00:00,123 | Send TPS:   160 | Max RT(ms):     3 | AVG RT(ms): 3.0 | Send Failed: 0 | Check: 7 | UnexpectedCheck: 1 | DuplicatedCheck: 0"
        );
        assert_eq!(
            interval(Lines::TimerProducer, &one, 1, 10.0, 0),
            "Send TPS: 160, Max RT: 2, Average RT:   2.000, Send Failed: 0, Response Failed: 0"
        );
        assert_eq!(
            interval(Lines::TimerConsumer, &one, 1, 10.0, 0),
            "Consume TPS: 50, Avg delayedDuration:   0.000, Max delayedDuration: 0, "
        );
        one.lateness.saturating_record(4_000_000);
        assert_eq!(
            interval(Lines::TimerConsumer, &one, 1, 10.0, 0),
            "Consume TPS: 50, Avg delayedDuration:   4.001, Max delayedDuration: 4, delayDuration %25: 4, %50: 4; %80: 4; %90: 4; %99: 4; %99.9: 4"
        );
    }

    #[test]
    fn lines_are_those_of_rocketmqs_tools() {
        let mut one = Interval::new(Phase::Measured, 0);
        (one.acked, one.received) = (1600, 500);
        [1_000_000, 3_000_000].into_iter().for_each(|ns| one.service.saturating_record(ns));
        one.error(2, "busy");
        one.error(TIMED_OUT, "");
        one.error(LOST, "");
        // A histogram of three digits: 5 ms are 4.999 on average.
        one.born_to_client.saturating_record(5_000_000);
        one.store_to_client.saturating_record(4_000_000);
        let at = 1_795_269_600_123;
        assert_eq!(
            interval(Lines::Producer, &one, 1, 10.0, at),
            "Current Time: 2026-11-21 14:00:00,123 | Send TPS: 160 | Max RT(ms): 3 | Average RT(ms):   2.000 | Send Failed: 2 | Response Failed: 1"
        );
        assert_eq!(
            interval(Lines::Batch, &one, 16, 10.0, at),
            "Current Time: 2026-11-21 14:00:00,123 | Send TPS: 10 | Send MPS: 160 | Max RT(ms): 3 | Average RT(ms):   2.000 | Average Message RT(ms):   0.125 | Send Failed: 3 | Send Message Failed: 48"
        );
        assert_eq!(
            interval(Lines::Consumer, &one, 1, 10.0, at),
            "Current Time: 2026-11-21 14:00:00,123 | Consume TPS: 50 | AVG(B2C) RT(ms):   4.999 | AVG(S2C) RT(ms):   4.001 | MAX(B2C) RT(ms): 5 | MAX(S2C) RT(ms): 4 | Consume Fail: 3"
        );
        let summary = crate::bench::report::tests::summary("produce", 1.0);
        assert_eq!(
            complete(Lines::Producer, &one, &summary).unwrap(),
            "[Complete] Send Total: 1602 | Send TPS: 4000 | Max RT(ms): 3 | Average RT(ms):   2.000 | Send Failed: 2 | Response Failed: 1"
        );
        assert_eq!(complete(Lines::Batch, &one, &summary), None);
    }
}
