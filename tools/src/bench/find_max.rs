//! `find-max`: the highest rate that holds a bound on p99 without a growing backlog, searched for several times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::output;

use super::options::{FindMax, Format, Load};
use super::plan::{Kind, Plan};
use super::session;
use super::summary::Summary;
use super::told;
use super::units::{Rate, grouped, ms};

use limit::{fix, too_much};

mod limit;

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    /// Name and version of this schema.
    pub schema: String,
    /// The bound, ms.
    pub p99_bound: f64,
    /// Highest good rate of each search that came to its end.
    pub rates: Vec<f64>,
    /// Their median; 0 if even the first rate was too much, none if no search came to its end.
    pub median: Option<f64>,
    /// The user ended it before all searches were through.
    pub interrupted: bool,
    /// Why it ended by itself before that.
    pub failure: Option<String>,
    /// Everything that was tried to its end.
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
/// Nothing can be measured; the first rate is too much, or messages were lost (exit code 1).
pub(crate) fn run(options: &FindMax, interrupted: &Arc<AtomicBool>) -> Result<(), Failure> {
    let (load, from) = load_of(options)?;
    let kind = if options.e2e { Kind::E2e } else { Kind::Produce };
    let base = Plan::new(kind, &load)?;
    let (mut rates, mut steps, mut ended) = (Vec::new(), Vec::new(), None);
    for search in 1..=options.times {
        let climbed = climb(from, options.precision / 100.0, &mut |rate| {
            let (step, failed) = tried(&load, &base, (search, rate), options.p99, interrupted)?;
            let good = step.too_much.is_none();
            steps.push(step);
            failed.map_or(Ok(good), Err)
        });
        match climbed {
            Ok(rate) => rates.push(rate),
            Err(why) => {
                ended = Some(why);
                break;
            }
        }
    }
    match ended {
        Some(why) if steps.is_empty() => Err(why),
        ended => report(options, &Found::of(options.p99, rates, steps, ended.as_ref()), ended),
    }
}

/// The load of a step, and the first rate.
fn load_of(options: &FindMax) -> Result<(Load, f64), Failure> {
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
    if load.out.is_some() || load.messages.is_some() || load.rmq_format || load.format == Format::Csv {
        return Err(usage(
            "find-max makes many runs: --out, --messages, --rmq-format and --format csv are for one",
            "run `bench produce` at the rate it finds; --format json has every step",
        ));
    }
    load.rate = Some(Rate::Messages(from));
    let step = *load.duration.get_or_insert(STEP);
    load.warmup = load.warmup.or(Some(STEP_WARMUP));
    if !step.is_zero() && from * step.as_secs_f64() < SAMPLES_LEAST - 1e-6 {
        let what = format!(
            "--from {from:.0}/s for {step:?} is {:.0} messages: p99 needs {SAMPLES_LEAST:.0}, ten of them beyond it",
            from * step.as_secs_f64()
        );
        return Err(usage(&what, "give a higher --from, or a longer --duration for each step"));
    }
    Ok((load, from))
}

/// One step. With it: why the search cannot go on.
fn tried(
    load: &Load,
    base: &Plan,
    (search, rate): (u32, f64),
    bound: Duration,
    interrupted: &Arc<AtomicBool>,
) -> Result<(Step, Option<Failure>), Failure> {
    if interrupted.load(Ordering::Relaxed) {
        return Err(Failure::Interrupted);
    }
    let run = super::host::draw() as u32;
    let mut plan = Plan { rate: Some(rate), run, ..base.clone() };
    plan.shape.run = run;
    let outcome = session::run(load, &plan, interrupted, &mut |_| {}, &mut |_| {})?;
    if outcome.crew.interrupted {
        // What ran of it says nothing of its rate.
        return Err(Failure::Interrupted);
    }
    let summary = Summary::new(&plan, &outcome);
    let p99 = outcome_p99(&plan, &outcome);
    let too_much = too_much(&summary, p99, u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX));
    let verdict = too_much.as_deref().unwrap_or("holds");
    output::aside(&format!("search {search}: {:>12}/s  p99 {} ms  {verdict}", grouped(rate), ms(p99)));
    let failed = (summary.exit_code() == 1).then(|| {
        Failure::Server(format!("error[E0602]: the search ended early, at {}/s: {verdict}", grouped(rate)))
    });
    Ok((Step { search, rate, p99: p99 as f64 / 1e6, too_much }, failed))
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
    fn of(bound: Duration, rates: Vec<f64>, steps: Vec<Step>, ended: Option<&Failure>) -> Self {
        let mut sorted = rates.clone();
        sorted.sort_by(f64::total_cmp);
        let interrupted = matches!(ended, Some(Failure::Interrupted));
        Self {
            schema: SCHEMA.to_owned(),
            p99_bound: bound.as_secs_f64() * 1e3,
            rates,
            median: sorted.get(sorted.len() / 2).copied(),
            interrupted,
            failure: ended.filter(|_| !interrupted).map(Failure::to_string),
            steps,
        }
    }

    /// The lowest rate of each search that was too much, and why.
    fn limits(&self) -> Vec<&Step> {
        let mut lowest: Vec<&Step> = Vec::new();
        for step in self.steps.iter().filter(|step| step.too_much.is_some()) {
            match lowest.iter_mut().find(|known| known.search == step.search) {
                Some(known) if step.rate < known.rate => *known = step,
                Some(_) => {}
                None => lowest.push(step),
            }
        }
        lowest
    }
}

