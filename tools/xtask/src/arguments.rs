//! The command line.

use std::path::PathBuf;

use interop::{Make, Selection};

/// What to run, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Clippy,
    Tests,
    Docs,
    Instructions,
    Interop,
}

impl Step {
    pub(crate) const ALL: [(&str, Self); 6] = [
        ("fmt", Self::Fmt),
        ("clippy", Self::Clippy),
        ("cargo", Self::Tests),
        ("doc", Self::Docs),
        ("instructions", Self::Instructions),
        ("interop", Self::Interop),
    ];
}

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Test,
    /// Record fixtures instead of testing.
    Capture,
    /// Record how many instructions the hot paths take now.
    RecordInstructions,
}

/// A parsed `cargo xtask ...`.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) steps: Vec<Step>,
    pub(crate) selection: Selection,
    /// Cargo profile of the binary under test.
    pub(crate) profile: String,
    /// A binary built before, instead of building one.
    pub(crate) binary: Option<PathBuf>,
}

const USAGE: &str =
    "usage: cargo xtask test [--only fmt|clippy|cargo|doc|instructions|interop]... [--suite NAME]... [--scenario NAME]...
                        [--oracle java|java-broker] [--jobs N] [--profile release|dev] [--binary FILE]
       cargo xtask instructions [--record]       counts the instructions of the hot paths (valgrind), or records them
       cargo xtask capture [--suite NAME]...     records frames of real clients for net/tests/fixtures/captured
  --suite, --scenario   run only interop suites and scenarios whose name contains NAME
  --oracle java         run the interop scenarios against the Java servers instead of ours
  --oracle java-broker  Java brokers at our name servers
  --jobs N              interop suites at a time (2)";

impl Arguments {
    /// # Errors
    /// The usage text, with what was wrong before it.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut task = match words.next().as_deref() {
            Some("test") => Task::Test,
            Some("capture") => Task::Capture,
            Some("instructions") => {
                steps.push(Step::Instructions);
                Task::Test
            }
            _ => return Err(USAGE.to_owned()),
        };
        let mut selection = Selection {
            brokers: Make::Ours,
            name_servers: Make::Ours,
            suites: vec![],
            scenarios: vec![],
            jobs: 2,
        };
        let mut profile = "release".to_owned();
        let mut binary = None;
        while let Some(flag) = words.next() {
            if flag == "--record" && steps == [Step::Instructions] {
                task = Task::RecordInstructions;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{flag} needs a value\n{USAGE}"))?;
            let wrong = || format!("{flag} does not take '{value}'\n{USAGE}");
            match flag.as_str() {
                "--only" => {
                    steps.push(Step::ALL.iter().find(|(name, _)| *name == value).ok_or_else(wrong)?.1)
                }
                "--suite" => selection.suites.push(value),
                "--scenario" => selection.scenarios.push(value),
                "--oracle" if value == "java" => {
                    selection.brokers = Make::Java;
                    selection.name_servers = Make::Java;
                }
                "--oracle" if value == "java-broker" => selection.brokers = Make::Java,
                "--jobs" => selection.jobs = value.parse().map_err(|_| wrong())?,
                "--profile" => profile = value,
                "--binary" => binary = Some(value.into()),
                _ => return Err(wrong()),
            }
        }
        if steps.is_empty() {
            steps.extend(Step::ALL.map(|(_, step)| step));
        }
        Ok(Self { task, steps, selection, profile, binary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_a_filter_every_step_runs() {
        assert_eq!(parse("test").unwrap().steps.len(), Step::ALL.len());
    }

    #[test]
    fn instructions_are_counted_or_recorded() {
        let counted = parse("instructions").unwrap();
        assert_eq!((counted.task, counted.steps.as_slice()), (Task::Test, &[Step::Instructions][..]));
        assert_eq!(parse("instructions --record").unwrap().task, Task::RecordInstructions);
        assert!(parse("test --record").is_err());
    }

    #[test]
    fn an_unknown_step_or_a_missing_value_is_refused() {
        assert!(parse("test --only clipy").is_err());
        assert!(parse("test --jobs").is_err());
        assert!(parse("").is_err());
    }
}
