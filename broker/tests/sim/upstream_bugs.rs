//! Bugs that RocketMQ had (since-5.3.md 15, by their numbers there): each is a test here, or in this table.
//!
//! | numbers | where, or why not |
//! |---|---|
//! | 1, 7 to 11, 13, 30 | pop: `pop*.rs` |
//! | 2, 4, 17, 18 | replication and election are not built; lists are versioned by their own table, see 3 |
//! | 5 | cannot occur: no flag and latch between threads, the pump of a shard sleeps in its own ring |
//! | 12 | the gRPC proxy is not built |
//! | 32, 33 | access control is not built |
//! | 34 | TLS is not built |
//! | 36, 39 | the Java client's own |
//! | 38 | `net/tests/client.rs`: a call that timed out has one outcome, its late answer is dropped |
//! | 40 | cannot occur: the filters of a group lie with the group, a heartbeat looks at its own group only |

use std::collections::BTreeMap;

use net::body::{GroupList, KvTable, TopicConfig, TopicConfigList, TopicConfigSerializeWrapper};
use net::json::{self, Style};
use net::requests::{
    DeleteTopicInBroker, GetAllTopicConfig, GetBrokerRuntimeInfo, GetConsumerListByGroup, HeartBeat,
    InvokeBrokerToResetOffset, QueryConsumerOffset, QueryTopicConsumeByWho, SendMessageV2,
    UpdateAndCreateTopic, UpdateAndCreateTopicList,
};

use crate::support::{
    Client, Setup, World, attached, batch_of, commit, create_topic, heartbeat, message, offset_query,
    property, pull, subscription,
};

mod storage;
mod timers;

fn runtime(client: &mut Client<'_>) -> BTreeMap<String, String> {
    client.must(&GetBrokerRuntimeInfo {}, b"").json::<KvTable>().table
}

#[test]
fn bug_3_a_list_of_one_more_than_a_page_is_answered_to_its_last_entry() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let ask = GetAllTopicConfig { topic_seq: Some(0), max_topic_num: Some(2_000), data_version: Some("") };
    let known = admin.must(&ask, b"").json::<TopicConfigSerializeWrapper>().topics.len();
    let topics = (known..2_001)
        .map(|number| TopicConfig { name: format!("T{number}"), ..TopicConfig::default() })
        .collect();
    admin.must(&UpdateAndCreateTopicList {}, &json::to_vec(&TopicConfigList { topics }, Style::Raw));
    let answer = admin.must(&ask, b"");
    assert_eq!(answer.ext.get("totalTopicNum"), None, "no total: the caller stops after this answer");
    assert_eq!(answer.json::<TopicConfigSerializeWrapper>().topics.len(), 2_001);
}

#[test]
fn bug_6_a_long_poll_is_woken_whatever_the_kind_of_its_queue() {
    let world = World::new(6);
    let mut setup = Setup::default();
    (setup.config.light_queues, setup.config.multi_dispatch) = (true, true);
    let host = world.boot(&setup);
    for kind in ["SimpleCQ", "BatchCQ", "RocksDBCQ"] {
        let attributes = format!("+queue.type={kind}");
        let topic = UpdateAndCreateTopic { attributes: Some(&attributes), ..create_topic(kind, 1) };
        world.connect_local(&host).must(&topic, b"");
        let light = format!("%LMQ%{kind}");
        let mut readers = [world.connect(&host), world.connect(&host)];
        let waiting: Vec<i32> = readers
            .iter_mut()
            .zip([kind, &light])
            .map(|(reader, topic)| reader.begin(&attached(pull("g", topic, 0, 0), 15_000), b""))
            .collect();
        world.run_ms(100);
        let names = property("INNER_MULTI_DISPATCH", &light);
        let request = SendMessageV2 { properties: Some(&names), ..message(kind, 0) };
        world.connect(&host).must(&request, b"here");
        for (reader, waiting) in readers.iter_mut().zip(waiting) {
            let answer = reader.wait_at_most(waiting, std::time::Duration::from_millis(100));
            assert_eq!(answer.unwrap().texts(), ["here"], "{kind}");
        }
    }
}

#[test]
fn bug_14_a_topic_made_anew_remembers_neither_offsets_nor_resets() {
    let world = World::new(14);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut admin = world.connect_local(&host);
    for _ in 0..5 {
        admin.must(&message("T", 0), b"old");
    }
    admin.ask(&pull("g", "T", 0, 0), b"");
    admin.must(&commit("g", "T", 0, 4), b"");
    let reset = InvokeBrokerToResetOffset {
        topic: "T",
        group: "g",
        timestamp: -1,
        is_force: true,
        queue_id: -1,
        offset: None,
    };
    admin.must(&reset, b"");
    admin.must(&DeleteTopicInBroker { topic: "T" }, b"");
    admin.must(&create_topic("T", 2), b"");
    admin.must(&message("T", 0), b"new");
    let query = QueryConsumerOffset { set_zero_if_not_found: Some(false), ..offset_query("g", "T", 0) };
    assert_eq!(admin.ask(&query, b"").code, 22);
    assert_eq!(admin.ask(&pull("g", "T", 0, 0), b"").texts(), ["new"], "not sent to where the old one ended");
}

