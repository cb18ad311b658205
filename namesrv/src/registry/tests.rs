//! The registry by itself: what each request changes, and what a route says then.

use std::collections::BTreeMap;

use super::*;

mod leaving;
mod naive;
mod registering;
mod topics;

const START: Mono = Mono(50_000_000_000);

fn conn(index: u32) -> ConnId {
    ConnId { index, generation: 0 }
}

fn queues(count: i32) -> Queues {
    Queues { read: count, write: count, perm: PERM_READ | PERM_WRITE, sys_flag: 0 }
}

fn topics(names: &[&str]) -> BTreeMap<String, Queues> {
    names.iter().map(|name| ((*name).to_owned(), queues(4))).collect()
}

fn version(state_version: i64, counter: i64) -> DataVersion {
    DataVersion { state_version, timestamp: 1, counter }
}

/// A master of cluster `c` named `name`, with two topics.
fn master(name: &str, address: &str) -> Registration {
    Registration {
        cluster: "c".to_owned(),
        broker: name.to_owned(),
        address: address.to_owned(),
        id: 0,
        ha_address: Some(format!("{address}:ha")),
        zone: None,
        timeout_ms: None,
        acting_master: Some(false),
        version: version(0, 1),
        topics: topics(&["t1", "t2"]),
        has_static_topics: false,
        filter_servers: Some(Vec::new()),
    }
}

fn slave(name: &str, address: &str, id: i64) -> Registration {
    Registration { id, ..master(name, address) }
}

fn ok(registry: &mut Registry, new: &Registration) -> Registered {
    let registered = registry.register(new, conn(1), START).expect("accepted");
    registry.check();
    registered
}

fn addresses(registry: &Registry, name: &str) -> Vec<(i64, String)> {
    registry.broker(name).map_or(Vec::new(), |broker| broker.addresses.clone().into_iter().collect())
}

fn perm(registry: &Registry, topic: &str, broker: &str) -> Option<i32> {
    registry.topics.get(topic)?.get(broker).map(|queues| queues.perm)
}

/// A master of cluster `c` says that it goes.
fn gone(name: &str, address: &str) -> Unregistration {
    Unregistration { cluster: "c".into(), broker: name.into(), address: address.into(), id: 0 }
}
