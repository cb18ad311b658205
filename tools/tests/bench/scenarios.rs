//! Scenarios in a small size: what they measure, whose topics they take, when a run is invalid.

use serde_json::Value;

use crate::node::{Node, small};

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
    assert_eq!(consume["parameters"]["consumers"], 6);
    let checked = node.measured(&small(&["consume", "--backlog=200", "--verify"]));
    assert!(
        checked["remarks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|remark| remark.as_str().unwrap().contains("every record checked to its CRC")),
        "{}",
        checked["remarks"]
    );

    let pop = node.measured(&["pop", "--backlog=50", "--consumers=2"]);
    assert!(pop["rates"]["acknowledged"].as_u64().unwrap() >= 400, "none is lost to a warm-up: {pop}");
    let decided = &pop["latency"]["decision"]["count"];
    assert_eq!(decided, &pop["rates"]["acknowledged"], "nothing happens before the clock runs: {pop}");

    let oneway = node.measured(&small(&["produce", "--oneway", "--rate=500/s", "--spin=off"]));
    assert_eq!(oneway["rates"]["acknowledged"], 0);
    let rate = |name: &str| oneway["rates"][name].as_f64().unwrap();
    assert_eq!(rate("bytes_per_second"), rate("messages_per_second") * 1024.0, "of what was sent");
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
fn waiting_for_what_nobody_sends_measures_nothing() {
    let node = Node::new("bench-vain");
    let create = node.place.run(&["admin", "topic", "create", "Quiet", "-n", &node.namesrv]);
    assert_eq!(create.code, Some(0), "{}", create.err);
    let vain = node.measured(&small(&["consume", "--topic=Quiet", "--topic-exists", "--follow"]));
    let reason = &vain["reasons"][0];
    assert_eq!(
        (&reason["code"], &reason["text"]),
        (&"nothing-measured".into(), &"nothing was received in the measured time".into()),
        "{}",
        vain["reasons"]
    );
}

#[test]
fn thresholds_end_with_3_and_say_which() {
    let node = Node::new("bench-threshold");
    let run = node.run(&small(&["produce", "--fail-if=p50>1us,err>1000000"]));
    assert_eq!(run.code, Some(3), "{}", run.err);
    assert!(run.out.contains("failed    p50>1us\n") && !run.out.contains("err>1000000"), "{}", run.out);
}