#[test]
fn bug_15_items_of_a_batch_keep_ids_of_their_own() {
    let world = World::new(15);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    let keys = ["A", "B"].map(|key| property("UNIQ_KEY", key));
    let header = property("UNIQ_KEY", "BATCH");
    let batch = SendMessageV2 { batch: Some(true), properties: Some(&header), ..message("T", 0) };
    client.must(&batch, &batch_of(&[(b"a", &keys[0]), (b"b", &keys[1]), (b"c", "")]));
    let came = client.ask(&pull("g", "T", 0, 0), b"").messages();
    let ids: Vec<Option<&str>> = came.iter().map(|message| message.property("UNIQ_KEY")).collect();
    assert_eq!(ids, [Some("A"), Some("B"), None], "the batch's id is nobody's");
    assert!(came.iter().all(|message| message.property("CLUSTER").is_none()));
}

#[test]
fn bug_16_who_consumes_a_topic_is_told_by_group() {
    let world = World::new(16);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    client.must(&HeartBeat {}, &heartbeat("me", "online", &[subscription("T", "*", 1)]));
    client.must(&message("T", 0), b"x");
    client.ask(&pull("stored", "T", 0, 0), b"");
    client.must(&commit("stored", "T", 0, 1), b"");
    let list: GroupList = client.must(&QueryTopicConsumeByWho { topic: "T" }, b"").json();
    assert_eq!(list.groups, ["online", "stored"]);
}

#[test]
fn bug_22_no_failed_send_makes_the_next_one_fail() {
    let world = World::new(22);
    let host = world.boot_with_topic(&Setup::default(), 2);
    let mut client = world.connect(&host);
    let long = property("a", &"x".repeat(40_000));
    let forged = property("INNER_NUM", "3");
    let soon = property("DELAY", "soon");
    let mut stored = 0;
    for (request, body) in [
        (message("T", 0), &[b'x'; 70_000][..]),
        (message("T", 0), b""),
        (SendMessageV2 { properties: Some(&long), ..message("T", 0) }, b"x"),
        (SendMessageV2 { properties: Some(&forged), ..message("T", 0) }, b"x"),
        (SendMessageV2 { properties: Some(&soon), ..message("T", 0) }, b"x"),
        (SendMessageV2 { sys_flag: 4, ..message("T", 0) }, b"x"),
        (SendMessageV2 { batch: Some(true), ..message("T", 0) }, b"no batch"),
        (message("T", 99), b"x"),
    ] {
        assert_ne!(client.ask(&request, body).code, 0, "{request:?}");
        client.must(&message("T", 0), b"x");
        stored += 1;
    }
    assert_eq!(client.all_texts("T", 0).len(), stored);
}

#[test]
fn bug_35_silent_clients_are_dropped_and_live_ones_are_not() {
    let world = World::new(35);
    let host = world.boot_with_topic(&Setup::with(|config| config.client_expiry_ms = 30_000), 2);
    let (mut live, mut silent) = (world.connect(&host), world.connect(&host));
    silent.must(&HeartBeat {}, &heartbeat("silent", "g", &[subscription("T", "*", 1)]));
    for _ in 0..6 {
        live.must(&HeartBeat {}, &heartbeat("live", "g", &[subscription("T", "*", 1)]));
        world.run_ms(10_000);
    }
    let members = live.must(&GetConsumerListByGroup { consumer_group: "g" }, b"");
    assert_eq!(members.json::<net::body::ConsumerList>().client_ids, ["live"]);
    assert!(live.is_open() && !silent.is_open());
}

#[test]
fn bug_37_shards_of_one_process_count_for_themselves() {
    let world = World::new(37);
    let mut first = Setup::with(|config| config.shards = Some(2));
    first.store.shards = 2;
    let mut second = Setup { ip: [10, 0, 0, 2], index: 1, ..first.clone() };
    second.store.shard = 1;
    let (a, b) = (world.boot_with_topic(&first, 2), world.boot_with_topic(&second, 2));
    let (mut at_a, mut at_b) = (world.connect(&a), world.connect(&b));
    for _ in 0..5 {
        at_a.must(&message("T", 0), b"x");
    }
    at_b.must(&message("T", 0), b"x");
    let counts = [&mut at_a, &mut at_b].map(|client| runtime(client)["msgPutTotalTodayNow"].clone());
    assert_eq!(counts, ["5", "1"]);
}
