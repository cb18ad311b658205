//! [`Report`]: the rows that a comparison found, and everything that was printed while it ran.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::figures::Figures;

use super::rivals::Rival;
use super::scenario::{Measure, Scenario, Target};

pub(crate) use self::markdown::{headline, number, table};

mod markdown;

/// One pair of runs: the rival's, ours.
pub(crate) type Pair = (Figures, Figures);

/// What a comparison found since it was last taken.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    /// Everything printed while it ran.
    pub(crate) raw: String,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The scenario's word.
    pub(crate) scenario: String,
    /// What it says of itself.
    pub(crate) title: String,
    /// Beside whom.
    pub(crate) rival: String,
    /// Name and unit.
    pub(crate) figure: String,
    /// Medians; none where it was not measured.
    pub(crate) theirs: Option<f64>,
    /// See [`Row::theirs`].
    pub(crate) ours: Option<f64>,
    /// Ratio with its range, or the range of ours alone.
    pub(crate) ratio: String,
    /// More is better.
    pub(crate) more: bool,
    /// What was asked for.
    pub(crate) target: String,
    /// Whether it was reached.
    pub(crate) met: String,
    /// One of those that stand for all.
    pub(crate) headline: bool,
    /// Runs behind it, and how many of them others disturbed.
    pub(crate) runs: usize,
    /// See [`Row::runs`].
    pub(crate) disturbed: usize,
}

/// What a row is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// Which scenario.
    pub(crate) scenario: Scenario,
    /// What the row says of itself; the scenario's title, if that is all.
    pub(crate) title: &'a str,
    /// Beside whom; empty for nobody.
    pub(crate) rival: &'a str,
    /// One of those that stand for all.
    pub(crate) headline: bool,
}

/// A figure of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure<'a> {
    /// Name and unit.
    pub(crate) name: &'a str,
    /// More is better.
    pub(crate) more: bool,
    /// What ours has to be.
    pub(crate) target: Target,
}

impl Report {
    /// Prints a line and keeps it.
    pub(crate) fn say(&mut self, line: &str) {
        println!("{line}");
        let _ = writeln!(self.raw, "{line}");
    }

    /// Takes the rows out.
    pub(crate) fn take(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }

    /// Adds the rows of a scenario that was run in pairs.
    pub(crate) fn compare(&mut self, scenario: Scenario, rival: Rival, pairs: &[Pair]) {
        let (theirs, ours): (Vec<&Figures>, Vec<&Figures>) =
            pairs.iter().map(|(theirs, ours)| (theirs, ours)).unzip();
        self.measured(scenario, &rival.title(), &scenario.measures(rival), &theirs, &ours);
    }

    /// Adds the rows of a scenario that only ours was run in.
    pub(crate) fn alone(&mut self, scenario: Scenario, ours: &[Figures]) {
        self.measured(scenario, "", &scenario.measures(Rival::Java), &[], &ours.iter().collect::<Vec<_>>());
    }

    fn measured(
        &mut self,
        scenario: Scenario,
        rival: &str,
        measures: &[Measure],
        theirs: &[&Figures],
        ours: &[&Figures],
    ) {
        let all = || theirs.iter().chain(ours);
        let invalid =
            all().any(|figures| !figures.faults.is_empty()) || ours.iter().any(|ours| ours.overloaded);
        let overloaded = theirs.iter().any(|theirs| theirs.overloaded);
        let rival = if overloaded { format!("{rival}{OVERLOADED}") } else { rival.to_owned() };
        let disturbed = all().filter(|figures| figures.is_disturbed()).count();
        for (at, measure) in measures.iter().enumerate() {
            let about = About { scenario, title: scenario.title(), rival: &rival, headline: at == 0 };
            let figure = Figure { name: measure.name, more: measure.more, target: measure.target };
            let of = |figures: &[&Figures]| figures.iter().map(|one| (measure.of)(one)).collect::<Vec<_>>();
            self.row(about, figure, &of(theirs), &of(ours));
            let row = self.rows.last_mut().expect("just added");
            row.disturbed = disturbed;
            if invalid {
                row.met = INVALID.to_owned();
            }
        }
    }

    /// Says of the rows of `scenario` how many runs were behind them and what they were worth.
    pub(crate) fn judge(&mut self, scenario: Scenario, runs: usize, disturbed: usize, invalid: bool) {
        let word = scenario.word();
        for row in self.rows.iter_mut().filter(|row| row.scenario == word && runs > 0) {
            (row.runs, row.disturbed) = (runs, disturbed);
            if invalid {
                row.met = INVALID.to_owned();
            }
        }
    }

