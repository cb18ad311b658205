//! Runs of several rates: the search for the highest one, and workloads of the OpenMessaging Benchmark.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::Value;

use crate::node::{Node, interrupt};

#[test]
fn find_max_and_replay_end_with_an_answer() {
    let node = Node::new("bench-search");
    let quick = [
        "find-max",
        "--from=5000/s",
        "--duration=200ms",
        "--warmup=50ms",
        "--times=2",
        "--precision=90",
        "--p99=10s",
        "--spin=off",
        "--format=json",
    ];
    let found = node.run(&quick);
    // A host too busy even for the first rate is an answer as well.
    assert!(matches!(found.code, Some(0 | 1)), "{}\n{}", found.out, found.err);
    let found: Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(found["rates"].as_array().unwrap().len(), 2);
    node.place.write("w.yaml", "name: small\ntopics: 1\npartitionsPerTopic: 2\nmessageSize: 100\nproducerRate: 500\ntestDurationMinutes: 0.01\nwarmupDurationMinutes: 0.001\n");
    let replayed = node.measured(&["replay", "w.yaml", "--spin=off"]);
    assert_eq!((&replayed["kind"], &replayed["tags"]["workload"]), (&"e2e".into(), &"small".into()));
    // As in OMB's tree: a file of bodies is named from its root, workloads lie in a directory of it.
    for dir in ["omb/workloads", "omb/payload"] {
        std::fs::create_dir_all(node.place.dir.join(dir)).unwrap();
    }
    node.place.write("omb/payload/300b.data", &"x".repeat(300));
    let workload = "payloadFile: \"payload/300b.data\"\nproducerRate: 500\ntestDurationMinutes: 0.005\nwarmupDurationMinutes: 0\n";
    node.place.write("omb/workloads/w.yaml", workload);
    let replayed = node.measured(&["replay", "omb/workloads/w.yaml", "--spin=off"]);
    assert_eq!(replayed["parameters"]["body_bytes"], 300.0);
    node.place.write("two.yaml", "name: two topics\ntopics: 2\npartitionsPerTopic: 2\nmessageSize: 100\nproducersPerTopic: 3\nconsumerPerSubscription: 2\nproducerRate: 500\ntestDurationMinutes: 0.005\nwarmupDurationMinutes: 0\n");
    node.measured(&["replay", "two.yaml", "--spin=off", "--out", "two"]);
    let text = std::fs::read_to_string(node.place.dir.join("two/omb.json")).unwrap();
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["workload"], "two topics");
    assert_eq!(
        (&result["producersPerTopic"], &result["consumersPerTopic"]),
        (&3.into(), &2.into()),
        "{text}"
    );
    node.place.write("omb/workloads/w.yaml", &workload.replace("300b", "301b"));
    let missing = node.run(&["replay", "omb/workloads/w.yaml"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("payloadFile payload/301b.data is not there"), "{}", missing.err);
}

#[test]
fn a_search_that_is_cut_short_tells_what_it_tried() {
    let node = Node::new("bench-cut");
    let search = |end: &dyn Fn(u32)| {
        let mut command = node.command(&[
            "find-max",
            "--from=5000/s",
            "--duration=200ms",
            "--warmup=50ms",
            "--times=1000",
            "--precision=100",
            "--spin=off",
            "--reconnect=50ms",
            "--format=json",
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        lines.find(|line| line.starts_with("search 1: ")).unwrap();
        end(child.id());
        let errors: Vec<String> = lines.collect();
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let found: Value = serde_json::from_str(&out).unwrap();
        assert!(!found["steps"].as_array().unwrap().is_empty(), "{found}");
        (child.wait().unwrap().code(), found, errors.join("\n"))
    };
    let (code, found, _) = search(&interrupt);
    // Without a search that came to its end there is no answer, and no failure either.
    let expected = if found["median"].is_null() { 130 } else { i32::from(found["median"] == 0.0) };
    assert_eq!(
        (code, &found["interrupted"], &found["failure"]),
        (Some(expected), &true.into(), &Value::Null)
    );
    assert_eq!(node.topics(), "");
    let (code, found, errors) = search(&|_| node.server.signal(rustix::process::Signal::KILL));
    assert_eq!((code, &found["interrupted"]), (Some(1), &false.into()), "{errors}");
    let failure = found["failure"].as_str().unwrap();
    assert!(failure.contains("connection lost") || failure.contains("no answer"), "{failure}");
    assert!(errors.contains(failure), "{errors}");
}
