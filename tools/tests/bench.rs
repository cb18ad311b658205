//! `ringmq bench` as people run it: every scenario in a small size, every refusal, every exit code.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod ringmq;
#[path = "ringmq/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use ringmq::{Place, Said, said};
use serde_json::Value;
use server::{Server, dev, ports};

/// A node and a place to run things against it.
struct Node {
    place: Place,
    server: Server,
    namesrv: String,
    broker: String,
}

impl Node {
    fn new(name: &str) -> Self {
        Self::with(name, &[])
    }

    fn with(name: &str, more: &[&str]) -> Self {
        let place = Place::new(name);
        let (names, port) = ports();
        let server = dev(&place, names, port, &[&["--shards", "2"], more].concat());
        Self { place, server, namesrv: format!("127.0.0.1:{names}"), broker: format!("127.0.0.1:{port}") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.ringmq();
        command.arg("bench").args(arguments).args(["-n", &self.namesrv]);
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().unwrap())
    }

    /// A run whose host may be busy: it is whole, and INVALID at worst.
    fn measured(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().copied().chain(["--format", "json"]).collect();
        let run = self.run(&all);
        assert!(matches!(run.code, Some(0 | 3)), "{arguments:?}: {:?}\n{}\n{}", run.code, run.out, run.err);
        let summary: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(summary["schema"], "ringmq-bench/1");
        assert_eq!(summary["valid"] == true, run.code == Some(0), "{}", run.out);
        summary
    }

    fn topics(&self) -> String {
        let list = self.place.run(&["admin", "topic", "list", "--output", "tsv", "-n", &self.namesrv]);
        list.out.lines().filter(|line| line.contains("ringmq-bench")).collect()
    }
}

const SMALL: [&str; 2] = ["--warmup=100ms", "--duration=400ms"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    more.iter().copied().chain(SMALL).collect()
}

