//! `instructions`: how many instructions the shard's own code takes per operation, held against what is recorded.
//!
//! On a machine that others use, times do not repeat; instructions under valgrind do, to a few in ten thousand. `benches
//! path` drives a shard without sockets and disk; callgrind counts its turns. More than 3 % above the record fails;
//! more than 3 % below is said, for then the record is stale and hides the next loss.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Scenarios of `benches path`.
const SCENARIOS: [&str; 5] = ["send", "send-binary", "send-sync", "batch", "pull"];
/// Percent that a figure may differ from the record.
const TOLERANCE: f64 = 3.0;
/// In the tree, beside the budgets it stands for.
const RECORD: &str = "benches/instructions.toml";
/// The function whose instructions count.
const TOGGLE: &str = "--toggle-collect=*Stand*counted_turn*";

/// One scenario against its record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Within the tolerance.
    Kept,
    /// Costlier than recorded, in percent.
    Costlier(f64),
    /// Cheaper than recorded, in percent: good news that has to be recorded.
    Cheaper(f64),
    /// Nothing is recorded.
    Unknown,
}

/// Counts every scenario; returns how many kept to the record and how many did not.
///
/// # Errors
/// What could not be built, installed or run, as a sentence.
pub(crate) fn check(root: &Path, target: &Path) -> Result<(usize, usize), String> {
    let text = fs::read_to_string(root.join(RECORD)).unwrap_or_default();
    let (recorded, here) = (parse(&text), machine());
    // The C library chooses its memcpy, and the CRC its instructions, by the processor: another one counts otherwise.
    let there = text.lines().find_map(|line| line.strip_prefix("# machine: ")).unwrap_or(&here);
    let is_comparable = there == here;
    if !is_comparable {
        println!("recorded on another kind of machine ({there}; here: {here}): shown, not judged");
    }
    let mut failed = 0;
    for (scenario, counted) in count_all(root, target)? {
        let record = recorded.get(&scenario).copied();
        let verdict = judge(counted, record);
        println!(
            "{scenario:12} {counted:>10.1} instructions per operation, recorded {}: {}",
            record.map_or_else(|| "none".to_owned(), |record| format!("{record:.1}")),
            verdict.words(),
        );
        failed += usize::from(is_comparable && verdict.fails());
    }
    if failed > 0 {
        println!(
            "If the change is meant: cargo xtask instructions --record, and say in the commit what it buys.\n\
             Where they go: callgrind_annotate {}",
            output(target, "send").display()
        );
    }
    Ok((SCENARIOS.len() - failed, failed))
}

/// Counts every scenario and writes the record anew.
///
/// # Errors
/// As [`check`].
pub(crate) fn record(root: &Path, target: &Path) -> Result<(), String> {
    let counted = count_all(root, target)?;
    let text = render(&counted, &machine());
    fs::write(root.join(RECORD), &text).map_err(|error| format!("{RECORD}: {error}"))?;
    print!("{text}");
    Ok(())
}

impl Verdict {
    /// Cheaper is said and not punished: the next record takes it in.
    fn fails(&self) -> bool {
        matches!(self, Verdict::Costlier(_) | Verdict::Unknown)
    }

    fn words(&self) -> String {
        match self {
            Verdict::Kept => "kept".to_owned(),
            Verdict::Costlier(percent) => format!("{percent:.1} % COSTLIER"),
            Verdict::Cheaper(percent) => format!("{percent:.1} % cheaper: record it"),
            Verdict::Unknown => "NOT RECORDED".to_owned(),
        }
    }
}

fn judge(counted: f64, record: Option<f64>) -> Verdict {
    let Some(record) = record else { return Verdict::Unknown };
    let percent = (counted / record - 1.0) * 100.0;
    if percent > TOLERANCE {
        Verdict::Costlier(percent)
    } else if percent < -TOLERANCE {
        Verdict::Cheaper(-percent)
    } else {
        Verdict::Kept
    }
}

fn count_all(root: &Path, target: &Path) -> Result<Vec<(String, f64)>, String> {
    install()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet", "--package", "benches"]).current_dir(root);
    if !build.status().is_ok_and(|status| status.success()) {
        return Err("cargo build --release -p benches failed".to_owned());
    }
    SCENARIOS.iter().map(|scenario| Ok(((*scenario).to_owned(), count(target, scenario)?))).collect()
}

