//! `ringmq admin message` and `dlq`, and half messages of `ringmq produce`, against a node.

use std::net::SocketAddr;

use net::body::{
    ConsumerData, HeartbeatData, LockBatch, LockBatchReply, MessageQueue, SubscriptionData,
    SubscriptionGroupConfig,
};
use net::client::{Client, ClientOptions};
use net::json::{self, Style};
use net::message_id::OffsetMessageId;
use net::properties;
use net::requests::{
    ConsumerSendMsgBack, HeartBeat, LockBatchMq, SendMessageV2, UnlockBatchMq,
    UpdateAndCreateSubscriptiongroup,
};
use serde_json::Value;

use crate::message;
use crate::ringmq::{Place, Said, said};
use crate::server::{Server, dev, ports};

struct Node {
    place: Place,
    namesrv: String,
    client: Client,
    to: SocketAddr,
    _server: Server,
}

impl Node {
    fn start(name: &str, more: &[&str]) -> Self {
        let place = Place::new(name);
        let (names, port) = ports();
        let server = dev(&place, names, port, &[&["--shards", "1"], more].concat());
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let client = Client::connect(to, ClientOptions::default()).unwrap();
        Self { place, namesrv: format!("127.0.0.1:{names}"), client, to, _server: server }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(
            self.place
                .ringmq()
                .args(arguments)
                .args(["-n", &self.namesrv, "--timeout", "30000"])
                .output()
                .unwrap(),
        )
    }

    /// The rows of an admin command that must succeed.
    fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.run(&[&["admin"], arguments, &["--output", "json"]].concat());
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.err);
        serde_json::from_str(&run.out).unwrap()
    }

    fn produce(&self, arguments: &[&str], input: &str) -> Said {
        crate::produce(&self.place, &self.namesrv, arguments, input)
    }

    fn consume(&self, topic: &str) -> Vec<String> {
        let patient = ["--from", "earliest", "--no-follow", "--timeout", "30000"];
        crate::consume(&self.place, &self.namesrv, &[&[topic], &patient[..]].concat())
    }

    fn send(&mut self, topic: &str, properties: &[(&str, &str)], body: &[u8]) -> OffsetMessageId {
        let mut stored = Vec::new();
        for (name, value) in properties {
            properties::append(&mut stored, 0, name, value.as_bytes());
        }
        let text = String::from_utf8(stored).unwrap();
        let request = SendMessageV2 { default_queues: 1, ..message(topic, 0, &text) };
        let answer = self.client.call(&request, body).unwrap().success().unwrap();
        OffsetMessageId::parse(&answer.ext("msgId").unwrap()).unwrap()
    }

    /// A message that its consumer gave up at once.
    fn dead_letter(&mut self, group: &str, body: &str) {
        let at = self.send("Orders", &[("UNIQ_KEY", body), ("KEYS", "k"), ("user", "kept")], body.as_bytes());
        let back = ConsumerSendMsgBack {
            offset: i64::try_from(at.offset).unwrap(),
            group,
            delay_level: -1,
            origin_msg_id: None,
            origin_topic: Some("Orders"),
            unit_mode: false,
            max_reconsume_times: Some(16),
        };
        self.client.call(&back, b"").unwrap().success().unwrap();
    }

    /// The name of the only broker.
    fn broker(&self) -> String {
        self.rows(&["dlq", "list"])[0]["broker"].as_str().unwrap().to_owned()
    }

    /// Makes the node's client a member of a group that has locked these queues.
    fn join_in_order(&mut self, group: &str, queues: Vec<MessageQueue>) {
        let consumer = ConsumerData { group_name: group.to_owned(), ..ConsumerData::default() };
        let beat = HeartbeatData {
            client_id: "me".to_owned(),
            consumers: vec![consumer],
            ..HeartbeatData::default()
        };
        self.client.call(&HeartBeat {}, &json::to_vec(&beat, Style::Raw)).unwrap().success().unwrap();
        let body = locks_of(group, queues);
        let answer = self.client.call(&LockBatchMq {}, &body).unwrap().success().unwrap();
        let locked: LockBatchReply = json::from_slice(&answer.body).unwrap();
        assert_eq!(locked.locked.len(), 1, "it is granted");
    }

    fn unlock(&mut self, group: &str, queues: Vec<MessageQueue>) {
        self.client.call(&UnlockBatchMq {}, &locks_of(group, queues)).unwrap().success().unwrap();
    }

    fn group(&mut self, name: &str) {
        let config =
            SubscriptionGroupConfig { group_name: name.to_owned(), ..SubscriptionGroupConfig::default() };
        let body = json::to_vec(&config, Style::Raw);
        self.client.call(&UpdateAndCreateSubscriptiongroup {}, &body).unwrap().success().unwrap();
    }
}

