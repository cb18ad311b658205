//! Consumer groups as administrators see them.

use net::body::{GroupNameList, SubscriptionGroupConfig, SubscriptionGroupWrapper};
use net::json::{self, Style};
use net::requests::{
    DeleteSubscriptionGroupList, DeleteSubscriptiongroup, GetAllSubscriptiongroupConfig,
    GetSubscriptiongroupConfig, UpdateAndCreateSubscriptiongroup,
};

use crate::support::{Client, Setup, World, commit, group_config, message, offset_query, pull};

fn config_of(client: &mut Client<'_>, group: &str) -> SubscriptionGroupConfig {
    client.ask(&GetSubscriptiongroupConfig { group }, b"").json()
}

#[test]
fn a_group_is_what_it_was_made_and_listed() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let body = group_config("g", |config| {
        config.retry_max_times = 3;
        config.consume_message_orderly = true;
    });
    admin.must(&UpdateAndCreateSubscriptiongroup {}, &body);
    let config = config_of(&mut admin, "g");
    assert_eq!((config.retry_max_times, config.consume_message_orderly, config.retry_queues), (3, true, 1));
    let all = GetAllSubscriptiongroupConfig { group_seq: None, data_version: None, max_group_num: None };
    let all: SubscriptionGroupWrapper = admin.ask(&all, b"").json();
    assert_eq!(all.groups["g"].retry_max_times, 3);
    assert!(all.groups.contains_key("TOOLS_CONSUMER"), "system groups exist from the start");
    for name in ["", "a b", "g/h"] {
        let body = group_config(name, |_| {});
        assert_eq!(admin.ask(&UpdateAndCreateSubscriptiongroup {}, &body).code, 29, "{name:?}");
    }
    assert_eq!(admin.ask(&UpdateAndCreateSubscriptiongroup {}, b"{\"groupName\":").code, 29);
    assert_eq!(admin.ask(&GetSubscriptiongroupConfig { group: "nobody" }, b"").code, 26);
}

#[test]
fn a_deleted_group_keeps_its_offsets_unless_they_go_too() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&message("T", 0), b"x");
    for (clean_offset, expected) in [(false, (0, 1)), (true, (0, 0))] {
        admin.must(&UpdateAndCreateSubscriptiongroup {}, &group_config("g", |_| {}));
        admin.must(&commit("g", "T", 0, 1), b"");
        admin.must(&DeleteSubscriptiongroup { group_name: "g", clean_offset }, b"");
        assert_eq!(admin.ask(&GetSubscriptiongroupConfig { group: "g" }, b"").code, 26);
        assert_eq!(admin.ask(&pull("g", "T", 0, 0), b"").code, 0, "made again on the fly");
        let found = admin.ask(&offset_query("g", "T", 0), b"");
        assert_eq!((found.code, found.number("offset")), expected, "clean_offset {clean_offset}");
    }
}

#[test]
fn several_groups_are_deleted_at_once() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    for name in ["g", "h"] {
        admin.must(&UpdateAndCreateSubscriptiongroup {}, &group_config(name, |_| {}));
    }
    let list = |groups: &[&str]| {
        let groups = groups.iter().map(|name| (*name).to_owned()).collect();
        json::to_vec(&GroupNameList { clean_offset: false, groups }, Style::Raw)
    };
    assert_eq!(admin.ask(&DeleteSubscriptionGroupList {}, &list(&["g", " "])).code, 29);
    assert_eq!(config_of(&mut admin, "g").group_name, "g");
    admin.must(&DeleteSubscriptionGroupList {}, &list(&["g", "h"]));
    for group in ["g", "h"] {
        assert_eq!(admin.ask(&GetSubscriptiongroupConfig { group }, b"").code, 26);
    }
}