#[test]
fn every_scenario_runs_in_a_small_size_and_leaves_nothing_behind() {
    let node = Node::new("bench-all");
    let closed = node.measured(&small(&["produce", "--verify", "--connections=2", "--inflight=8"]));
    assert!(closed["rates"]["acknowledged"].as_u64().unwrap() > 0);
    assert_eq!(closed["verify"]["lost"], 0);
    assert_eq!(closed["latency"]["response"], Value::Null);
    assert!(closed["remarks"][0].as_str().unwrap().contains("coordinated omission"));

    let open = node.measured(&small(&["produce", "--rate=2k/s", "--arrivals=poisson", "--header=rocketmq"]));
    assert!(open["latency"]["response"]["count"].as_u64().unwrap() > 300, "{open}");

    let batch = node.measured(&small(&["batch", "--batch=8", "--verify", "--inflight=2"]));
    assert_eq!(batch["rates"]["acknowledged"].as_u64().unwrap() % 8, 0);
    assert_eq!(batch["verify"]["lost"], 0);

    let e2e = node.measured(&small(&["e2e", "--rate=1k/s", "--verify", "--topics=2", "--spin=off"]));
    assert_eq!((&e2e["verify"]["lost"], &e2e["verify"]["duplicates"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(e2e["verify"]["received"], e2e["verify"]["acknowledged"]);
    assert!(e2e["latency"]["publish_service"]["count"].as_u64().unwrap() > 300);

    let consume = node.measured(&small(&["consume", "--backlog=200", "--consumers=6"]));
    assert!(consume["rates"]["received"].as_u64().unwrap() > 200);

    let pop = node.measured(&["pop", "--backlog=50", "--consumers=2"]);
    assert!(pop["rates"]["acknowledged"].as_u64().unwrap() >= 400, "none is lost to a warm-up: {pop}");
    let decided = &pop["latency"]["decision"]["count"];
    assert_eq!(decided, &pop["rates"]["acknowledged"], "nothing happens before the clock runs: {pop}");

    let oneway = node.measured(&small(&["produce", "--oneway", "--rate=500/s", "--spin=off"]));
    assert_eq!(oneway["rates"]["acknowledged"], 0);
    let odd = [
        "produce",
        "--messages=300",
        "--warmup=0s",
        "--size=1..300",
        "--payload=ratio:0.5",
        "--compress",
        "--keys=zipf:1.1",
        "--spread=zipf:1.2",
        "--tags=A,B",
        "--props=a=b",
        "--seed=7",
        "--sync",
        "--verify",
    ];
    let odd = node.measured(&odd);
    assert_eq!(
        (&odd["rates"]["acknowledged"], &odd["verify"]["received"]),
        (&Value::from(300), &Value::from(300))
    );
    assert_eq!(odd["seed"], 7);

    assert_eq!(node.topics(), "", "everything that was made is removed");
    assert_eq!(node.server.interrupt(), Some(0));
}

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

#[test]
fn several_topics_that_are_there_all_get_load() {
    let node = Node::new("bench-many");
    for topic in ["Many-0", "Many-1"] {
        let create =
            node.place.run(&["admin", "topic", "create", topic, "--queues", "2", "-n", &node.namesrv]);
        assert_eq!(create.code, Some(0), "{}", create.err);
    }
    let stored = |topic: &str| -> i64 {
        let status =
            node.place.run(&["admin", "topic", "status", topic, "--output", "json", "-n", &node.namesrv]);
        let queues: Value = serde_json::from_str(&status.out).unwrap();
        queues.as_array().unwrap().iter().map(|queue| queue["messages"].as_i64().unwrap()).sum()
    };
    let many = ["produce", "--topic=Many", "--topic-exists", "--messages=80", "--warmup=0s", "--verify"];
    let run = node.measured(&[&many[..], &["--topics=2", "--cluster=DefaultCluster"]].concat());
    assert_eq!((&run["parameters"]["queues"], &run["verify"]["received"]), (&8.into(), &80.into()), "{run}");
    assert_eq!((stored("Many-0"), stored("Many-1")), (40, 40));
    let refused = |more: &[&str]| {
        let run = node.run(&[&many[..], more].concat());
        assert_eq!(run.code, Some(1), "{}", run.out);
        run.err
    };
    let missing = refused(&["--topics=3"]);
    assert!(missing.contains("no broker serves topic Many-2"), "{missing}");
    let elsewhere = refused(&["--topics=2", "--cluster=Elsewhere"]);
    assert!(elsewhere.contains("no broker of cluster Elsewhere has topic Many-0"), "{elsewhere}");
    let direct = |topics: &str| {
        let all = [&["bench"][..], &many, &["--broker", &node.broker, topics, "--format=json"]].concat();
        node.place.run(&all)
    };
    let run: Value = serde_json::from_str(&direct("--topics=2").out).unwrap();
    assert_eq!((&run["parameters"]["queues"], &run["verify"]["lost"]), (&4.into(), &0.into()));
    assert!(direct("--topics=3").err.contains("no broker serves topic Many-2"));
}

#[test]
fn rocketmqs_tools_print_their_lines_and_our_percentiles_after_them() {
    let node = Node::new("bench-rmq");
    let producer = node.run(&["rmq-producer", "-q", "300", "-w", "4", "-ri", "200"]);
    assert!(matches!(producer.code, Some(0 | 3)), "{}", producer.err);
    let complete = producer
        .out
        .lines()
        .position(|line| line.starts_with("[Complete] Send Total: 300 | Send TPS: "))
        .unwrap();
    assert!(
        producer.out.lines().skip(complete).any(|line| line.trim_start().starts_with("p50")),
        "{}",
        producer.out
    );

    let mut consumer = node.command(&["rmq-consumer", "-t", "BenchmarkTest", "-ri", "100"]);
    let mut consumer = consumer.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("| Consume TPS: 0 |")).unwrap();
    let mut batch = node.command(&["rmq-batch", "-b", "4", "-w", "2", "-ri", "100"]);
    let mut batch = batch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let got = lines.find(|line| line.starts_with("Current Time: ") && !line.contains("TPS: 0 |")).unwrap();
    assert!(got.contains("| AVG(B2C) RT(ms): ") && got.contains("| MAX(S2C) RT(ms): "), "{got}");
    for child in [&batch, &consumer] {
        interrupt(child.id());
    }
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.starts_with("result ")), "{rest:#?}");
    assert!(matches!(consumer.wait().unwrap().code(), Some(0 | 3)));
    let mut said = String::new();
    batch.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("| Send MPS: ") && said.contains("result "), "{said}");
    assert!(!said.contains("[Complete]"), "only Java's Producer says it: {said}");
    batch.wait().unwrap();
}

