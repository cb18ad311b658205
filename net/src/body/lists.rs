//! Lists and tables of names.

use std::collections::BTreeMap;

use super::bodies;

bodies! {
    /// Topics (206, 224, 304, 305, 343, 5002).
    TopicList {
        broker_addr: Option<String> = "brokerAddr",
        topics: Vec<String> = "topicList",
    }

    /// Groups of a topic (300).
    GroupList {
        groups: Vec<String> = "groupList",
    }

    /// Texts by key (28, 103, 219).
    KvTable {
        table: BTreeMap<String, String> = "table",
    }
}