/// Instructions per operation of one scenario.
fn count(target: &Path, scenario: &str) -> Result<f64, String> {
    let out = output(target, scenario);
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", TOGGLE])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(target.join("release").join("benches"))
        .args(["path", scenario])
        .output();
    let ran = ran.map_err(|error| format!("valgrind: {error}"))?;
    let counted = operations(&ran).zip(fs::read_to_string(&out).ok().as_deref().and_then(total));
    match counted {
        Some((operations, instructions)) if instructions > 0 => Ok(instructions as f64 / operations as f64),
        _ => Err(format!("{scenario}: no count\n{}", String::from_utf8_lossy(&ran.stderr))),
    }
}

fn output(target: &Path, scenario: &str) -> PathBuf {
    target.join(format!("callgrind.{scenario}"))
}

/// What the program printed.
fn operations(ran: &Output) -> Option<u64> {
    let text = String::from_utf8_lossy(&ran.stdout);
    text.lines().find_map(|line| line.strip_prefix("operations ")?.parse().ok()).filter(|count| *count > 0)
}

/// The line of callgrind's file with the sum.
fn total(file: &str) -> Option<u64> {
    file.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

/// What has a say in which variants of `memcpy` and CRC a program finds: the tool, and what the processor can do.
fn machine() -> String {
    const FEATURES: [&str; 7] = ["sse4_2", "pclmulqdq", "avx", "avx2", "bmi2", "erms", "avx512f"];
    let said = Command::new("valgrind").arg("--version").output();
    let tool = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = processor.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let flags: Vec<&str> = flags.split_whitespace().filter(|flag| FEATURES.contains(flag)).collect();
    format!("{tool} {} {}", std::env::consts::ARCH, flags.join(" "))
}

fn render(counted: &[(String, f64)], machine: &str) -> String {
    let mut text = format!(
        "# Instructions per operation of a shard's turn, without kernel and disk. Written by `cargo xtask instructions\n\
         # --record`; `cargo xtask test --only instructions` fails 3 % away from it on a machine of this kind.\n\
         # machine: {machine}\n",
    );
    for (scenario, figure) in counted {
        writeln!(text, "{scenario} = {figure:.1}").expect("a string takes it");
    }
    text
}

fn parse(text: &str) -> BTreeMap<String, f64> {
    let pair = |line: &str| {
        let (name, figure) = line.split_once(" = ")?;
        Some((name.to_owned(), figure.parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(pair).collect()
}

/// From Debian's packages, if it is missing and we may.
fn install() -> Result<(), String> {
    let present = || Command::new("valgrind").arg("--version").output().is_ok_and(|ran| ran.status.success());
    if present() {
        return Ok(());
    }
    println!("installing valgrind");
    let apt = |words: &[&str]| {
        let ran = Command::new("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive").output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    let installed = apt(&["install", "-y", "-q", "valgrind"])
        || apt(&["update", "-q"]) && apt(&["install", "-y", "-q", "valgrind"]);
    if installed && present() {
        Ok(())
    } else {
        Err("valgrind is missing and apt-get did not bring it: install it by hand".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_percent_either_way_is_the_border() {
        assert_eq!(judge(1029.0, Some(1000.0)), Verdict::Kept);
        assert_eq!(judge(971.0, Some(1000.0)), Verdict::Kept);
        assert!(matches!(judge(1031.0, Some(1000.0)), Verdict::Costlier(_)));
        assert!(matches!(judge(969.0, Some(1000.0)), Verdict::Cheaper(_)));
        assert_eq!(judge(1.0, None), Verdict::Unknown);
    }

    #[test]
    fn what_is_recorded_is_read() {
        let counted = vec![("send".to_owned(), 9870.5), ("pull".to_owned(), 12598.0)];
        assert_eq!(parse(&render(&counted, "valgrind-3")), counted.into_iter().collect());
    }

    #[test]
    fn the_sum_of_callgrinds_file_is_found() {
        assert_eq!(total("events: Ir\nfn=(1) x\n1 2\ntotals: 107505952\n"), Some(107_505_952));
        assert_eq!(total("events: Ir\n"), None);
    }
}
