//! RocketMQ's own benchmark tools, by our hand.

use std::process::Command;

use crate::node::{Node, Running};
use crate::ringmq::{Place, said};

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
    let mut consumer = Running::start(&mut consumer);
    consumer.wait_for(|line| line.contains("| Consume TPS: 0 |"));
    let mut batch = node.command(&["rmq-batch", "-b", "4", "-w", "2", "-ri", "100"]);
    let batch = Running::start(&mut batch);
    let got = consumer.wait_for(|line| line.starts_with("Current Time: ") && !line.contains("TPS: 0 |"));
    assert!(got.contains("| AVG(B2C) RT(ms): ") && got.contains("| MAX(S2C) RT(ms): "), "{got}");
    batch.interrupt();
    consumer.interrupt();
    let (code, rest, _) = consumer.end();
    assert!(rest.iter().any(|line| line.starts_with("result ")), "{rest:#?}");
    assert!(matches!(code, Some(0 | 3)));
    let (_, said, _) = batch.end();
    let said = said.join("\n");
    assert!(said.contains("| Send MPS: ") && said.contains("result "), "{said}");
    assert!(!said.contains("[Complete]"), "only Java's Producer says it: {said}");
}

#[test]
fn a_producer_has_the_broker_make_a_topic_that_is_missing_as_javas_clients_do() {
    let node = Node::new("bench-rmq-new");
    let producer = node.run(&["rmq-producer", "-t", "NotYetThere", "-q", "100", "-w", "4"]);
    assert!(matches!(producer.code, Some(0 | 3)), "{}", producer.err);
    let complete =
        producer.out.lines().find(|line| line.starts_with("[Complete] Send Total: 100 | ")).unwrap();
    assert!(complete.ends_with("| Send Failed: 0 | Response Failed: 0"), "{complete}");
    let ours = node.run(&["produce", "--topic", "NotYetThere"]);
    assert!(ours.err.contains("NotYetThere"), "it stays, so it is not one for a run to make: {}", ours.err);
    assert_eq!(ours.code, Some(2));
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
