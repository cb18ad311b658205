//! `find-max`: the highest rate that holds a bound on p99 without a growing backlog, searched for several times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::output;

use super::options::{FindMax, Format};
use super::plan::{Kind, Plan};
use super::session;
use super::summary::Summary;
use super::units::{Rate, grouped, ms};

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    /// Name and version of this schema.
    pub schema: String,
    /// The bound, ms.
    pub p99_bound: f64,
    /// Highest good rate of each search.
    pub rates: Vec<f64>,
    /// Their median; 0 if even the first rate was too much.
    pub median: f64,
    /// Everything that was tried.
    pub steps: Vec<Step>,
}

/// One rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Step {
    /// Which search, from 1.
    pub search: u32,
    /// Messages per second.
    pub rate: f64,
    /// p99 of the headline latency, ms.
    pub p99: f64,
    /// Why it is too much; none if it is not.
    pub too_much: Option<String>,
}

/// Runs it.
///
/// # Errors
/// Nothing can be measured; the first rate is too much (exit code 1).
pub(crate) fn run(options: &FindMax, interrupted: &Arc<AtomicBool>) -> Result<(), Failure> {
    let kind = if options.e2e { Kind::E2e } else { Kind::Produce };
    let mut load = options.load.clone();
    if load.rate.is_some() {
        return Err(usage(
            "find-max looks for the rate; --rate says it",
            "use --from for the first rate to try",
        ));
    }
    let Rate::Messages(from) = options.from else {
        return Err(usage("--from is a rate in messages per second", "write for example --from 10k/s"));
    };
    if !(0.1..=100.0).contains(&options.precision) || options.times == 0 || options.p99.is_zero() {
        return Err(usage(
            "--precision is from 0.1 to 100 percent, --times and --p99 are above 0",
            "choose others",
        ));
    }
    if load.out.is_some() || load.messages.is_some() {
        return Err(usage(
            "find-max makes many runs: --out and --messages are for one",
            "run `bench produce` at the rate it finds",
        ));
    }
    load.rate = Some(Rate::Messages(from));
    load.duration = load.duration.or(Some(STEP));
    load.warmup = load.warmup.or(Some(STEP_WARMUP));
    let bound_ns = u64::try_from(options.p99.as_nanos()).unwrap_or(u64::MAX);
    let base = Plan::new(kind, &load)?;
    let mut steps = Vec::new();
    let mut rates = Vec::new();
    for search in 1..=options.times {
        let rate = climb(from, options.precision / 100.0, &mut |rate| {
            if interrupted.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
            let run = super::host::draw() as u32;
            let mut plan = Plan { rate: Some(rate), run, ..base.clone() };
            plan.shape.run = run;
            let outcome = session::run(&load, &plan, interrupted, &mut |_| {}, &mut |_| {})?;
            let summary = Summary::new(&plan, &outcome);
            let p99 = outcome_p99(&plan, &outcome);
            let too_much = too_much(&summary, p99, bound_ns);
            let verdict = too_much.as_deref().unwrap_or("holds");
            eprintln!("search {search}: {:>12}/s  p99 {} ms  {verdict}", grouped(rate), ms(p99));
            steps.push(Step { search, rate, p99: p99 as f64 / 1e6, too_much: too_much.clone() });
            Ok(too_much.is_none())
        })?;
        rates.push(rate);
    }
    report(options, Found::of(options.p99, rates, steps))
}

/// The highest good rate, to within `precision` of it: doubling, then halving the distance. 0 if `from` is bad.
///
/// # Errors
/// Those of `good`.
pub(crate) fn climb<E>(
    from: f64,
    precision: f64,
    good: &mut dyn FnMut(f64) -> Result<bool, E>,
) -> Result<f64, E> {
    let (mut best, mut worst) = (0.0, f64::INFINITY);
    let mut next = from;
    while worst - best > precision * best.max(f64::MIN_POSITIVE) {
        if good(next)? {
            best = next;
        } else {
            worst = next;
            if best == 0.0 {
                return Ok(0.0);
            }
        }
        next = if worst.is_finite() { (best + worst) / 2.0 } else { best * 2.0 };
    }
    Ok(best)
}

impl Found {
    fn of(bound: Duration, rates: Vec<f64>, steps: Vec<Step>) -> Self {
        let mut sorted = rates.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        Self { schema: SCHEMA.to_owned(), p99_bound: bound.as_secs_f64() * 1e3, rates, median, steps }
    }
}

fn outcome_p99(plan: &Plan, outcome: &session::Outcome) -> u64 {
    super::summary::headline(plan, &outcome.crew.total).value_at_percentile(99.0)
}

fn too_much(summary: &Summary, p99: u64, bound_ns: u64) -> Option<String> {
    if p99 > bound_ns {
        return Some("p99 is over the bound".to_owned());
    }
    if summary.error_count() > 0 {
        return Some(format!("{} requests failed", summary.error_count()));
    }
    let rates = &summary.rates;
    if summary.kind == "e2e" && (rates.received as f64) < rates.acknowledged as f64 * 0.99 {
        return Some("the backlog grows".to_owned());
    }
    // A late generator has not tried this rate; the host's disturbances are not the rate's.
    let ours = ["rate-missed", "generator-lag", "incomplete", "fault", "nothing-measured"];
    let reason = summary.reasons.iter().find(|reason| ours.contains(&reason.code.as_str()))?;
    let bound = if reason.code == "generator-lag" { "generator-bound: " } else { "" };
    Some(format!("{bound}{}", reason.text))
}

fn report(options: &FindMax, found: Found) -> Result<(), Failure> {
    if options.load.format == Format::Line {
        let (low, high) = found
            .rates
            .iter()
            .fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
        output::line(&format!(
            "max     {}/s with p99 <= {} ms   spread {} to {} over {} searches",
            grouped(found.median),
            ms(u64::try_from(options.p99.as_nanos()).unwrap_or(u64::MAX)),
            grouped(low),
            grouped(high),
            found.rates.len()
        ))?;
    } else {
        output::line(&serde_json::to_string_pretty(&found).expect("it has a text"))?;
    }
    if found.median > 0.0 {
        return Ok(());
    }
    let first = found.steps.first().and_then(|step| step.too_much.clone()).unwrap_or_default();
    Err(Failure::Partly {
        what: format!("not even {} holds the bound: {first}\n  fix    try a lower --from", options.from),
    })
}

fn usage(what: &str, fix: &str) -> Failure {
    Failure::Usage { what: what.to_owned(), fix: fix.to_owned() }
}

const SCHEMA: &str = "ringmq-bench-find-max/1";
const STEP: Duration = Duration::from_secs(5);
const STEP_WARMUP: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_within_its_precision_below_the_limit() {
        for limit in [1_000.0, 1_999.0, 77_000.0, 5_000_000.0] {
            let mut tried = 0;
            let found = climb(1_000.0, 0.05, &mut |rate| {
                tried += 1;
                Ok::<_, ()>(rate <= limit)
            });
            let found = found.unwrap();
            assert!(found <= limit && limit - found <= found * 0.05, "{found} of {limit}");
            assert!(tried < 30, "{tried}");
        }
        assert_eq!(climb(1_000.0, 0.05, &mut |_| Ok::<_, ()>(false)), Ok(0.0));
    }
}
