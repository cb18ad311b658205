//! Runs that are interrupted, or whose broker dies.

use serde_json::Value;

use crate::node::{Node, Running};
use crate::ringmq::Place;
use crate::server::{dev, ports};

/// A run that something else has to end.
const ENDLESS: [&str; 7] = [
    "produce",
    "--rate=500/s",
    "--warmup=0s",
    "--duration=10m",
    "--interval=50ms",
    "--rmq-format",
    "--spin=off",
];

#[test]
fn ctrl_c_ends_with_a_report_of_what_ran() {
    let node = Node::new("bench-ctrl-c");
    let mut command = node.command(&ENDLESS);
    let mut run = Running::start(&mut command);
    run.wait_for(|line| line.starts_with("Current Time: "));
    run.interrupt();
    let (code, rest, _) = run.end();
    assert!(rest.iter().any(|line| line.starts_with("result ")), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("interrupted by the user")), "{rest:#?}");
    assert!(matches!(code, Some(0 | 3)));
    assert_eq!(node.topics(), "");
}

#[test]
fn a_broker_killed_in_the_middle_leaves_a_partial_invalid_report_and_exit_code_1() {
    let node = Node::new("bench-killed");
    let mut command =
        node.command(&[&ENDLESS[..], &["--reconnect=50ms", "--out=partial", "--verify"]].concat());
    let mut run = Running::start(&mut command);
    // On a busy host the first intervals have no answer yet.
    run.wait_for(|line| line.starts_with("Current Time: ") && !line.contains("Send TPS: 0 "));
    node.server.signal(rustix::process::Signal::KILL);
    let (code, rest, errors) = run.end();
    assert!(
        rest.iter().any(|line| line.starts_with("INVALID ") && line.contains("connection lost")),
        "{rest:#?}"
    );
    assert!(errors.contains("error[E0602]: the run ended early: connection lost"), "{errors}");
    assert!(errors.contains("; when it is back: ringmq admin topic delete ringmq-bench-"), "{errors}");
    assert!(rest.iter().any(|line| line.starts_with("note      not verified: ")), "{rest:#?}");
    assert_eq!(code, Some(1));
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
    let mut run = Running::start(&mut command);
    let flows = |line: &str| line.starts_with("Current Time: ") && !line.contains("Consume TPS: 0 ");
    let stands = |line: &str| line.starts_with("Current Time: ") && line.contains("Consume TPS: 0 ");
    run.wait_for(flows);
    server.signal(rustix::process::Signal::KILL);
    drop(server);
    run.wait_for(stands);
    // It ends by itself: every connection has to come back for that.
    let server = node();
    let (code, rest, errors) = run.end();
    // A host that is busy beside it makes it INVALID; nothing makes it a failure.
    assert!(matches!(code, Some(0 | 3)), "{errors}\n{rest:#?}");
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
fn ctrl_c_says_how_long_it_waits_for_what_is_not_due_yet() {
    let node = Node::new("bench-ctrl-c-delay");
    let mut command = node.command(&["delay", "--delay=6s", "--rate=200/s", "--spin=off", "--timeout=1000"]);
    command.args(["--warmup=0s", "--duration=10m", "--interval=50ms", "--rmq-format"]);
    let mut run = Running::start(&mut command);
    run.wait_for(|_| true);
    run.interrupt();
    let (code, rest, errors) = run.end();
    assert!(
        errors.contains("interrupted: nothing more is sent; what was sent is awaited, for 7 s"),
        "{errors}"
    );
    assert!(rest.iter().any(|line| line.starts_with("lateness ")), "{rest:#?}");
    assert!(matches!(code, Some(0 | 3)), "{code:?}");
    assert_eq!(node.topics(), "");
}