fn outcome_p99(plan: &Plan, outcome: &session::Outcome) -> u64 {
    super::summary::headline(plan, &outcome.crew.total).value_at_percentile(99.0)
}

fn report(options: &FindMax, found: &Found, ended: Option<Failure>) -> Result<(), Failure> {
    let printed = if options.load.format == Format::Line {
        output::line(text(options, found).trim_end())
    } else {
        output::line(&serde_json::to_string_pretty(found).expect("it has a text"))
    };
    told(printed)?;
    match (found.median, ended) {
        (_, Some(why)) if !found.interrupted => Err(why),
        (None, _) => Err(Failure::Interrupted),
        (Some(median), _) if median > 0.0 => Ok(()),
        (Some(_), _) => {
            let first = found.steps.first().and_then(|step| step.too_much.clone()).unwrap_or_default();
            let fix = fix(&first);
            Err(Failure::Partly {
                what: format!("not even {} holds the bound: {first}\n  fix    {fix}", options.from),
            })
        }
    }
}

fn text(options: &FindMax, found: &Found) -> String {
    let bound = format!("p99 <= {} ms", ms(u64::try_from(options.p99.as_nanos()).unwrap_or(u64::MAX)));
    let best = found.steps.iter().filter(|step| step.too_much.is_none()).map(|step| step.rate);
    let mut text = match found.median {
        None => format!(
            "max     not found: no search came to its end; {}/s held {bound}\n",
            grouped(best.fold(0.0, f64::max))
        ),
        Some(median) => {
            let (low, high) = found
                .rates
                .iter()
                .fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
            format!(
                "max     {}/s with {bound}   spread {} to {} over {} of {} searches\n",
                grouped(median),
                grouped(low),
                grouped(high),
                found.rates.len(),
                options.times
            )
        }
    };
    for step in found.limits() {
        let why = step.too_much.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "limit   search {}: {}/s was too much: {why}\n",
            step.search,
            grouped(step.rate)
        ));
    }
    if found.interrupted {
        text.push_str("note    interrupted: the searches that are missing say nothing\n");
    }
    text
}

fn usage(what: &str, fix: &str) -> Failure {
    Failure::Usage { what: what.to_owned(), fix: fix.to_owned() }
}

const SCHEMA: &str = "ringmq-bench-find-max/1";
const STEP: Duration = Duration::from_secs(5);
const STEP_WARMUP: Duration = Duration::from_secs(2);
/// So that ten of them lie beyond p99.
const SAMPLES_LEAST: f64 = 1_000.0;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: FindMax,
    }

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

    #[test]
    fn a_search_that_was_cut_short_says_what_held_and_what_did_not() {
        let options = Line::parse_from(["ringmq", "--times=2"]).options;
        let step = |search, rate, why: Option<&str>| Step {
            search,
            rate,
            p99: 1.0,
            too_much: why.map(str::to_owned),
        };
        let steps = vec![step(1, 1e3, None), step(1, 4e3, Some("slow")), step(1, 2e3, Some("slower"))];
        let none = Found::of(options.p99, vec![], steps.clone(), Some(&Failure::Interrupted));
        assert_eq!((none.median, none.interrupted, &none.failure), (None, true, &None));
        let said = text(&options, &none);
        assert!(said.contains("no search came to its end; 1 000/s held p99 <= 10.0 ms"), "{said}");
        assert!(said.contains("limit   search 1: 2 000/s was too much: slower"), "{said}");
        let lost = Failure::Said;
        let one = Found::of(options.p99, vec![1e3], steps, Some(&lost));
        assert!(text(&options, &one).contains("over 1 of 2 searches"));
        assert!(one.failure.is_some() && !one.interrupted);
    }
}
