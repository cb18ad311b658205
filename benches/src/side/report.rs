//! The table of a comparison, and its files: `results/DATE-NAME/` and `RESULTS.md`.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::figures::Figures;

use super::chart::{self, Group};
use super::rivals::Rival;
use super::scenario::{Measure, Scenario, Target};

/// One pair of runs: the rival's, ours.
pub(crate) type Pair = (Figures, Figures);

/// All that a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Rows of the table.
    rows: Vec<Row>,
    /// Everything printed while it ran.
    raw: String,
    /// What the chart shows: the first figure of each scenario.
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Row {
    scenario: String,
    rival: String,
    figure: String,
    theirs: String,
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
    pub(crate) fn compare(&mut self, scenario: Scenario, rival: Rival, pairs: &[Pair]) {
        let measures = scenario.measures(rival);
        for measure in &measures {
            self.rows.push(row(scenario, rival, measure, pairs));
        }
        if let Some(first) = measures.first() {
            self.chart(scenario, rival, first, pairs);
        }
        // A scenario's rows stand together, whoever came first.
        self.rows.sort_by_key(|row| order(&row.scenario));
    }

    fn chart(&mut self, scenario: Scenario, rival: Rival, measure: &Measure, pairs: &[Pair]) {
        let title = format!("{}: {}", scenario.title(), measure.name);
        let median = |pick: fn(&Pair) -> &Figures| {
            spread(pairs.iter().map(|pair| (measure.of)(pick(pair))).collect()).median
        };
        let theirs = (rival.title(), median(|pair| &pair.0), false);
        let ours = ("RingMQ".to_owned(), median(|pair| &pair.1), true);
        match self.groups.iter_mut().find(|group| group.title == title) {
            // Ours stands there already, from its pairs with another rival.
            Some(group) => group.bars.insert(0, theirs),
            None => self.groups.push(Group { title, more: measure.more, bars: vec![theirs, ours] }),
        }
    }

    /// Adds what a bare ring server takes beside what ours took in B1.
    pub(crate) fn physics(&mut self, bare_us: f64, pairs: &[Pair]) {
        let ours = pairs.iter().map(|(_, ours)| ours.cpu_per_message_us().unwrap_or(f64::NAN)).collect();
        let ours = spread(ours).median;
        self.rows.push(Row {
            scenario: Scenario::B1.title().to_owned(),
            rival: "bare ring server".to_owned(),
            figure: "CPU us/message".to_owned(),
            theirs: number(bare_us),
            ours: number(ours),
            ratio: format!("{:.2} x its CPU", ours / bare_us),
            target: format!("at most {} x", crate::bare::TARGET),
            met: verdict(ours <= crate::bare::TARGET * bare_us),
        });
        self.rows.sort_by_key(|row| order(&row.scenario));
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
            rival: Rival::Java.title(),
            figure: figure.to_owned(),
            theirs: java,
            ours,
            ratio: String::new(),
            target,
            met,
        });
    }

    /// The table, as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| scenario | beside | figure | theirs | RingMQ | times better (range) | target | met |\n|---|---|---|---|---|---|---|---|\n",
        );
        let mut last = ("", "");
        for row in &self.rows {
            let name = if row.scenario == last.0 { "" } else { &row.scenario };
            let rival = if (row.scenario.as_str(), row.rival.as_str()) == last { "" } else { &row.rival };
            let _ = writeln!(
                text,
                "| {name} | {rival} | {} | {} | {} | {} | {} | {} |",
                row.figure, row.theirs, row.ours, row.ratio, row.target, row.met
            );
            last = (&row.scenario, &row.rival);
        }
        text
    }

    /// For the README: one line per scenario and rival, its first figure.
    pub(crate) fn headline(&self) -> String {
        let mut text = String::from(
            "| 1 KiB messages | beside | figure | theirs | RingMQ | times better |\n|---|---|---|---|---|---|\n",
        );
        let mut last = ("", "");
        for row in &self.rows {
            if (row.scenario.as_str(), row.rival.as_str()) != last && row.met != "INVALID" {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} | {} |",
                    row.scenario, row.rival, row.figure, row.theirs, row.ours, row.ratio
                );
            }
            last = (&row.scenario, &row.rival);
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
        if !self.groups.is_empty() {
            fs::write(
                dir.join("chart.svg"),
                chart::svg(&format!("RingMQ side by side, {name}"), &self.groups),
            )?;
        }
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
        let chart = if results.join(&name).join("chart.svg").is_file() {
            format!("![bars of each scenario](results/{name}/chart.svg)\n\n")
        } else {
            String::new()
        };
        let _ = write!(
            text,
            "\n## {name}\n\nRaw output: [results/{name}/raw.txt](results/{name}/raw.txt)\n\n{chart}{table}"
        );
    }
    Ok(text)
}

const INTRODUCTION: &str = "# Results\n\n\
    Written by `benches side-by-side`; do not edit. Each section is one run of that command: a rival and ours in\n\
    turns on the same core, the same generator on another one. Figures are medians over the runs; the ratio is the\n\
    median of the ratios of neighbouring runs, with the smallest and the largest. Latencies of B1, B2 and B6 are those of\n\
    a closed loop (service time).\n";

/// Scenarios in their own order; what else is measured comes after them.
fn order(scenario: &str) -> usize {
    Scenario::ALL.iter().position(|known| known.title() == scenario).unwrap_or(Scenario::ALL.len())
}

fn row(scenario: Scenario, rival: Rival, measure: &Measure, pairs: &[Pair]) -> Row {
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
        // A percentile of too few samples is no figure, and meets nothing.
        Target::Times(_) if ratio.median.is_nan() => "not measured",
        Target::AtMost(_) if ours.median.is_nan() => "not measured",
        Target::Times(times) => verdict(ratio.median >= times),
        Target::AtMost(limit) => verdict(ours.median <= limit),
        Target::None => "",
    };
    Row {
        scenario: scenario.title().to_owned(),
        rival: rival.title(),
        figure: measure.name.to_owned(),
        theirs: number(java.median),
        ours: number(ours.median),
        ratio: if ratio.median.is_nan() {
            "-".to_owned()
        } else {
            format!("{:.1} ({:.1} to {:.1})", ratio.median, ratio.least, ratio.most)
        },
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
        report.compare(Scenario::B1, Rival::Java, &[(figures(10, 1.0), broken)]);
        assert!(report.table().contains("| 20 x | INVALID |"), "{}", report.table());
    }

    #[test]
    fn a_row_takes_the_median_of_the_ratios_of_neighbours() {
        let pairs = [
            (figures(100, 1.0), figures(1_000, 1.0)),
            (figures(50, 1.0), figures(900, 1.0)),
            (figures(100, 1.0), figures(1_100, 1.0)),
        ];
        let mut report = Report::default();
        report.compare(Scenario::B1, Rival::Java, &pairs);
        let table = report.table();
        assert!(table.contains("| messages/s | 100 | 1,000 | 11.0 (10.0 to 18.0) | 20 x | no |"), "{table}");
        assert!(
            table.contains("| broker CPU us/message | 10,000 | 1,000 | 11.0 (10.0 to 18.0) | 20 x | no |"),
            "{table}"
        );
    }
}
