//! Who may change things: this host, and the networks the operator named.

use net::json::{self, Style};
use net::requests::{
    DeleteSubscriptiongroup, DeleteTopicInBroker, GetAllTopicConfig, GetBrokerConfig, GetTopicConfig,
    UpdateAndCreateSubscriptiongroup, UpdateAndGetGroupForbidden, UpdateBrokerConfig,
};

use crate::support::{Setup, World, create_topic, group_config, message};

#[test]
fn admin_writes_from_elsewhere_are_refused_with_the_way_to_allow_them() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let mut remote = world.connect(&host);
    let refusals = [
        remote.ask(&create_topic("U", 1), b""),
        remote.ask(&DeleteTopicInBroker { topic: "T" }, b""),
        remote.ask(&UpdateAndCreateSubscriptiongroup {}, &group_config("g", |_| {})),
        remote.ask(&DeleteSubscriptiongroup { group_name: "g", clean_offset: true }, b""),
        remote.ask(&UpdateAndGetGroupForbidden { group: "g", topic: "T", readable: Some(false) }, b""),
        remote.ask(&UpdateBrokerConfig {}, b"traceOn=false"),
    ];
    for answer in refusals {
        assert_eq!(answer.code, 16, "{answer:?}");
        assert!(answer.remark.contains("admin.allow") && answer.remark.contains("10.0.0.9"), "{answer:?}");
    }
    assert_eq!(remote.ask(&GetTopicConfig { topic: "T", logical: None }, b"").code, 0, "looking is free");
    assert_eq!(remote.ask(&GetTopicConfig { topic: "U", logical: None }, b"").code, 17);
    assert_eq!(remote.ask(&message("T", 0), b"x").code, 0);
}

#[test]
fn networks_that_are_allowed_may_write_and_others_may_not() {
    for (allow, code) in [("10.0.0.0/24", 0), ("192.168.0.0/16; 10.0.0.9", 0), ("10.0.1.0/24", 16)] {
        let world = World::new(2);
        let host = world.boot(&Setup::with(|config| config.admin_allow = allow.to_owned()));
        assert_eq!(world.connect(&host).ask(&create_topic("T", 1), b"").code, code, "{allow}");
    }
}

#[test]
fn configuration_is_not_changed_over_the_network_and_tells_its_values() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut local = world.connect_local(&host);
    let answer = local.ask(&UpdateBrokerConfig {}, b"brokerPermission=4");
    assert_ne!(answer.code, 0, "admin.remote_config is off: {answer:?}");
    let config = local.ask(&GetBrokerConfig {}, b"");
    let text = String::from_utf8(config.body).unwrap();
    for line in ["brokerName=broker-a", "brokerPermission=6", "listenPort=10911"] {
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
    let version: net::body::DataVersion = json::from_slice(config.ext["version"].as_bytes()).unwrap();
    let all = GetAllTopicConfig { topic_seq: None, data_version: None, max_topic_num: None };
    let table: net::body::TopicConfigSerializeWrapper = local.ask(&all, b"").json();
    assert_eq!(json::to_vec(&version, Style::Raw), json::to_vec(&table.data_version, Style::Raw));
}