#[test]
fn the_scripts_named_as_rocketmqs_are_its_tools() {
    let place = Place::new("bench-scripts");
    for (script, tool) in
        [("producer", "Producer"), ("batchproducer", "BatchProducer"), ("consumer", "Consumer")]
    {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../benchmark/{script}.sh"));
        let mut command = Command::new(path);
        let run = said(
            command
                .arg("-h")
                .env("RINGMQ", env!("CARGO_BIN_EXE_ringmq"))
                .current_dir(&place.dir)
                .output()
                .unwrap(),
        );
        assert_eq!(run.code, Some(0), "{script}: {}", run.err);
        assert!(run.out.starts_with(&format!("usage: benchmark{tool} [-a <arg>]")), "{}", run.out);
    }
}

#[test]
fn a_topic_of_somebody_else_is_not_touched_unless_told() {
    let node = Node::new("bench-topic");
    let create = node.place.run(&["admin", "topic", "create", "Mine", "--queues", "2", "-n", &node.namesrv]);
    assert_eq!(create.code, Some(0), "{}", create.err);
    let refused = node.run(&small(&["produce", "--topic=Mine"]));
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--topic-exists"), "{}", refused.err);
    node.measured(&small(&["produce", "--topic=Mine", "--topic-exists", "--messages=100"]));
    let status =
        node.place.run(&["admin", "topic", "status", "Mine", "--output", "json", "-n", &node.namesrv]);
    let queues: Value = serde_json::from_str(&status.out).unwrap();
    let stored: i64 =
        queues.as_array().unwrap().iter().map(|queue| queue["messages"].as_i64().unwrap()).sum();
    assert!(stored >= 100, "{}", status.out);
    let perm = ["admin", "topic", "create", "ReadOnly", "--queues", "2", "--perm", "4", "-n", &node.namesrv];
    assert_eq!(node.place.run(&perm).code, Some(0));
    let read_only = node.run(&small(&["produce", "--topic=ReadOnly", "--topic-exists"]));
    assert_eq!(read_only.code, Some(1), "{}", read_only.err);
    assert!(read_only.err.contains("may not be written on any broker (perm 4)"), "{}", read_only.err);
    let nothing = node.run(&small(&["produce", "--topic=Nobody", "--topic-exists"]));
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.err.contains("no broker serves topic Nobody"), "{}", nothing.err);
}

#[test]
fn refusals_are_counted_by_code_and_make_a_run_invalid() {
    let node = Node::with("bench-errors", &["--set", "maxMessageSize=1024"]);
    let all = node.measured(&small(&["produce", "--size=2k", "--inflight=1"]));
    assert_eq!(
        (&all["errors"][0]["name"], &all["rates"]["acknowledged"]),
        (&"MESSAGE_ILLEGAL".into(), &0.into())
    );
    assert_eq!(all["valid"], false);
    let cpu = &all["cpu"];
    for each in ["broker_us_per_message", "generator_us_per_message"] {
        assert_eq!(cpu[each], Value::Null, "there was no message: {cpu}");
    }
    let reasons = all["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["code"] == "errors"), "{all}");
    let count = |part: &str, name: &str| match part {
        "latency" => all[part]["service"][name].as_u64().unwrap(),
        _ => all[part][name].as_u64().unwrap(),
    };
    // Errors stay in the histogram. What was written in the warm-up, one request per connection, is not measured.
    let (measured, answered) = (count("latency", "count"), count("rates", "requests"));
    assert!(measured <= answered && answered <= measured + 8, "{measured} of {answered}");
}

#[test]
fn thresholds_end_with_3_and_say_which() {
    let node = Node::new("bench-threshold");
    let run = node.run(&small(&["produce", "--fail-if=p50>1us,err>1000000"]));
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert!(run.out.contains("failed    p50>1us\n") && !run.out.contains("err>1000000"), "{}", run.out);
}

#[test]
fn ctrl_c_ends_with_a_report_of_what_ran() {
    let node = Node::new("bench-ctrl-c");
    let mut command = node.command(&[
        "produce",
        "--rate=500/s",
        "--warmup=0s",
        "--duration=10m",
        "--interval=50ms",
        "--rmq-format",
        "--spin=off",
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("Current Time: ")).unwrap();
    interrupt(child.id());
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.starts_with("result ")), "{rest:#?}");
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 3)));
    assert_eq!(node.topics(), "");
}

