//! The files of a result, and who reads them.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::node::{Node, small};
use crate::ringmq::said;

#[test]
fn out_writes_every_file_and_compare_reads_them() {
    let node = Node::new("bench-out");
    for name in ["a", "b"] {
        node.measured(&small(&[
            "produce",
            "--rate=1k/s",
            "--interval=100ms",
            "--spin=off",
            "--out",
            name,
            "--tag=x=y",
        ]));
        let files = [
            "summary.json",
            "intervals.csv",
            "response.hlog",
            "service.hlog",
            "response.hgrm",
            "report.html",
            "omb.json",
            "results.prom",
        ];
        for file in files {
            assert!(node.place.dir.join(name).join(file).metadata().unwrap().len() > 100, "{name}/{file}");
        }
    }
    let text = std::fs::read_to_string(node.place.dir.join("a/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(summary["tags"]["x"], "y");
    assert!(summary["intervals"].as_array().unwrap().len() >= 5);
    for key in ["cpu", "kernel", "governor", "filesystem", "command_line", "transparent_huge_pages"] {
        assert!(summary["host"].get(key).is_some(), "{key}");
    }
    let twice = node.run(&small(&["produce", "--out", "a"]));
    assert_eq!(twice.code, Some(2));
    assert!(twice.err.contains("a result is there already"), "{}", twice.err);

    // Whatever is called as one of our files stays as it is.
    std::fs::create_dir(node.place.dir.join("theirs")).unwrap();
    let page = node.place.write("theirs/report.html", "theirs");
    let theirs = node.run(&small(&["produce", "--out", "theirs"]));
    assert_eq!(theirs.code, Some(2));
    assert!(theirs.err.contains("--out theirs: a result is there already (report.html)"), "{}", theirs.err);
    for over in ["theirs", "a"] {
        let compared = node.place.run(&["bench", "compare", "a", "b", "--out", over]);
        assert_eq!(compared.code, Some(2), "{}", compared.out);
        assert!(compared.err.contains("report.html is there already"), "{}", compared.err);
    }
    assert_eq!(std::fs::read_to_string(page).unwrap(), "theirs");
    let no_place = node.place.run(&["bench", "compare", "a", "b", "--out", "/proc/nowhere"]);
    assert_eq!(no_place.code, Some(1));
    assert!(no_place.err.contains("/proc/nowhere/report.html: "), "{}", no_place.err);

    let compared = node.place.run(&["bench", "compare", "a", "b", "--out", "both"]);
    assert_eq!(compared.code, Some(0), "{}", compared.err);
    assert!(compared.out.contains("p99 ms") && compared.out.contains("no verdict"), "{}", compared.out);
    let page = std::fs::read_to_string(node.place.dir.join("both/report.html")).unwrap();
    assert!(page.contains("2 runs"));
    // A directory of runs is several runs of one thing.
    std::fs::create_dir(node.place.dir.join("all")).unwrap();
    for name in ["a", "b"] {
        std::fs::rename(node.place.dir.join(name), node.place.dir.join("all").join(name)).unwrap();
    }
    let json = node.place.run(&["bench", "compare", "all", "all", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["results"][0]["runs"], &json["measures"][1]["verdicts"][0]),
        (&2.into(), &"no difference".into())
    );
}

#[test]
fn a_result_that_cannot_be_written_is_said_and_fails() {
    let node = Node::new("bench-full");
    let binary = node.place.ringmq();
    // No file above a few KiB: as on a full disk, the summary does not fit.
    let script = format!(
        "ulimit -f 12; exec {} bench produce --broker {} --warmup 50ms --duration 200ms --out full",
        binary.get_program().to_string_lossy(),
        node.broker
    );
    let mut shell = Command::new("sh");
    let run = said(
        shell
            .args(["-c", &script])
            .current_dir(&node.place.dir)
            .env("HOME", &node.place.dir)
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, Some(1), "{}\n{}", run.out, run.err);
    assert!(run.err.contains("error[E0603]: the result cannot be written: full/"), "{}", run.err);
    assert!(run.out.starts_with("result "), "the figures are there all the same: {}", run.out);
    assert!(!node.place.dir.join("full/summary.json").exists());
}

#[test]
fn a_reader_that_went_away_costs_neither_the_files_nor_the_verdict() {
    let node = Node::new("bench-unread");
    // No host is that fast.
    let load = small(&["produce", "--rate=500/s", "--spin=off", "--fail-if=rate<1M"]);
    let gone = |name: &str, format: &str| {
        let mut child = node
            .command(&load)
            .args(["--out", name, format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().unwrap().code()
    };
    for (name, format) in [("line", "--format=line"), ("json", "--format=json"), ("rmq", "--rmq-format")] {
        assert_eq!(gone(name, format), Some(3), "{name}");
        assert!(node.place.dir.join(name).join("summary.json").exists(), "{name}");
    }

    // An answer that found no room is a failure, and the files are there all the same.
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let unwritten = said(node.command(&load).args(["--out", "full"]).stdout(full()).output().unwrap());
    assert_eq!(unwritten.code, Some(1), "{}", unwritten.err);
    assert!(unwritten.err.contains("error[E0002]: cannot write the output"), "{}", unwritten.err);
    assert!(node.place.dir.join("full/summary.json").exists());
    let unsaid = node.command(&load).stdout(Stdio::null()).stderr(full()).status().unwrap();
    assert_eq!(unsaid.code(), Some(3));
    assert_eq!(node.topics(), "");
}
