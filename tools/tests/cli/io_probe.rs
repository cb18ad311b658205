//! `ringmq io-probe` as a user meets it, on this machine's disk, in small.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::ringmq::{Place, said};

/// The directory for probes: beside the tests' own, because a temporary directory may be in memory.
fn dir(place: &Place) -> String {
    let dir = place.dir.join("data");
    fs::create_dir_all(&dir).unwrap();
    dir.to_str().unwrap().to_owned()
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_probe_says_what_the_disk_does_and_what_follows_and_leaves_nothing() {
    let place = Place::new("probe");
    let dir = dir(&place);
    let probe = place.run(&["io-probe", &dir, "--seconds", "2", "--bytes", "64MiB", "--chart", "chart.svg"]);
    assert_eq!(probe.code, Some(0), "{}", probe.err);
    for word in ["filesystem", "O_DIRECT", "P50 US", "fdatasync", "extended", "flush.method", "store.io_mode"]
    {
        assert!(probe.out.contains(word), "{word} is not in\n{}", probe.out);
    }
    assert_eq!(probe.err, "", "progress is for terminals and long probes");
    assert_eq!(names(&dir), [""; 0]);
    let chart = fs::read_to_string(place.dir.join("chart.svg")).unwrap();
    assert!(
        chart.starts_with("<svg") && chart.ends_with("</svg>\n") && chart.contains("<rect class=\"ours\"")
    );
}

#[test]
fn a_full_probe_has_the_matrix_a_long_run_and_a_properties_block() {
    let place = Place::new("full");
    let dir = dir(&place);
    let arguments = [
        "io-probe",
        &dir,
        "--full",
        "--seconds",
        "4",
        "--bytes",
        "256MiB",
        "--output",
        "json",
        "--html",
        "p.html",
    ];
    let probe = place.run(&arguments);
    assert_eq!(probe.code, Some(0), "{}", probe.err);
    let report: serde_json::Value = serde_json::from_str(&probe.out).unwrap();
    let about =
        |word: &str| report["measurements"].as_array().unwrap().iter().any(|one| one["about"] == word);
    assert!(["flush", "group", "area", "size", "matrix"].into_iter().all(about), "{}", probe.out);
    assert!(report["steady"]["windows"].as_array().unwrap().len() > 1, "{}", report["steady"]);
    assert!(report["segment"]["unlink_us"].as_f64().unwrap() > 0.0, "{}", report["segment"]);
    let page = fs::read_to_string(place.dir.join("p.html")).unwrap();
    assert!(page.contains("long run of 256 KiB writes"), "{page}");
    assert_eq!(names(&dir), [""; 0]);
}

#[test]
fn a_recorded_probe_is_what_the_broker_then_decides_from() {
    let place = Place::new("record");
    let dir = dir(&place);
    let arguments = ["io-probe", &dir, "--seconds", "2", "--bytes", "64MiB", "--record", "--output", "json"];
    let probe = place.run(&arguments);
    assert_eq!(probe.code, Some(0), "{}", probe.err);
    let report: serde_json::Value = serde_json::from_str(&probe.out).unwrap();
    assert_eq!(report["schema"], "ringmq-io-probe/1");
    assert!(report["written"].as_u64().unwrap() <= 64 << 20);
    assert!(report["measurements"].as_array().unwrap().len() > 10);
    assert_eq!(names(&dir), ["io-properties.toml"]);
    let store = format!("store.dir={dir}");
    let check = place.run(&[
        "broker",
        "--check",
        "--set",
        "listen.address=127.0.0.1",
        "--set",
        &store,
        "--output",
        "json",
    ]);
    let findings: serde_json::Value = serde_json::from_str(&check.out).unwrap();
    for advice in report["advice"].as_array().unwrap() {
        let finding =
            findings.as_array().unwrap().iter().find(|finding| finding["what"] == advice["key"]).unwrap();
        let found = finding["found"].as_str().unwrap();
        assert!(found.starts_with(advice["value"].as_str().unwrap()), "{advice} against {finding}");
        assert!(found.contains(advice["why"].as_str().unwrap_or_default()), "{advice} against {finding}");
    }
}

#[test]
fn what_is_no_directory_is_a_usage_error() {
    let place = Place::new("no-dir");
    let file = place.write("file", "");
    for path in [file.as_path(), Path::new("nowhere")] {
        let probe = place.run(&["io-probe", path.to_str().unwrap()]);
        assert_eq!(probe.code, Some(2));
        assert!(probe.err.contains("E0401") && probe.err.contains("is no directory"), "{}", probe.err);
    }
    let few = place.run(&["io-probe", ".", "--bytes", "1MiB"]);
    assert_eq!(few.code, Some(2));
    assert!(few.err.contains("64 MiB is the least"), "{}", few.err);
    assert_eq!(place.run(&["io-probe", ".", "--seconds", "0"]).code, Some(2));
}

#[test]
fn a_page_without_a_place_is_refused_before_the_disk_is_kept_busy() {
    let place = Place::new("no-place");
    let dir = dir(&place);
    for (option, path) in [("--html", "nowhere/page.html"), ("--chart", "data")] {
        let probe = place.run(&["io-probe", &dir, "--seconds", "1", "--bytes", "64MiB", option, path]);
        assert_eq!((probe.code, probe.out.as_str()), (Some(2), ""), "{}", probe.err);
        assert!(probe.err.contains(&format!("{option} {path}: ")), "{}", probe.err);
    }
    // A full disk is met only at the end: the figures are printed by then.
    std::os::unix::fs::symlink("/dev/full", place.dir.join("page.html")).unwrap();
    let full = ["io-probe", &dir, "--seconds", "1", "--bytes", "64MiB", "--html", "page.html"];
    let probe = place.run(&full);
    assert_eq!(probe.code, Some(1), "{}", probe.out);
    assert!(probe.out.contains("flush.method"), "{}", probe.out);
    assert!(
        probe.err.contains("E0409") && probe.err.contains("page.html cannot be written"),
        "{}",
        probe.err
    );
    assert_eq!(names(&dir), [""; 0]);
}

#[test]
fn a_probe_beside_a_live_broker_is_made_only_when_told() {
    let place = Place::new("beside");
    let dir = dir(&place);
    let shard = place.dir.join("data/shard-0");
    fs::create_dir_all(&shard).unwrap();
    let held = fs::File::create(shard.join("store.lock")).unwrap();
    held.lock().unwrap();
    let probe = place.run(&["io-probe", &dir, "--seconds", "1", "--bytes", "64MiB"]);
    assert_eq!(probe.code, Some(1));
    assert!(probe.err.contains("E0405") && probe.err.contains("--beside-broker"), "{}", probe.err);
    let told = ["io-probe", &dir, "--seconds", "1", "--bytes", "64MiB", "--beside-broker", "--output", "tsv"];
    let probe = place.run(&told);
    assert_eq!(probe.code, Some(0), "{}", probe.err);
    assert!(probe.out.starts_with("about\toperation\t"), "{}", probe.out);
    assert_eq!(names(&dir), ["shard-0"]);
}

#[test]
fn ctrl_c_ends_a_probe_with_130_and_leaves_nothing() {
    let place = Place::new("interrupt");
    let dir = dir(&place);
    let mut command = place.ringmq();
    command.args(["io-probe", &dir, "--seconds", "60"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // It has begun when its file is there; it holds its own handler by then.
    while !names(&dir).iter().any(|name| name == "ringmq-io-probe.tmp") {
        std::thread::yield_now();
    }
    let process = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let probe = said(child.wait_with_output().unwrap());
    assert_eq!((probe.code, probe.out.as_str()), (Some(130), ""), "{}", probe.err);
    assert_eq!(names(&dir), [""; 0]);
}

#[test]
fn a_reader_that_went_away_does_not_cost_the_files() {
    let place = Place::new("probe-unread");
    let dir = dir(&place);
    let mut probe = place.ringmq();
    probe.args([
        "io-probe",
        &dir,
        "--seconds=1",
        "--bytes=64MiB",
        "--record",
        "--html=p.html",
        "--chart=c.svg",
    ]);
    let mut probe = probe.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((probe.stdout.take(), probe.stderr.take()));
    assert_eq!(probe.wait().unwrap().code(), Some(0));
    assert_eq!(names(&dir), ["io-properties.toml"]);
    assert!(place.dir.join("p.html").exists() && place.dir.join("c.svg").exists());
}
