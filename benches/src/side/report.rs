//! The table of a comparison, and its files: `results/DATE-NAME/` and `RESULTS.md`.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::figures::Figures;

use super::java;
use super::scenario::{Measure, Scenario, Target};

/// One pair of runs: Java, ours.
pub(crate) type Pair = (Figures, Figures);

/// All that a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Rows of the table.
    rows: Vec<Row>,
    /// Everything printed while it ran.
    raw: String,
}

#[derive(Debug)]
struct Row {
    scenario: String,
    figure: String,
    java: String,
    ours: String,
    ratio: String,
    target: String,
    met: &'static str,
}

impl Report {
    /// Prints a line and keeps it.
    pub(crate) fn say(&mut self, line: &str) {
        println!("{line}");
        let _ = writeln!(self.raw, "{line}");
    }

    /// Adds the rows of a scenario.
    pub(crate) fn compare(&mut self, scenario: Scenario, pairs: &[Pair]) {
        for measure in scenario.measures() {
            self.rows.push(row(scenario, &measure, pairs));
        }
    }

    /// Adds a row of something that is not measured in pairs.
    pub(crate) fn single(
        &mut self,
        what: &str,
        figure: &str,
        (java, ours): (String, String),
        at_most: Option<(f64, f64)>,
    ) {
        let (target, met) = match at_most {
            None => (String::new(), ""),
            Some((found, limit)) => (Target::AtMost(limit).to_string(), verdict(found <= limit)),
        };
        self.rows.push(Row {
            scenario: what.to_owned(),
            figure: figure.to_owned(),
            java,
            ours,
            ratio: String::new(),
            target,
            met,
        });
    }

    /// The table, as Markdown.
    pub(crate) fn table(&self) -> String {
        let version = java::VERSION;
        let mut text = format!(
            "| scenario | figure | RocketMQ {version} | RingMQ | times better (range) | target | met |\n|---|---|---|---|---|---|---|\n"
        );
        let mut last = "";
        for row in &self.rows {
            let name = if row.scenario == last { "" } else { &row.scenario };
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {} |",
                row.figure, row.java, row.ours, row.ratio, row.target, row.met
            );
            last = &row.scenario;
        }
        text
    }

    /// Writes `results/NAME/` below `place`, and `RESULTS.md` anew from all results there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&self, place: &Path, name: &str, about: &str) -> io::Result<PathBuf> {
        let results = place.join("results");
        let dir = results.join(name);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("table.md"), format!("{}\n{about}", self.table()))?;
        fs::write(dir.join("raw.txt"), &self.raw)?;
        fs::write(place.join("RESULTS.md"), all(&results)?)?;
        Ok(dir)
    }
}

/// Every result, newest first.
fn all(results: &Path) -> io::Result<String> {
    let mut names: Vec<String> = fs::read_dir(results)?
        .flatten()
        .filter(|entry| entry.path().join("table.md").is_file())
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    names.sort_by(|a, b| b.cmp(a));
    let mut text = String::from(INTRODUCTION);
    let mut others: Vec<String> = fs::read_dir(results)?
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "md"))
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    others.sort();
    for other in others {
        let _ = write!(text, "\nBeside them: [results/{other}](results/{other})\n");
    }
    for name in names {
        let table = fs::read_to_string(results.join(&name).join("table.md"))?;
        let _ = write!(
            text,
            "\n## {name}\n\nRaw output: [results/{name}/raw.txt](results/{name}/raw.txt)\n\n{table}"
        );
    }
    Ok(text)
}

const INTRODUCTION: &str = "# Results\n\n\
    Written by `benches side-by-side`; do not edit. Each section is one run of that command: the Java broker and ours in\n\
    turns on the same core, the same generator on another one. Figures are medians over the runs; the ratio is the\n\
    median of the ratios of neighbouring runs, with the smallest and the largest. Latencies of B1, B2 and B6 are those of\n\
    a closed loop (service time).\n";

fn row(scenario: Scenario, measure: &Measure, pairs: &[Pair]) -> Row {
    let of =
        |pick: fn(&Pair) -> &Figures| spread(pairs.iter().map(|pair| (measure.of)(pick(pair))).collect());
    let (java, ours) = (of(|pair| &pair.0), of(|pair| &pair.1));
    let ratio = spread(
        pairs
            .iter()
            .map(|(java, ours)| {
                let (java, ours) = ((measure.of)(java), (measure.of)(ours));
                if measure.more { ours / java } else { java / ours }
            })
            .collect(),
    );
    let invalid = pairs.iter().any(|(java, ours)| !java.faults.is_empty() || !ours.faults.is_empty());
    let met = match measure.target {
        _ if invalid => "INVALID",
        Target::Times(times) => verdict(ratio.median >= times),
        Target::AtMost(limit) => verdict(ours.median <= limit),
        Target::None => "",
    };
    Row {
        scenario: scenario.title().to_owned(),
        figure: measure.name.to_owned(),
        java: number(java.median),
        ours: number(ours.median),
        ratio: format!("{:.1} ({:.1} to {:.1})", ratio.median, ratio.least, ratio.most),
        target: measure.target.to_string(),
        met,
    }
}

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
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return Spread { median: f64::NAN, least: f64::NAN, most: f64::NAN };
    };
    let median = f64::midpoint(values[last / 2], values[last.div_ceil(2)]);
    Spread { median, least: values[0], most: values[last] }
}

/// Three digits that matter, with separators.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value < 100.0 {
        return format!("{value:.*}", if value < 10.0 { 2 } else { 1 });
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(messages: u64, cpu: f64) -> Figures {
        Figures { seconds: 1.0, messages, requests: messages, broker_cpu: Some(cpu), ..Figures::default() }
    }

    #[test]
    fn numbers_read_well() {
        let shown = [0.5, 12.34, 999.6, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.50", "12.3", "1,000", "1,234,567"]);
        assert_eq!(number(f64::NAN), "-");
    }

    #[test]
    fn an_invalid_run_meets_no_target() {
        let broken = Figures { faults: vec!["lost".into()], ..figures(1_000, 1.0) };
        let mut report = Report::default();
        report.compare(Scenario::B1, &[(figures(10, 1.0), broken)]);
        assert!(report.table().contains("| 10 x | INVALID |"), "{}", report.table());
    }

    #[test]
    fn a_row_takes_the_median_of_the_ratios_of_neighbours() {
        let pairs = [
            (figures(100, 1.0), figures(1_000, 1.0)),
            (figures(50, 1.0), figures(900, 1.0)),
            (figures(100, 1.0), figures(1_100, 1.0)),
        ];
        let mut report = Report::default();
        report.compare(Scenario::B1, &pairs);
        let table = report.table();
        assert!(table.contains("| messages/s | 100 | 1,000 | 11.0 (10.0 to 18.0) | 10 x | yes |"), "{table}");
        assert!(table.contains("at most 2 | no |"), "{table}");
    }
}
