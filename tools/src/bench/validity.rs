//! What makes a run INVALID: a figure that describes the generator, the host or chance, and not the broker.

use serde::{Deserialize, Serialize};

use super::plan::{Kind, Plan};
use super::recorder::{Interval, Latencies};
use super::session::Outcome;
use super::units::{grouped, ms};

/// Why a run proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs: `errors`, `generator-lag`, `rate-missed`, `others-cpu`, `steal`, `throttled`, `few-samples`, `incomplete`,
    /// `fault`, `nothing-measured`.
    pub code: String,
    /// For people.
    pub text: String,
}

/// All reasons, worst first, and what could not be checked.
#[must_use]
pub fn judge(
    plan: &Plan,
    outcome: &Outcome,
    total: &Interval,
    headline: &Latencies,
) -> (Vec<Reason>, Vec<String>) {
    let mut reasons = Vec::new();
    let mut add = |code: &str, text: String| reasons.push(Reason { code: code.to_owned(), text });
    let crew = &outcome.crew;
    if let Some(failure) = &crew.failure {
        add("incomplete", format!("the run ended early: {failure}"));
    }
    for fault in &crew.faults {
        add("fault", fault.clone());
    }
    for trouble in &outcome.trouble {
        add("incomplete", trouble.clone());
    }
    let reads = matches!(plan.kind, Kind::E2e | Kind::Consume | Kind::Pop);
    let unread = reads && total.received == 0 && headline.is_empty();
    let unanswered = total.requests == 0 && total.received == 0 && !plan.shape.oneway;
    if crew.window.is_zero() || unanswered || unread {
        let early = crew.window.is_zero() && !crew.interrupted && crew.failure.is_none();
        let hint = if early { ": the load ended in the warm-up (--warmup)" } else { "" };
        add(
            "nothing-measured",
            format!(
                "nothing was {} in the measured time{hint}",
                if unread { "received" } else { "answered" }
            ),
        );
    }
    if total.error_count() as f64 > FAILED_MAX * total.requests as f64 {
        let (count, requests) = (grouped(total.error_count() as f64), grouped(total.requests as f64));
        let most = total.errors.iter().max_by_key(|(_, (count, _))| *count);
        let first =
            most.map_or(String::new(), |(code, (_, remark))| format!(", most with code {code}: {remark}"));
        add("errors", format!("{count} of {requests} requests failed (limit 1 %){first}"));
    }
    let lag = total.lag.value_at_quantile(0.999);
    if !total.lag.is_empty() && lag > LAG_MAX_NS {
        add("generator-lag", format!("the generator was late by {} ms at p99.9 (limit 1 ms)", ms(lag)));
    }
    let missed = crew.unsent as f64 / crew.due.max(1) as f64;
    if missed > MISSED_MAX {
        let text = format!(
            "{} of {} messages that were due were never sent: the rate was missed by {:.1} %",
            grouped(crew.unsent as f64),
            grouped(crew.due as f64),
            missed * 100.0
        );
        add("rate-missed", text);
    }
    let mut unknown = Vec::new();
    let window = crew.window.as_secs_f64();
    match others_percent(outcome) {
        Some(percent) if percent > OTHERS_MAX && window >= TICKS_MATTER => {
            add("others-cpu", format!("other processes used {percent:.0} % of a core (limit 5 %)"));
        }
        Some(_) => {}
        None => unknown.push(
            "CPU use of others is not known: the broker's process was not found (--broker-pid)".to_owned(),
        ),
    }
    if !crew.usage.steal.is_zero() {
        add("steal", format!("the hypervisor took {} ms of CPU", crew.usage.steal.as_millis()));
    }
    if crew.usage.throttled > 0 {
        add("throttled", format!("the CPU was throttled {} times", crew.usage.throttled));
    }
    for percentile in &plan.percentiles {
        if !supports(headline, *percentile) && !headline.is_empty() {
            add(
                "few-samples",
                format!("p{percentile} rests on fewer than 10 samples beyond it ({} in all)", headline.len()),
            );
        }
    }
    (reasons, unknown)
}

/// Percent of a core that neither broker nor generator used; `None` if the broker's share is not known.
#[must_use]
pub fn others_percent(outcome: &Outcome) -> Option<f64> {
    let usage = &outcome.crew.usage;
    let broker = if outcome.local { usage.broker? } else { std::time::Duration::ZERO };
    let others = usage.machine.saturating_sub(usage.own + broker);
    Some(others.as_secs_f64() * 100.0 / outcome.crew.usage_span.as_secs_f64().max(1e-9))
}

/// Whether at least ten samples lie beyond `percentile`.
#[must_use]
pub fn supports(latencies: &Latencies, percentile: f64) -> bool {
    // The tolerance is for 99.9 not being a binary number.
    latencies.len() as f64 * (100.0 - percentile) / 100.0 >= BEYOND - 1e-6
}

/// Later than this at p99.9, a generator measures itself.
const LAG_MAX_NS: u64 = 1_000_000;
const MISSED_MAX: f64 = 0.01;
const FAILED_MAX: f64 = 0.01;
const OTHERS_MAX: f64 = 5.0;
/// Below this, a CPU tick of 10 ms is too much of the window to say anything.
const TICKS_MATTER: f64 = 1.0;
const BEYOND: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::recorder::latencies;

    #[test]
    fn a_percentile_needs_ten_samples_beyond_it() {
        let mut some = latencies();
        (0..9_999).for_each(|_| some.saturating_record(5_000));
        assert!(supports(&some, 99.0) && !supports(&some, 99.9));
        some.saturating_record(5_000);
        assert!(supports(&some, 99.9) && !supports(&some, 99.99));
    }
}