fn locks_of(group: &str, queues: Vec<MessageQueue>) -> Vec<u8> {
    let body = LockBatch {
        client_id: "me".to_owned(),
        consumer_group: group.to_owned(),
        queues,
        only_this_broker: false,
    };
    json::to_vec(&body, Style::Raw)
}

#[test]
fn dead_letters_are_listed_shown_and_sent_again_once() {
    let mut node = Node::start("dlq", &[]);
    node.group("g");
    for number in 0..5 {
        node.dead_letter("g", &format!("letter {number}"));
    }
    let list = node.rows(&["dlq", "list"]);
    assert_eq!(
        (&list[0]["group"], &list[0]["messages"], &list[0]["not_replayed"]),
        (&"g".into(), &5.into(), &5.into())
    );
    let shown = node.rows(&["dlq", "show", "g"]);
    assert_eq!(shown.len(), 5);
    assert_eq!(shown[0]["body"], "letter 0");
    assert_eq!((&shown[0]["origin_topic"], &shown[0]["keys"]), (&"Orders".into(), &"k".into()));

    let plan = node.rows(&["dlq", "replay", "g", "--dry-run"]);
    assert_eq!((&plan[0]["sent"], &plan[0]["left"]), (&5.into(), &0.into()));
    let done = node.rows(&["dlq", "replay", "g", "--count", "2"]);
    assert_eq!((&done[0]["from"], &done[0]["sent"], &done[0]["left"]), (&0.into(), &2.into(), &3.into()));
    assert_eq!(node.rows(&["dlq", "show", "g", "--left"]).len(), 3);
    let done = node.rows(&["dlq", "replay", "g", "--rate", "1000"]);
    assert_eq!((&done[0]["from"], &done[0]["sent"]), (&2.into(), &3.into()));
    let done = node.rows(&["dlq", "replay", "g"]);
    assert_eq!(done[0]["sent"], 0, "nothing died since");
    let all: Vec<String> = (0..5).map(|number| format!("letter {number}")).collect();
    assert_eq!(node.consume("%RETRY%g"), all, "each once, and the dry run sent none");
    assert_eq!(node.consume("Orders"), all, "other groups see none of them");

    let done = node.rows(&["dlq", "replay", "g", "--again", "--to", "origin", "--count", "1"]);
    assert_eq!(done[0]["sent"], 1);
    let found = node.rows(&["message", "find", "Orders", "--key", "k"]);
    let again: Vec<&Value> = found.iter().filter(|row| row["body"] == "letter 0").collect();
    assert_eq!(again.len(), 2);
    for row in again {
        let properties = row["properties"].as_str().unwrap();
        assert!(properties.contains("user=kept") && !properties.contains("RETRY_TOPIC"), "{properties}");
    }
    let nobody = node.run(&["admin", "dlq", "replay", "nobody"]);
    assert_eq!(nobody.code, Some(1), "{}", nobody.err);
}

