//! What a result was measured on: machine, kernel, disk, filesystem, commit.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A list of facts, one a line, with `store` on the filesystem that matters.
pub(crate) fn describe(store: &Path, tree: &Path) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(text, "- {name}: {}", if value.is_empty() { "unknown" } else { value.trim() });
    };
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model = model.unwrap_or("").trim_start_matches([' ', '\t', ':']);
    fact("CPU", format!("{model}, {cores} cores seen"));
    fact("governor", read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"));
    fact("memory", first_line(&read("/proc/meminfo")));
    fact("kernel", output("uname", &["-srvm"], tree));
    let at = store.display().to_string();
    fact("filesystem", output("findmnt", &["-no", "SOURCE,FSTYPE,OPTIONS", "-T", &at], tree));
    fact(
        "disk",
        output("lsblk", &["-dno", "NAME,SIZE,ROTA,LOG-SEC,PHY-SEC,MODEL"], tree).replace('\n', "; "),
    );
    fact("write cache", read_any("/sys/block", "queue/write_cache"));
    fact("clock source", read("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    fact("Java", first_line(&output("java", &["--version"], tree)));
    let changed = !output("git", &["status", "--porcelain", "--untracked-files=no"], tree).is_empty();
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"], tree);
    fact("commit", format!("{}{}", commit.trim(), if changed { " with changes" } else { "" }));
    text
}

/// `2026-01-31T12-30-05`, in UTC: a name for a run.
pub(crate) fn moment() -> String {
    output("date", &["-u", "+%FT%H-%M-%S"], Path::new(".")).trim().to_owned()
}

/// `2026-01-31`, in UTC.
pub(crate) fn date() -> String {
    output("date", &["-u", "+%F"], Path::new(".")).trim().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn read_any(dir: &str, file: &str) -> String {
    let disks = fs::read_dir(dir).into_iter().flatten().flatten();
    let facts = disks.filter_map(|disk| {
        let value = fs::read_to_string(disk.path().join(file)).ok()?;
        Some(format!("{} {}", disk.file_name().display(), value.trim()))
    });
    facts.filter(|fact| !fact.starts_with("loop")).collect::<Vec<_>>().join("; ")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn output(program: &str, arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(dir).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