#[test]
fn a_broker_killed_in_the_middle_leaves_a_partial_invalid_report_and_exit_code_1() {
    let node = Node::new("bench-killed");
    let mut command = node.command(&[
        "produce",
        "--rate=500/s",
        "--warmup=0s",
        "--duration=10m",
        "--interval=50ms",
        "--rmq-format",
        "--spin=off",
        "--reconnect=50ms",
        "--out=partial",
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("Current Time: ")).unwrap();
    node.server.signal(rustix::process::Signal::KILL);
    let rest: Vec<String> = lines.collect();
    assert!(
        rest.iter().any(|line| line.starts_with("INVALID ") && line.contains("connection lost")),
        "{rest:#?}"
    );
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(errors.contains("error[E0602]: the run ended early: connection lost"), "{errors}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let text = std::fs::read_to_string(node.place.dir.join("partial/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&summary["valid"], &summary["reasons"][0]["code"]), (&false.into(), &"incomplete".into()));
    assert!(summary["rates"]["acknowledged"].as_u64().unwrap() > 0);
}

#[test]
fn a_broker_killed_and_restarted_in_the_middle_is_found_again_and_the_outage_is_counted() {
    let place = Place::new("bench-restarted");
    let (names, port) = ports();
    let node = || dev(&place, names, port, &["--shards", "2", "--store", "kept"]);
    let server = node();
    let mut command = place.ringmq();
    command.args(["bench", "e2e", "-n", &format!("127.0.0.1:{names}"), "--rate=500/s", "--warmup=0s"]);
    command.args(["--messages=1500", "--interval=50ms", "--rmq-format", "--spin=off", "--verify"]);
    command.args(["--out=run"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let flows = |line: &String| line.starts_with("Current Time: ") && !line.contains("Consume TPS: 0 ");
    let stands = |line: &String| line.starts_with("Current Time: ") && line.contains("Consume TPS: 0 ");
    lines.find(flows).unwrap();
    server.signal(rustix::process::Signal::KILL);
    drop(server);
    lines.find(stands).unwrap();
    // It ends by itself: every connection has to come back for that.
    let server = node();
    let rest: Vec<String> = lines.collect();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    // A host that is busy beside it makes it INVALID; nothing makes it a failure.
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 3)), "{errors}\n{rest:#?}");
    let text = std::fs::read_to_string(place.dir.join("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    let connections = &summary["connections"];
    assert!(connections["lost"].as_u64().unwrap() >= 2, "{connections}");
    assert_eq!(connections["lost"], connections["back"]);
    assert_eq!((&summary["failure"], &summary["verify"]["lost"]), (&Value::Null, &Value::from(0)), "{text}");
    let failed: u64 =
        summary["errors"].as_array().unwrap().iter().map(|one| one["count"].as_u64().unwrap()).sum();
    // Whatever was due was sent, and everything sent was answered or counted as failed.
    let rates = &summary["rates"];
    let answered = rates["acknowledged"].as_u64().unwrap() + failed + rates["unsent"].as_u64().unwrap();
    assert_eq!(answered, rates["due"].as_u64().unwrap(), "{text}");
    let outages = format!("outages   {} connections lost", connections["lost"]);
    assert!(rest.iter().any(|line| line.starts_with(&outages)), "{rest:#?}");
    assert_eq!(server.interrupt(), Some(0));
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

fn interrupt(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}