#[test]
fn dead_letters_of_a_group_that_consumes_in_order_are_sent_to_their_topic_only() {
    let mut node = Node::start("dlq-order", &[]);
    node.group("g");
    node.dead_letter("g", "letter");
    let queue = MessageQueue { broker_name: node.broker(), topic: "Orders".to_owned(), queue_id: 0 };
    node.join_in_order("g", vec![queue.clone()]);
    for dry in [&[][..], &["--dry-run"]] {
        let refused = node.run(&[&["admin", "dlq", "replay", "g"], dry].concat());
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{}", refused.err);
        assert!(
            refused.err.contains("consumes in order") && refused.err.contains("--to origin"),
            "{}",
            refused.err
        );
    }
    assert_eq!(node.rows(&["dlq", "list"])[0]["messages"], 1, "no copy was made");
    let done = node.rows(&["dlq", "replay", "g", "--to", "origin"]);
    assert_eq!((&done[0]["sent"], &done[0]["left"]), (&1.into(), &0.into()));
    assert_eq!(node.consume("Orders"), ["letter", "letter"]);
    node.unlock("g", vec![queue]);
    let done = node.rows(&["dlq", "replay", "g", "--again"]);
    assert_eq!(done[0]["sent"], 1, "nothing is locked");
    assert_eq!(node.consume("%RETRY%g"), ["letter"]);
}

#[test]
fn a_message_is_found_by_id_and_by_key_and_within_a_time() {
    let mut node = Node::start("message", &[]);
    let at = node.send("T", &[("UNIQ_KEY", "U1"), ("KEYS", "red blue"), ("TAGS", "t")], b"one");
    node.send("T", &[("UNIQ_KEY", "U2"), ("KEYS", "blue")], b"two");
    let mut id = String::new();
    at.append(&mut id);
    let got = node.rows(&["message", "get", &id]);
    assert_eq!(
        (&got[0]["body"], &got[0]["msg_id"], &got[0]["tags"]),
        (&"one".into(), &"U1".into(), &"t".into())
    );
    assert_eq!(got[0]["offset_msg_id"], id.as_str());
    let bodies = |rows: Vec<Value>| -> Vec<String> {
        let mut all: Vec<String> = rows.iter().map(|row| row["body"].as_str().unwrap().to_owned()).collect();
        all.sort();
        all
    };
    assert_eq!(bodies(node.rows(&["message", "find", "T", "--key", "blue"])), ["one", "two"]);
    assert_eq!(bodies(node.rows(&["message", "find", "T", "--key", "blue", "--from", "1h"])), ["one", "two"]);
    assert_eq!(bodies(node.rows(&["message", "find", "T", "--id", "U2"])), ["two"]);
    for (arguments, code) in [
        (&["admin", "message", "get", &id, "--topic", "Other"][..], 1),
        (&["admin", "message", "get", "no id"], 2),
        (&["admin", "message", "find", "T", "--key", "green"], 1),
        (&["admin", "message", "find", "T", "--key", "blue", "--to", "2020-01-01"], 1),
        (&["admin", "message", "find", "T", "--key", "blue", "--to", "soon"], 2),
        (&["admin", "message", "find", "T"], 2),
        (&["admin", "message", "recall", "no handle"], 2),
        (&["admin", "message", "trace", "U1"], 1),
    ] {
        let run = node.run(arguments);
        assert_eq!((run.code, run.out.as_str()), (Some(code), ""), "{arguments:?}: {}", run.err);
        assert!(run.err.contains("error"), "{}", run.err);
    }
}

