//! What is refused, each with its exit code and a way out.

use crate::ringmq::{Place, said};

#[test]
fn nobody_there_is_one_clear_line_and_exit_code_1() {
    let place = Place::new("bench-nobody");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for arguments in
        [&["produce", "-n", &closed][..], &["e2e", "--broker", &closed], &["find-max", "-n", &closed]]
    {
        let run = said(place.ringmq().arg("bench").args(arguments).output().unwrap());
        assert_eq!(run.code, Some(1), "{arguments:?}: {}", run.err);
        assert!(run.err.contains(&format!("no answer from {closed}")), "{arguments:?}: {}", run.err);
        assert_eq!(run.out, "");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anybody_is_called() {
    let place = Place::new("bench-refused");
    place.write("empty", "");
    place.write("sizes", "1k\nmuch\n");
    place.write("bad.yaml", "producerRat: 1\n");
    let refused: &[&[&str]] = &[
        &["produce", "--rate", "10k", "--rate", "max"],
        &["produce", "--rate", "0"],
        &["produce", "--rate", "fast"],
        &["produce", "--rate", "1e12"],
        &["produce", "--rate", "1MiB/s", "--size", "0"],
        &["produce", "--arrivals", "poisson"],
        &["produce", "--arrivals", "burst:0"],
        &["produce", "--size", "5MiB"],
        &["produce", "--size", "500..200"],
        &["produce", "--size", "./missing"],
        &["produce", "--size", "./sizes"],
        &["produce", "--payload", "noise"],
        &["produce", "--payload", "./empty"],
        &["produce", "--payload", "ratio:2"],
        &["produce", "--keys", "zipf"],
        &["produce", "--spread", "odd"],
        &["produce", "--props", "novalue"],
        &["produce", "--tags", ""],
        &["produce", "--duration", "0s"],
        &["produce", "--duration", "-1s"],
        &["produce", "--duration", "9999h"],
        &["produce", "--interval", "1ms"],
        &["produce", "--messages", "0"],
        &["produce", "--batch", "0"],
        &["produce", "--batch", "4097"],
        &["batch", "--batch", "1"],
        &["batch", "--size", "1MiB"],
        &["batch", "--compress"],
        &["produce", "--queues", "0"],
        &["produce", "--topics", "0"],
        &["produce", "--connections", "0"],
        &["produce", "--producers", "0"],
        &["produce", "--connections", "5000", "--verify"],
        &["produce", "--inflight", "0"],
        &["produce", "--sync", "--inflight", "4"],
        &["produce", "--sync", "--oneway"],
        &["produce", "--oneway"],
        &["produce", "--cpus", "x"],
        &["produce", "--cpus", "100000"],
        &["produce", "--spin", "maybe"],
        &["produce", "--header", "xml"],
        &["produce", "--topic", "a b"],
        &["produce", "--topic", "TBW102"],
        &["produce", "--topic-exists"],
        &["produce", "--topic-on-demand"],
        &["produce", "--topic", "T", "--topic-exists", "--topic-on-demand"],
        &["e2e", "--topic", "T", "--topic-on-demand"],
        &["produce", "--fail-if", "p99"],
        &["produce", "--percentiles", "100"],
        &["produce", "--out", "/proc/nowhere"],
        &["produce", "--tag", "x"],
        &["produce", "--broker", "nowhere"],
        &["produce", "--broker", "a:1", "-n", "b:1"],
        &["produce", "--broker", "a:1", "--cluster", "c"],
        &["produce", "--server-metrics", "http://h/"],
        &["produce", "--server-metrics", "ftp://h/", "--out", "o"],
        &["produce", "--rmq-format", "--format", "json"],
        &["produce", "--subscriptions", "2"],
        &["produce", "--follow"],
        &["consume", "--sql"],
        &["consume", "--follow"],
        &["consume", "--rate", "10k"],
        &["consume", "--pull", "0"],
        &["consume", "--consumers", "0"],
        &["consume", "--backlog", "0"],
        &["consume", "--backlog", "9", "--topic", "T", "--topic-exists"],
        &["consume", "--sync"],
        &["pop", "--oneway"],
        &["produce", "--consumers", "3"],
        &["batch", "--pull", "3"],
        &["tx", "--group", "g"],
        &["e2e", "--backlog", "5"],
        &["produce", "--size", "0"],
        &["produce", "--size", "0..9"],
        &["produce", "--props", "a=1", "--props", "a=2"],
        &["produce", "--broker-pid", "4194304"],
        &["consume", "--group", "a b", "--topic", "T", "--topic-exists"],
        &["e2e", "--rate", "max"],
        &["find-max", "--rate", "10k"],
        &["find-max", "--from", "max"],
        &["find-max", "--times", "0"],
        &["find-max", "--precision", "0"],
        &["find-max", "--out", "o"],
        &["find-max", "--format", "csv"],
        &["find-max", "--rmq-format"],
        &["find-max", "--from", "100/s", "--duration", "2s"],
        &["compare", "one"],
        &["compare", "nowhere", "either"],
        &["replay", "nowhere.yaml"],
        &["replay", "bad.yaml"],
        &["rmq-producer", "-zz"],
        &["produce", "--no-such-option"],
    ];
    for arguments in refused {
        // Nobody listens at port 1: whoever is called all the same fails with 1.
        let mut command = place.ringmq();
        let run =
            said(command.arg("bench").args(*arguments).env("NAMESRV_ADDR", "127.0.0.1:1").output().unwrap());
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.err);
        assert_eq!(run.out, "", "{arguments:?}");
        assert!(
            run.err.contains("fix") || run.err.contains("--help"),
            "{arguments:?} says no way out: {}",
            run.err
        );
    }
}

#[test]
fn a_refusal_says_what_of_what_was_asked_is_too_much() {
    let place = Place::new("bench-refusal");
    place.write("w.yaml", "producerRate: 1\ntestDurationMinutes: 0\n");
    for (arguments, said) in [
        (
            &["produce", "--batch=100", "--size=100k"][..],
            "a body of 102400 bytes is over the limit of 41943: maxMessageSize, shared by the messages of a request",
        ),
        (&["produce", "--size=0"], "a body of 0 bytes: no broker takes a message without one"),
        (&["consume", "--oneway"], "--oneway is for sends, and bench consume measures none"),
        (&["produce", "--pull=3"], "--pull is for what is read, and bench produce only sends"),
        (&["replay", "w.yaml"], "w.yaml: testDurationMinutes 0 measures nothing"),
    ] {
        let run = said_of(&place, arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.err);
        assert!(run.err.contains(said), "{arguments:?}: {}", run.err);
    }
}

fn said_of(place: &Place, arguments: &[&str]) -> crate::ringmq::Said {
    said(place.ringmq().arg("bench").args(arguments).output().unwrap())
}

#[test]
fn a_full_disk_is_met_before_the_run_and_nothing_is_left_on_it() {
    let place = Place::new("bench-out-full");
    // Every byte written to the probe finds the disk full.
    std::fs::create_dir(place.dir.join("full")).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.dir.join("full/.ringmq-bench")).unwrap();
    let run = said_of(&place, &["produce", "-n=127.0.0.1:1", "--out=full"]);
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("--out full: No space left on device"), "{}", run.err);
    assert_eq!(std::fs::read_dir(place.dir.join("full")).unwrap().count(), 0);
}

#[test]
fn what_comes_with_later_features_names_them() {
    let place = Place::new("bench-later");
    for (arguments, feature) in [
        (&["produce", "--tls"][..], "comes with TLS"),
        (&["produce", "--acl"], "comes with access control"),
        (&["rmq-producer", "-a", "true"], "access control"),
        (&["rmq-consumer", "-r", "0.5"], "sends nothing back"),
    ] {
        let run = said(place.ringmq().arg("bench").args(arguments).output().unwrap());
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.err);
        assert!(run.err.contains(feature), "{arguments:?}: {}", run.err);
    }
}
