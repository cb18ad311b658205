//! [`Set`]: the results of one machine in one state: a folder to which runs add, and the tables made from all of it.
//!
//! `rows.json` has the newest rows of each scenario and rival; a run replaces those it measured again. Everything else in
//! the folder but the raw outputs is made from it, and so are `RESULTS.md` and the headline of the README: a part of the
//! scenarios can be run today, the rest tomorrow.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ringmq::bars;
use serde::{Deserialize, Serialize};

use super::machine;
use super::report::{self, Row, number};
use super::scenario::Scenario;

/// See the module.
#[derive(Debug)]
pub(crate) struct Set {
    /// Parent of `results`.
    place: PathBuf,
    /// Name of its folder.
    name: String,
    content: Content,
    /// The run that is going on.
    run: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// Runs that added to it, oldest first.
    runs: Vec<String>,
    rows: Vec<Row>,
}

impl Set {
    /// The set `name` below `place`, with or without its date; a new one if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(crate) fn open(place: &Path, name: &str) -> io::Result<Self> {
        let results = place.join("results");
        let mut known: Vec<String> = fs::read_dir(&results)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().display().to_string())
            .filter(|folder| folder == name || folder.get(11..) == Some(name))
            .filter(|folder| results.join(folder).join(ROWS).is_file())
            .collect();
        known.sort();
        let name = known.pop().unwrap_or_else(|| format!("{}-{name}", machine::date()));
        let content = match fs::read_to_string(results.join(&name).join(ROWS)) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| io::Error::other(format!("results/{name}/{ROWS}: {error}")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { place: place.to_owned(), name, content, run: machine::moment() })
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> PathBuf {
        self.place.join("results").join(&self.name)
    }

    /// Takes rows in, in place of older ones of the same scenario and rival.
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        let rival = |row: &Row| row.rival.trim_end_matches(report::OVERLOADED).to_owned();
        let replaced =
            |old: &Row| rows.iter().any(|new| new.scenario == old.scenario && rival(new) == rival(old));
        self.content.rows.retain(|old| !replaced(old));
        self.content.rows.extend(rows);
        let all: Vec<String> = Scenario::all().iter().map(|scenario| scenario.word()).collect();
        let order = |row: &Row| all.iter().position(|word| *word == row.scenario);
        // Stable: a scenario's rows keep their order.
        self.content.rows.sort_by_key(|row| order(row).unwrap_or(all.len()));
    }

    /// Writes everything: the folder with the run's raw output and circumstances, and `RESULTS.md`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn write(&mut self, raw: &str, about: &str) -> io::Result<()> {
        if !self.content.runs.contains(&self.run) {
            self.content.runs.push(self.run.clone());
        }
        let dir = self.dir();
        fs::create_dir_all(&dir)?;
        let text = serde_json::to_string_pretty(&self.content).map_err(io::Error::other)?;
        fs::write(dir.join(ROWS), text + "\n")?;
        fs::write(dir.join(format!("{}.raw.txt", self.run)), raw)?;
        fs::write(dir.join(format!("{}.md", self.run)), about)?;
        let mut page = format!("{}\n", report::table(&self.content.rows));
        for run in &self.content.runs {
            let _ = writeln!(page, "- run [{run}]({run}.md), [raw output]({run}.raw.txt)");
        }
        let _ = write!(page, "\n{}", facts(about));
        fs::write(dir.join("table.md"), page)?;
        let title = format!("RingMQ side by side, {}", self.name);
        fs::write(dir.join("chart.svg"), bars::svg(&title, &groups(&self.content.rows)))?;
        fs::write(self.place.join("RESULTS.md"), all(&self.place.join("results"))?)
    }

    /// Makes the tables again from what is there.
    ///
    /// # Errors
    /// When there is nothing, or a file cannot be read or written.
    pub(crate) fn remake(&mut self) -> io::Result<()> {
        let dir = self.dir();
        let last = self.content.runs.last().ok_or_else(|| io::Error::other("this set has no runs"))?;
        self.run = last.clone();
        let raw = fs::read_to_string(dir.join(format!("{last}.raw.txt")))?;
        let about = fs::read_to_string(dir.join(format!("{last}.md")))?;
        self.write(&raw, &about)
    }

    /// Puts its headline between the marks of the README.
    ///
    /// # Errors
    /// When the README has no marks or cannot be written.
    pub(crate) fn readme(&self) -> io::Result<()> {
        let file = self.place.with_file_name("README.md");
        let text = fs::read_to_string(&file)?;
        let missing = |mark: &str| io::Error::other(format!("README.md has no {mark}"));
        let (before, rest) = text.split_once(MARKS[0]).ok_or_else(|| missing(MARKS[0]))?;
        let (_, after) = rest.split_once(MARKS[1]).ok_or_else(|| missing(MARKS[1]))?;
        let (begin, end, name) = (MARKS[0], MARKS[1], &self.name);
        let table = report::headline(&self.content.rows);
        fs::write(
            file,
            format!(
                "{before}{begin}\nFrom [benches/results/{name}](benches/results/{name}/table.md).\n\n{table}{end}{after}"
            ),
        )
    }
}

/// The lines of a run's circumstances that are about the machine.
fn facts(about: &str) -> String {
    about.lines().take_while(|line| line.starts_with("- ")).map(|line| format!("{line}\n")).collect()
}