    /// Adds a row from the values of single runs; neighbours are compared.
    pub(crate) fn row(&mut self, about: About<'_>, figure: Figure<'_>, theirs: &[f64], ours: &[f64]) {
        let ratios = theirs.iter().zip(ours).map(
            |(theirs, ours)| {
                if figure.more { ours / theirs } else { theirs / ours }
            },
        );
        let ratio = spread(ratios.collect());
        let (their_median, our_spread) = (spread(theirs.to_vec()).median, spread(ours.to_vec()));
        let ours_median = our_spread.median;
        let text = if !ratio.median.is_nan() {
            format!("{:.1} ({:.1} to {:.1})", ratio.median, ratio.least, ratio.most)
        } else if ours.len() > 1 && !ours_median.is_nan() {
            format!("({} to {})", number(our_spread.least), number(our_spread.most))
        } else {
            "-".to_owned()
        };
        let met = match figure.target {
            Target::None => "",
            // A percentile of too few samples is no figure, and meets nothing.
            Target::Times(_) if ratio.median.is_nan() => "not measured",
            Target::AtMost(_) | Target::AtLeast(_) if ours_median.is_nan() => "not measured",
            Target::Times(times) => verdict(ratio.median >= times),
            Target::AtMost(limit) => verdict(ours_median <= limit),
            Target::AtLeast(limit) => verdict(ours_median >= limit),
        };
        let finite = |value: f64| value.is_finite().then_some(value);
        self.rows.push(Row {
            scenario: about.scenario.word(),
            title: about.title.to_owned(),
            rival: about.rival.to_owned(),
            figure: figure.name.to_owned(),
            theirs: finite(their_median),
            ours: finite(ours_median),
            ratio: text,
            more: figure.more,
            target: figure.target.to_string(),
            met: met.to_owned(),
            headline: about.headline,
            runs: theirs.len() + ours.len(),
            disturbed: 0,
        });
    }

    /// Adds what a bare ring server takes beside what ours took in B1.
    pub(crate) fn physics(&mut self, bare_us: f64, pairs: &[Pair]) {
        let ours = pairs.iter().map(|(_, ours)| ours.cpu_per_message_us().unwrap_or(f64::NAN)).collect();
        let ours = spread(ours).median;
        self.rows.push(Row {
            scenario: Scenario::B1.word(),
            title: Scenario::B1.title().to_owned(),
            rival: "bare ring server".to_owned(),
            figure: "CPU us/message".to_owned(),
            theirs: Some(bare_us),
            ours: ours.is_finite().then_some(ours),
            ratio: format!("{:.2} x its CPU", ours / bare_us),
            more: false,
            target: format!("at most {} x", crate::bare::TARGET),
            met: verdict(ours <= crate::bare::TARGET * bare_us).to_owned(),
            headline: true,
            runs: pairs.len(),
            disturbed: 0,
        });
    }

    /// The rows since they were last taken, as Markdown.
    pub(crate) fn table(&self) -> String {
        table(&self.rows)
    }
}

/// What is said behind a rival that could not keep up with its load.
pub(crate) const OVERLOADED: &str = " (overloaded)";
/// What a row with a run that lost messages or broke a rule says.
const INVALID: &str = "INVALID";

fn verdict(good: bool) -> &'static str {
    if good { "yes" } else { "no" }
}

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

fn spread(mut values: Vec<f64>) -> Spread {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return Spread { median: f64::NAN, least: f64::NAN, most: f64::NAN };
    };
    let median = f64::midpoint(values[last / 2], values[last.div_ceil(2)]);
    Spread { median, least: values[0], most: values[last] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(messages: u64, cpu: f64) -> Figures {
        Figures { seconds: 1.0, messages, requests: messages, broker_cpu: Some(cpu), ..Figures::default() }
    }

    #[test]
    fn an_invalid_run_meets_no_target_and_is_no_headline() {
        let broken = Figures { faults: vec!["lost".into()], ..figures(1_000, 1.0) };
        let mut report = Report::default();
        report.compare(Scenario::B1, Rival::Java, &[(figures(10, 1.0), broken)]);
        assert!(report.table().contains("| 20 x | INVALID |"), "{}", report.table());
        assert!(!headline(&report.take()).contains("B1"));
    }

    #[test]
    fn a_row_takes_the_median_of_the_ratios_of_neighbours_and_says_who_was_disturbed() {
        let pairs = [
            (figures(100, 1.0), figures(1_000, 1.0)),
            (figures(50, 1.0), Figures { others_percent: 9.0, ..figures(900, 1.0) }),
            (figures(100, 1.0), figures(1_100, 1.0)),
        ];
        let mut report = Report::default();
        report.compare(Scenario::B1, Rival::Java, &pairs);
        let table = report.table();
        assert!(
            table.contains("| messages/s | 100 | 1,000 | 11.0 (10.0 to 18.0) | 20 x | no | 1 of 6 |"),
            "{table}"
        );
        assert!(
            table.contains("| broker CPU us/message | 10,000 | 1,000 | 11.0 (10.0 to 18.0) | 20 x | no |"),
            "{table}"
        );
    }

    #[test]
    fn ours_alone_is_judged_by_its_own_figure() {
        let mut report = Report::default();
        report.alone(Scenario::B9At200k, &[figures(199_000, 1.0), figures(200_000, 1.0)]);
        let table = report.table();
        let expected = "| messages/s | - | 199,500 | (199,000 to 200,000) | at least 198000 | yes |";
        assert!(table.contains(expected), "{table}");
    }
}