#[test]
fn what_clients_trace_is_read_in_order() {
    let mut node = Node::start("trace", &["--set", "topics.trace_topic=true"]);
    let context = |fields: &[&str]| fields.join("\u{1}") + "\u{2}";
    let consumed = context(&["SubBefore", "1700000000300", "R", "c", "REQ", "U1", "0", "k"])
        + &context(&["SubAfter", "REQ", "U1", "7", "true", "k", "0", "1700000000310", "c"])
        + &context(&["SubBefore", "1700000000300", "R", "c", "REQ", "U9", "0", ""]);
    let sent = context(&[
        "Pub",
        "1700000000100",
        "R",
        "g",
        "T",
        "U1",
        "tag",
        "k",
        "127.0.0.1:10911",
        "5",
        "3",
        "0",
        "OFF",
        "true",
    ]);
    node.send("RMQ_SYS_TRACE_TOPIC", &[("KEYS", "U1 U9 k")], consumed.as_bytes());
    node.send("RMQ_SYS_TRACE_TOPIC", &[("KEYS", "U1 k")], sent.as_bytes());
    let told: Vec<String> = node
        .rows(&["message", "trace", "U1"])
        .iter()
        .map(|row| {
            format!("{} {} {}", row["what"].as_str().unwrap(), row["group"].as_str().unwrap(), row["outcome"])
        })
        .collect();
    assert_eq!(told, ["sent g \"ok\"", "received c \"\"", "consumed c \"ok\""]);
}

#[test]
fn a_waiting_message_is_recalled_by_its_handle() {
    let mut node = Node::start("recall", &[]);
    let mut properties = Vec::new();
    for (name, value) in [("UNIQ_KEY", "U1"), ("TIMER_DELAY_SEC", "3600")] {
        properties::append(&mut properties, 0, name, value.as_bytes());
    }
    let text = String::from_utf8(properties).unwrap();
    node.send("T", &[], b"first");
    let request = SendMessageV2 { default_queues: 1, born_at_ms: 0, ..message("T", 0, &text) };
    let handle = node.client.call(&request, b"later").unwrap().ext("recallHandle").unwrap();
    let rows = node.rows(&["message", "recall", &handle]);
    assert_eq!((&rows[0]["topic"], &rows[0]["msg_id"]), (&"T".into(), &"U1".into()));
}

#[test]
fn members_that_subscribe_differently_are_a_problem_that_a_check_finds() {
    let mut node = Node::start("conflicts", &[]);
    let beat = |id: &str, tags: &str| {
        let subscription = SubscriptionData {
            topic: "T".to_owned(),
            expression: tags.to_owned(),
            ..SubscriptionData::default()
        };
        let consumer = ConsumerData {
            group_name: "g".to_owned(),
            subscriptions: vec![subscription],
            ..ConsumerData::default()
        };
        let beat =
            HeartbeatData { client_id: id.to_owned(), consumers: vec![consumer], ..HeartbeatData::default() };
        json::to_vec(&beat, Style::Raw)
    };
    node.client.call(&HeartBeat {}, &beat("a", "red")).unwrap().success().unwrap();
    assert_eq!(node.run(&["admin", "group", "conflicts"]).code, Some(0));
    let to = node.to;
    let mut other = Client::connect(to, ClientOptions::default()).unwrap();
    other.call(&HeartBeat {}, &beat("b", "blue")).unwrap().success().unwrap();
    for arguments in [&["admin", "group", "conflicts", "g"][..], &["admin", "group", "conflicts"]] {
        let found = node.run(arguments);
        assert_eq!(found.code, Some(3), "{}", found.err);
        assert!(found.out.contains("a wants \"red\", b wants \"blue\""), "{}", found.out);
    }
}

#[test]
fn half_messages_are_seen_when_they_are_committed_only() {
    let node = Node::start("tx", &[]);
    for (decision, body) in [("commit", "kept\nand this\n"), ("rollback", "dropped\n"), ("unknown", "open\n")]
    {
        let sent = node.produce(&["T", "--tx", decision], body);
        assert_eq!(sent.code, Some(0), "{}", sent.err);
        assert!(
            sent.err.starts_with(&format!("sent {} half messages", body.lines().count())),
            "{}",
            sent.err
        );
    }
    assert_eq!(node.consume("T"), ["and this", "kept"]);
    assert_eq!(node.produce(&["T", "--tx", "commit", "--delay", "5s"], "x\n").code, Some(2));
}
