//! The servers as processes, and the client commands against them: what the README shows, and what a restart keeps.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

#[path = "servers/admin_messages.rs"]
mod admin_messages;
#[path = "servers/idempotent_sends.rs"]
mod idempotent_sends;
mod ringmq;
#[path = "ringmq/server.rs"]
mod server;

use std::io::Write;
use std::process::Stdio;

use net::requests::SendMessageV2;
use ringmq::{Place, Said, said};
use server::{Server, dev, ports};

/// A message in one of four queues, as a client of RocketMQ would send it.
fn message<'a>(topic: &'a str, queue_id: i32, properties: &'a str) -> SendMessageV2<'a> {
    SendMessageV2 {
        producer_group: "p",
        topic,
        default_topic: "TBW102",
        default_queues: 4,
        queue_id,
        sys_flag: 0,
        born_at_ms: 1_700_000_000_000,
        flag: 0,
        properties: Some(properties),
        reconsume_times: Some(0),
        unit_mode: Some(false),
        max_reconsume_times: None,
        batch: Some(false),
        broker_name: None,
    }
}

fn produce(place: &Place, namesrv: &str, arguments: &[&str], input: &str) -> Said {
    let mut command = place.ringmq();
    command.arg("produce").args(arguments).args(["-n", namesrv]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    said(child.wait_with_output().unwrap())
}

fn consume(place: &Place, namesrv: &str, arguments: &[&str]) -> Vec<String> {
    let mut command = place.ringmq();
    command.arg("consume").args(arguments).args(["-n", namesrv]);
    let run = said(command.output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.err);
    let mut lines: Vec<String> = run.out.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn dev_serves_the_readmes_first_minute_and_cleans_up() {
    let place = Place::new("dev");
    let (names, port) = ports();
    let server = dev(&place, names, port, &["--shards", "2"]);
    let namesrv = format!("127.0.0.1:{names}");
    let boot = |line: &str| server.lines.iter().any(|printed| printed == line);
    assert!(
        boot(&format!("The Name Server boot success. serializeType=JSON, address {namesrv}")),
        "{:#?}",
        server.lines
    );
    for (name, port) in [("broker-dev", port), ("broker-dev-1", port + 10)] {
        let line = format!(
            "The broker[{name}, 127.0.0.1:{port}] boot success. serializeType=JSON and name server is {namesrv}"
        );
        assert!(boot(&line), "{line} is not in {:#?}", server.lines);
    }

    let sent = produce(
        &place,
        &namesrv,
        &["TopicTest", "--key", "k1", "--tag", "TagB", "--prop", "a=b"],
        "hello\nworld\n",
    );
    assert_eq!((sent.code, sent.err.as_str()), (Some(0), "sent 2 messages to TopicTest\n"));
    assert_eq!(
        consume(&place, &namesrv, &["TopicTest", "--from", "earliest", "--no-follow"]),
        ["hello", "world"]
    );
    let form = ["TopicTest", "--from", "earliest", "--no-follow", "-f", "%t %k %g %b\\n", "--tags", "TagB"];
    assert_eq!(consume(&place, &namesrv, &form), ["TopicTest k1 TagB hello", "TopicTest k1 TagB world"]);
    let other = ["TopicTest", "--from", "earliest", "--no-follow", "--tags", "TagC"];
    assert_eq!(consume(&place, &namesrv, &other), Vec::<String>::new());
    assert_eq!(consume(&place, &namesrv, &["TopicTest", "--from", "1h", "--count", "2"]).len(), 2);

    let list = place.run(&["admin", "cluster", "list", "--output", "json", "-n", &namesrv]);
    let brokers: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    assert_eq!(brokers.as_array().unwrap().len(), 2, "{}", list.out);
    assert!(brokers.as_array().unwrap().iter().all(|broker| broker["state"] == "up"), "{}", list.out);

    let run = |arguments: &[&str]| {
        let run = said(place.ringmq().arg("admin").args(arguments).args(["-n", &namesrv]).output().unwrap());
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.err);
        run.out
    };
    run(&["topic", "create", "Made", "--queues", "3"]);
    let route = run(&["topic", "route", "Made", "--output", "tsv"]);
    assert_eq!(route.lines().count(), 3, "a header and two shards:\n{route}");
    let sent = produce(&place, &namesrv, &["Made", "--queue", "broker-dev-1:2", "-v"], "there\n");
    assert!(
        sent.out.contains("brokerName=broker-dev-1, queueId=2], queueOffset=0"),
        "{}\n{}",
        sent.out,
        sent.err
    );
    let status = run(&["topic", "status", "Made", "--output", "csv"]);
    assert!(status.lines().any(|line| line.starts_with("broker-dev-1,2,0,1,1,")), "{status}");
    assert!(run(&["topic", "list"]).contains("Made"));
    run(&["topic", "delete", "Made"]);
    assert!(!run(&["topic", "list"]).contains("Made"));
    assert!(
        run(&["broker", "config", "--key", "brokerName", "--output", "tsv"])
            .contains("brokerName\tbroker-dev\n")
    );

    let producer = place.run(&["quickstart", "producer", "--count", "10", "-n", &namesrv]);
    assert_eq!(
        producer
            .out
            .lines()
            .filter(|line| line.starts_with("SendResult [sendStatus=SEND_OK, msgId="))
            .count(),
        10
    );
    let consumer = place.run(&["quickstart", "consumer", "--count", "3", "-n", &namesrv]);
    assert!(
        consumer
            .out
            .starts_with("Consumer Started.\nConsumeMessageThread_1 Receive New Messages: [MessageExt [")
    );

    let store = server.lines.iter().find_map(|line| line.strip_prefix("store ")).unwrap().trim().to_owned();
    let store = std::path::PathBuf::from(store.split("  ").next().unwrap());
    assert!(store.exists(), "{}", store.display());
    assert_eq!(server.interrupt(), Some(0));
    assert!(!store.exists(), "{} was left behind", store.display());
}

#[test]
fn a_broker_with_a_java_configuration_keeps_messages_and_progress_over_restarts() {
    let place = Place::new("restart");
    let (names, port) = ports();
    let namesrv = format!("127.0.0.1:{names}");
    place.write(
        "ns.conf",
        &format!("listenPort={names}\nbindAddress=127.0.0.1\nkvConfigPath={}/kv.json\n", place.dir.display()),
    );
    place.write(
        "broker.conf",
        &format!(
            "brokerName=broker-j\nlistenPort={port}\nbindAddress=127.0.0.1\nstorePathRootDir={}/store\nshards=1\n\
             flushDiskType=SYNC_FLUSH\nmappedFileSizeCommitLog=16777216\nstore.window_mib=16\nlog.filter=warn\n",
            place.dir.display()
        ),
    );
    let mut names = place.link("mqnamesrv");
    names.args(["-c", "ns.conf"]);
    let names = Server::start(names, "The Name Server boot success.");
    let broker = || {
        let mut broker = place.link("mqbroker");
        broker.args(["-c", "broker.conf", "-n", &namesrv]);
        Server::start(broker, "The broker[broker-j, ")
    };

    let first = broker();
    let boot = format!(
        "The broker[broker-j, 127.0.0.1:{port}] boot success. serializeType=JSON and name server is {namesrv}"
    );
    assert_eq!(first.lines, [boot]);
    assert_eq!(produce(&place, &namesrv, &["Kept"], "one\ntwo\nthree\n").code, Some(0));
    let group = ["Kept", "--group", "g", "--from", "earliest"];
    let one_of_three = consume(&place, &namesrv, &[&group[..], &["--count", "1"]].concat());
    assert_eq!(one_of_three.len(), 1);
    let id = first.child.id();
    let stop = said(place.link("mqshutdown").arg("broker").output().unwrap());
    assert_eq!(
        stop.out,
        format!("The mqbroker({id}) is running...\nSend shutdown request to mqbroker({id}) OK\n")
    );
    let mut first = first;
    assert!(first.child.wait().unwrap().success());

    // Killed this time: what was acknowledged stays.
    let second = broker();
    assert_eq!(produce(&place, &namesrv, &["Kept"], "four\n").code, Some(0));
    second.signal(rustix::process::Signal::KILL);
    drop(second);

    let third = broker();
    let all = consume(&place, &namesrv, &["Kept", "--from", "earliest", "--no-follow"]);
    assert_eq!(all, ["four", "one", "three", "two"]);
    let mut rest = consume(&place, &namesrv, &[&group[..], &["--count", "3"]].concat());
    rest.extend(one_of_three);
    rest.sort();
    assert_eq!(rest, ["four", "one", "three", "two"]);
    assert_eq!(third.interrupt(), Some(0));
    assert_eq!(names.interrupt(), Some(0));
}

#[test]
fn a_broker_without_name_servers_serves_and_stops() {
    let place = Place::new("alone");
    let (_, port) = ports();
    let mut command = place.ringmq();
    command.args(["broker", "--set", "listen.address=127.0.0.1", "--set", "shards=1", "--set", "name=alone"]);
    command.args([
        "--set",
        "store.segment_bytes=16777216",
        "--set",
        "store.window_mib=16",
        "--set",
        "log.filter=warn",
    ]);
    command.arg("--set").arg(format!("listen.port={port}"));
    command.arg("--set").arg(format!("store.dir={}", place.dir.join("store").display()));
    let broker = Server::start(command, "The broker[alone, ");
    assert_eq!(
        broker.lines,
        [format!("The broker[alone, 127.0.0.1:{port}] boot success. serializeType=JSON")]
    );
    assert_eq!(broker.interrupt(), Some(0));
}

#[test]
fn a_second_broker_on_the_same_store_is_refused_and_the_first_goes_on() {
    let place = Place::new("second");
    let (names, port) = ports();
    let store = place.dir.join("store");
    let server = dev(&place, names, port, &["--shards", "1", "--store", store.to_str().unwrap()]);
    let second = place.run(&[
        "broker",
        "--set",
        &format!("store.dir={}", store.display()),
        "--set",
        &format!("listen.port={}", port + 10),
        "--set",
        "listen.address=127.0.0.1",
        "--set",
        "shards=1",
    ]);
    assert_eq!(second.code, Some(1), "{}\n{}", second.out, second.err);
    assert!(second.err.contains(store.to_str().unwrap()), "{}", second.err);
    assert_eq!(second.out, "");
    let namesrv = format!("127.0.0.1:{names}");
    assert_eq!(produce(&place, &namesrv, &["T"], "still here\n").code, Some(0));
    assert_eq!(server.interrupt(), Some(0));
    assert!(store.exists(), "a store that was given is kept");
}
