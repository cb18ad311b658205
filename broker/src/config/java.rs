//! RocketMQ's own names for brokers, and why some of them have no effect here.

use std::sync::OnceLock;

use settings::{JavaKeys, Settings};

use super::BrokerConfig;

/// Every key that a RocketMQ broker knows.
pub fn java_keys() -> &'static JavaKeys {
    static KEYS: OnceLock<JavaKeys> = OnceLock::new();
    KEYS.get_or_init(|| JavaKeys::parse(include_str!("java_keys.tsv"), REASONS))
}

/// The configuration as RocketMQ prints it: every name of its own with our value, or the default where the key has no
/// effect here, sorted by name. GET_BROKER_CONFIG and `mqbroker -p` are made of this.
#[must_use]
pub fn java_properties(config: &BrokerConfig) -> Vec<(&'static str, String)> {
    let value = |key: &settings::JavaKey| match BrokerConfig::find(key.name) {
        Some(index) => config.show_java(index),
        None => key.default.split('|').next().unwrap_or_default().to_owned(),
    };
    let mut all: Vec<(&'static str, String)> = java_keys().iter().map(|key| (key.name, value(key))).collect();
    if config.commitlog_dir.is_none()
        && let Some(pair) = all.iter_mut().find(|(name, _)| *name == "storePathCommitLog")
    {
        pair.1 = config.store_dir.join("commitlog").display().to_string();
    }
    all
}

const REASONS: &[(&str, &str)] = &[
    ("queue", "no effect: one queue log per shard and a sorted key index replace these files"),
    ("window", "no effect: nothing is memory-mapped; the shard has its own log window and read cache"),
    ("commit", "no effect: group commit follows the device, not a timer, and a failed flush is final"),
    ("threads", "no effect: a shard is one thread without locks; its bounds are bytes and waiting time"),
    (
        "pop",
        "no effect: pops are in memory, flushed with the offsets; their bounds are fixed and so are their retry topics",
    ),
    ("dispatch", "no effect: queue entries are written in the turn of the append"),
    (
        "recycle",
        "no effect: expired segments are recycled steadily; retention.window = \"04\" restores a fixed hour",
    ),
    ("rocksdb", "no effect: the cost of the one store follows messages, not queues"),
    ("other", "no effect: another mechanism does this here"),
    ("paths", "no effect: everything lies under the store directory and needs no ROCKETMQ_HOME"),
    ("stop", "no effect: every stop answers what waits first"),
    ("later", "no effect yet: this feature of RocketMQ is not built"),
    ("replica", "no effect yet: replication is not built, this node is a master without slaves"),
    ("metrics", "no effect yet: the metrics endpoint is not built"),
    ("tls", "no effect yet: TLS is not built, connections are plain"),
    ("auth", "no effect yet: access control is not built"),
    ("client", "no effect: the node's own client has fixed limits"),
    ("no-replicas", "replication is not built: going on would acknowledge what lies on one host only"),
    ("no-slave", "replication is not built: this node can only be a master (brokerId 0)"),
    ("no-raft", "failover by Raft is not built: going on would run a node without it"),
    ("no-controller", "controller mode is not built: going on would run a node without failover"),
    ("no-acting", "acting masters are not built: going on would change which broker serves"),
    ("no-container", "broker containers are not supported: a node has shards instead"),
    ("no-plugin", "store plug-ins are Java code and cannot be loaded"),
    ("no-read-only", "read-only commitlog directories are not supported: import the old store instead"),
    ("no-auth", "access control is not built: going on would leave the broker open"),
    ("no-acl1", "access control of RocketMQ 4 is not supported, and going on would leave the broker open"),
    ("no-delta", "metrics as deltas are not built: going on would report other numbers than asked for"),
    ("no-tls", "TLS is not built: going on would take plain connections where you asked for none"),
    (
        "no-address-server",
        "finding name servers by an address server or DNS is not built: the node would register nowhere",
    ),
];

#[cfg(test)]
mod tests {
    use settings::JavaClass;

    use super::*;

    #[test]
    fn properties_are_spelt_as_rocketmq_reads_them() {
        let all = java_properties(&BrokerConfig::default());
        let value = |name: &str| all.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("flushDiskType"), Some("ASYNC_FLUSH"));
        assert_eq!(value("brokerRole"), Some("ASYNC_MASTER"));
        assert_eq!(value("storePathCommitLog"), Some("/var/lib/ringmq/commitlog"));
        assert!(all.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn every_honoured_name_is_a_key_and_every_java_name_of_a_key_is_known() {
        for key in java_keys().iter() {
            let ours = BrokerConfig::KEYS.iter().any(|own| own.java == key.name);
            assert_eq!(key.class == JavaClass::Honoured, ours, "{}", key.name);
        }
        for key in BrokerConfig::KEYS.iter().filter(|key| !key.java.is_empty()) {
            assert!(java_keys().find(key.java).is_some(), "{}", key.java);
        }
    }

    #[test]
    fn defaults_that_differ_from_rocketmqs_are_the_known_ones() {
        let differ: Vec<&str> = BrokerConfig::KEYS
            .iter()
            .filter(|key| !key.java.is_empty())
            .filter(|key| {
                let java = java_keys().find(key.java).unwrap();
                let ours = BrokerConfig::default();
                let mut theirs = BrokerConfig::default();
                let index = BrokerConfig::find(key.name).unwrap();
                !java.default.is_empty() && (theirs.set(index, java.default).is_err() || theirs != ours)
            })
            .map(|key| key.java)
            .collect();
        assert_eq!(differ, ["flushIntervalCommitLog", "flushConsumerOffsetInterval", "recallMessageEnable"]);
    }

    #[test]
    fn a_dump_of_rocketmqs_defaults_is_accepted() {
        let entries: Vec<settings::Entry> = java_keys()
            .iter()
            .filter(|key| !key.default.is_empty())
            .map(|key| settings::Entry {
                key: key.name.to_owned(),
                value: key.default.split('|').next().unwrap().to_owned(),
                origin: settings::Origin::Overlay,
            })
            .collect();
        let resolved = settings::resolve::<BrokerConfig>(java_keys(), &entries).unwrap();
        assert!(resolved.notes.is_empty(), "{:?}", resolved.notes);
        assert!(entries.len() > 400);
    }
}