/// The first figure of each scenario, as bars.
fn groups(rows: &[Row]) -> Vec<bars::Group> {
    let mut groups: Vec<bars::Group> = Vec::new();
    for row in rows.iter().filter(|row| row.headline) {
        let title = format!("{}: {}", row.title, row.figure);
        let bar = |label: &str, value: Option<f64>, ours| bars::Bar {
            label: label.to_owned(),
            value: value.unwrap_or(f64::NAN),
            shown: value.map_or("-".to_owned(), number),
            ours,
        };
        let theirs = row.theirs.map(|value| bar(&row.rival, Some(value), false));
        match groups.iter_mut().find(|group| group.title == title) {
            // Ours stands there already, from its pairs with another rival.
            Some(group) => group.bars.splice(0..0, theirs).for_each(drop),
            None => {
                let ours = bar("RingMQ", row.ours, true);
                groups.push(bars::Group {
                    title,
                    more: row.more,
                    bars: theirs.into_iter().chain([ours]).collect(),
                });
            }
        }
    }
    groups
}

/// Every result, newest first.
fn all(results: &Path) -> io::Result<String> {
    let entries = || -> io::Result<Vec<String>> {
        Ok(fs::read_dir(results)?.flatten().map(|entry| entry.file_name().display().to_string()).collect())
    };
    let mut names: Vec<String> =
        entries()?.into_iter().filter(|name| results.join(name).join("table.md").is_file()).collect();
    names.sort_by(|a, b| b.cmp(a));
    let mut text = String::from(INTRODUCTION);
    let mut others: Vec<String> = entries()?.into_iter().filter(|name| name.ends_with(".md")).collect();
    others.sort();
    for other in others {
        let _ = write!(text, "\nBeside them: [results/{other}](results/{other})\n");
    }
    for name in names {
        let dir = results.join(&name);
        let table = fs::read_to_string(dir.join("table.md"))?.replace("](2", &format!("](results/{name}/2"));
        let raw = if dir.join("raw.txt").is_file() {
            format!("Raw output: [results/{name}/raw.txt](results/{name}/raw.txt)\n\n")
        } else {
            String::new()
        };
        let chart = if dir.join("chart.svg").is_file() {
            format!("![bars of each scenario](results/{name}/chart.svg)\n\n")
        } else {
            String::new()
        };
        let _ = write!(text, "\n## {name}\n\n{raw}{chart}{table}");
        if let Ok(knobs) = fs::read_to_string(dir.join(KNOBS)) {
            let _ = write!(text, "\n{knobs}");
        }
    }
    Ok(text)
}

const INTRODUCTION: &str = "# Results\n\n\
    Written by `benches side-by-side`; do not edit. Each section is one set of runs of that command: a rival and ours in\n\
    turns on the same core, the same generator on another one. Figures are medians over the runs; the ratio is the\n\
    median of the ratios of neighbouring runs, with the smallest and the largest. *Disturbed* are runs in which others, or the\n\
    kernel's workers, used over 5 % of a core; they are in the medians. Latencies of closed loops are service times.\n";

/// Between them stands what `side-by-side` writes.
pub(crate) const MARKS: [&str; 2] = ["<!-- side-by-side -->", "<!-- /side-by-side -->"];
const ROWS: &str = "rows.json";
/// The matrix of B13, if it was run.
pub(crate) const KNOBS: &str = "knobs.md";

#[cfg(test)]
mod tests {
    use super::super::report::{About, Figure, Report};
    use super::super::scenario::Target;
    use super::*;

    fn rows(scenario: Scenario, rival: &str, theirs: f64, ours: f64) -> Vec<Row> {
        let mut report = Report::default();
        let about = About { scenario, title: scenario.title(), rival, headline: true };
        let figure = Figure { name: "messages/s", more: true, target: Target::None };
        report.row(about, figure, &[theirs], &[ours]);
        report.take()
    }

    #[test]
    fn a_run_adds_to_a_set_and_replaces_what_it_measured_again() {
        let place = std::env::temp_dir().join(format!("ringmq-set-{}", std::process::id()));
        fs::create_dir_all(place.join("benches")).unwrap();
        let benches = place.join("benches");
        fs::write(place.join("README.md"), format!("a\n{}\nold\n{}\nz", MARKS[0], MARKS[1])).unwrap();
        let mut set = Set::open(&benches, "one").unwrap();
        set.add(rows(Scenario::B6, "R", 1.0, 2.0));
        set.write("raw", "- CPU: x\n\nmore\n").unwrap();
        let mut again = Set::open(&benches, "one").unwrap();
        assert_eq!(again.dir(), set.dir());
        again.add(rows(Scenario::B1, "R", 10.0, 20.0));
        again.add(rows(Scenario::B6, "R", 1.0, 3.0));
        again.write("raw", "- CPU: x\n").unwrap();
        again.readme().unwrap();
        let readme = fs::read_to_string(place.join("README.md")).unwrap();
        assert!(readme.starts_with("a\n") && readme.ends_with("\nz") && !readme.contains("old"), "{readme}");
        assert!(
            readme.contains("| 2.0 (2.0 to 2.0) |") && readme.contains("| 3.0 (3.0 to 3.0) |"),
            "{readme}"
        );
        assert!(readme.find("B1").unwrap() < readme.find("B6").unwrap());
        let results = fs::read_to_string(benches.join("RESULTS.md")).unwrap();
        assert!(results.contains("3.00") && !results.contains("(2.0 to 2.0) |  |  | B6"), "{results}");
        fs::remove_dir_all(place).unwrap();
    }
}
