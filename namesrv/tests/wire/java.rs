//! The same course of requests as a Java name server 5.5.0 was asked; see fixtures/README.md.

use std::collections::BTreeMap;

use crate::peers::{Client, Server};
use serde_json::Value;

#[test]
fn every_answer_is_the_one_of_the_java_name_server() {
    let server = Server::start("java", |config| (config.order_messages, config.remote_config) = (true, true));
    let mut clients: BTreeMap<i64, Client> = BTreeMap::new();
    let mut compared = 0;
    for line in include_str!("fixtures/java-5.5.0.jsonl").lines() {
        let step: Value = serde_json::from_str(line).unwrap();
        let (name, conn) = (step["name"].as_str().unwrap(), step["conn"].as_i64().unwrap());
        let Some(expected) = step.get("answer") else {
            let mut watcher = server.connect();
            let before = watcher.ask(106, &[], b"").body;
            drop(clients.remove(&conn).expect("a connection to close"));
            let gone = (0..100_000).any(|_| watcher.ask(106, &[], b"").body != before);
            assert!(gone, "a broker outlives its connection");
            continue;
        };
        let client = clients.entry(conn).or_insert_with(|| server.connect());
        let header = step["request"]["header"].as_str().unwrap();
        let body = step["request"]["body"]["text"].as_str().unwrap_or_default();
        let answer = client.ask_raw(header.as_bytes(), body.as_bytes());
        assert_eq!(i64::from(answer.code), expected["code"], "{name}: {answer:?}");
        let remark = expected["remark"].as_str().filter(|text| *text != ACCIDENT);
        assert_eq!(answer.remark.as_deref(), remark, "{name}");
        let ext: BTreeMap<String, String> = answer.ext.into_iter().collect();
        let expected_ext: BTreeMap<String, String> =
            expected.get("ext").map(|ext| serde_json::from_value(ext.clone()).unwrap()).unwrap_or_default();
        assert_eq!(ext, expected_ext, "{name}");
        let (ours, theirs) =
            (String::from_utf8(answer.body).unwrap(), expected["body"].as_str().unwrap_or_default());
        assert_eq!(content(&ours), content(theirs), "{name}");
        // Java writes a route that it filtered by zone in the old style, whatever the client reads.
        if !name.contains("zone") {
            assert_eq!(has_raw_keys(&ours), has_raw_keys(theirs), "{name}: {ours}");
        }
        compared += 1;
    }
    assert!(compared > 90, "{compared}");
}

/// What 901 says in Java, where the handler forgets to clear it.
const ACCIDENT: &str = "not set any response code";

/// A body without what means nothing: the order of its lists.
fn content(body: &str) -> Value {
    fn sorted(mut value: Value) -> Value {
        match &mut value {
            Value::Array(list) => {
                *list = list.drain(..).map(sorted).collect();
                list.sort_by_key(Value::to_string);
            }
            Value::Object(members) => members.values_mut().for_each(|member| *member = sorted(member.take())),
            _ => {}
        }
        value
    }
    if body.is_empty() { Value::Null } else { sorted(net::json::from_slice(body.as_bytes()).unwrap()) }
}

fn has_raw_keys(body: &str) -> bool {
    body.split("\"brokerAddrs\":{").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}
