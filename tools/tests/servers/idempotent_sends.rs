//! Idempotent sends over `kill -9` of the real binary.

use std::net::SocketAddr;

use net::client::{Client, ClientOptions};
use net::message_id::OffsetMessageId;
use net::properties;

use crate::message;
use crate::ringmq::Place;
use crate::server::{dev, ports};

/// Sends a message with a unique key; where it lies in the log, its queue, its offset there.
fn send(client: &mut Client, queue_id: i32, key: &str) -> (u64, String, String) {
    let mut stored = Vec::new();
    properties::append(&mut stored, 0, "UNIQ_KEY", key.as_bytes());
    let text = String::from_utf8(stored).unwrap();
    let request = message("T", queue_id, &text);
    let answer = client.call(&request, b"once").unwrap().success().unwrap();
    let at = OffsetMessageId::parse(&answer.ext("msgId").unwrap()).unwrap().offset;
    (at, answer.ext("queueId").unwrap(), answer.ext("queueOffset").unwrap())
}

#[test]
fn a_retry_after_kill_9_is_answered_with_the_first_result() {
    let place = Place::new("idempotent");
    let (names, port) = ports();
    let store = place.dir.join("store");
    let options = ["--shards", "1", "--store", store.to_str().unwrap(), "--set", "dedup.window=10m"];
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let server = dev(&place, names, port, &options);
    let mut client = Client::connect(to, ClientOptions::default()).unwrap();
    let keys: Vec<String> = (0..200).map(|number| format!("K{number}")).collect();
    let firsts: Vec<_> = keys.iter().map(|key| send(&mut client, 0, key)).collect();
    server.signal(rustix::process::Signal::KILL);
    drop(server);

    // Elsewhere: what the killed one listened on is not free at once.
    let (names, port) = ports();
    let server = dev(&place, names, port, &options);
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let mut client = Client::connect(to, ClientOptions::default()).unwrap();
    for (key, first) in keys.iter().zip(&firsts) {
        assert_eq!(send(&mut client, 3, key), *first, "{key}");
    }
    assert_eq!(send(&mut client, 0, "new").2, "200", "nothing was stored between");
    assert_eq!(server.interrupt(), Some(0));
}
