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
    DeleteTopicInBroker, GetAllTopicConfig, GetBrokerRuntimeInfo, GetConsumerListByGroup, GetTopicConfig,
    HeartBeat, InvokeBrokerToResetOffset, QueryConsumerOffset, QueryTopicConsumeByWho, RecallMessage,
    SendMessageV2, UpdateAndCreateTopic, UpdateAndCreateTopicList,
};
use rt::sim::{Crash, FaultRule, OpKind, Repeat};
use rustix::io::Errno;
use store::NewMessage;
use store::record::{Draft, Parsed, Place, parse};

use crate::support::{
    Client, Setup, World, attached, batch_of, commit, create_topic, heartbeat, message, offset_query,
    property, pull, subscription,
};

fn runtime(client: &mut Client<'_>) -> BTreeMap<String, String> {
    client.must(&GetBrokerRuntimeInfo {}, b"").json::<KvTable>().table
}

fn send_in(client: &mut Client<'_>, ms: u64, key: &str, body: &[u8]) -> String {
    let properties = property("UNIQ_KEY", key) + &property("TIMER_DELAY_MS", &ms.to_string());
    let answer = client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, body);
    answer.text("recallHandle").to_owned()
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
fn bugs_19_and_20_a_broker_starts_after_a_power_cut_at_any_operation() {
    let setup = Setup::sync();
    for cut in (0..400).step_by(7) {
        let world = World::new(cut);
        let host = world.boot_with_topic(&setup, 2);
        let mut admin = world.connect_local(&host);
        let next = host.disk().statistics().operations;
        host.disk().freeze_at(next + cut);
        // Settings, messages, new segments and queue pages, as far as the disk still takes them.
        let mut made = 0;
        let mut stored = 0;
        for number in 0..24 {
            let topic = format!("M{number}");
            if admin.wait_at_most_ms(&create_topic(&topic, 1), b"", 300).is_some_and(|one| one.code == 0) {
                made = number + 1;
            }
            let sent = admin.wait_at_most_ms(&message("T", 0), &[b'x'; 60_000], 300);
            if sent.is_none_or(|sent| sent.code != 0) {
                break;
            }
            stored += 1;
        }
        drop(admin);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        let mut admin = world.connect_local(&host);
        for number in 0..made {
            let topic = format!("M{number}");
            let found = admin.ask(&GetTopicConfig { topic: &topic, logical: None }, b"");
            assert_eq!(found.code, 0, "cut {cut}: {topic} was acknowledged");
        }
        assert!(admin.all_texts("T", 0).len() >= stored, "cut {cut}");
        admin.must(&message("T", 0), b"goes on");
    }
}

#[test]
fn bug_21_a_deleted_topic_takes_its_queues_with_it() {
    let world = World::new(21);
    let setup = Setup::sync();
    let host = world.boot_with_topic(&setup, 2);
    let mut admin = world.connect_local(&host);
    for queue_id in [0, 1] {
        admin.must(&message("T", queue_id), b"old");
    }
    admin.must(&DeleteTopicInBroker { topic: "T" }, b"");
    drop(admin);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    let mut admin = world.connect_local(&host);
    assert_eq!(admin.ask(&GetTopicConfig { topic: "T", logical: None }, b"").code, 17);
    admin.must(&create_topic("T", 2), b"");
    for queue_id in [0, 1] {
        assert_eq!(admin.all_texts("T", queue_id), Vec::<String>::new());
        assert_eq!(admin.must(&message("T", queue_id), b"new").number("queueOffset"), 0);
    }
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
fn bug_23_the_store_time_of_a_record_with_ipv6_hosts_is_read_where_it_is() {
    let host = |text: &str| text.parse().unwrap();
    for (born_host, store_host) in [
        (host("10.0.0.1:1"), host("10.0.0.2:10911")),
        (host("[fe80::1]:1"), host("10.0.0.2:10911")),
        (host("10.0.0.1:1"), host("[2001:db8::2]:10911")),
        (host("[fe80::1]:1"), host("[2001:db8::2]:10911")),
    ] {
        let message = NewMessage {
            topic: "T",
            queue_id: 1,
            body: b"body",
            properties: b"",
            flag: 0,
            sys_flag: 0,
            born_at_ms: 7,
            born_host,
            store_host,
            reconsume_times: 2,
            prepared_transaction_offset: 0,
            tags_code: 0,
            keys: b"",
            unique_key: b"",
        };
        let draft = Draft::new(&message).unwrap();
        let mut bytes = vec![0; draft.bytes()];
        let at = store::PhysicalOffset::new(4_096);
        let place = Place { at, queue_offset: store::QueueOffset::new(5), stored_at_ms: 1_700_000_000_123 };
        draft.encode(place, &mut bytes);
        let Parsed::Record(record) = parse(&bytes).unwrap() else { panic!("a filler") };
        assert_eq!((record.stored_at_ms(), record.reconsume_times()), (1_700_000_000_123, 2));
        assert_eq!((record.born_host(), record.store_host()), (born_host, store_host));
    }
}

#[test]
fn bug_24_a_timer_is_cancelled_by_its_bare_key_and_by_the_joined_one() {
    for named in ["U", "T+U"] {
        let world = World::new(24);
        let host = world.boot_with_topic(&Setup::default(), 2);
        let mut client = world.connect(&host);
        send_in(&mut client, 5_000, "U", b"cancelled");
        let cancel = property("UNIQ_KEY", "U")
            + &property("TIMER_DEL_UNIQKEY", named)
            + &property("TIMER_DELAY_MS", "5000");
        client.must(&SendMessageV2 { properties: Some(&cancel), ..message("T", 0) }, b"x");
        world.run_ms(7_000);
        assert_eq!(client.all_texts("T", 0), Vec::<String>::new(), "{named}");
    }
}

#[test]
fn bug_25_the_largest_message_with_the_longest_properties_waits_and_holds_nobody_up() {
    let world = World::new(25);
    let setup = Setup::default();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    let body = vec![b'x'; setup.config.message_bytes_max as usize];
    let properties =
        property("UNIQ_KEY", "U") + &property("TIMER_DELAY_MS", "2000") + &property("a", &"y".repeat(32_300));
    let request = SendMessageV2 { properties: Some(&properties), ..message("T", 0) };
    client.must(&request, &body);
    assert_eq!(client.ask(&request, &[&body[..], b"x"].concat()).code, 13);
    send_in(&mut client, 2_001, "V", b"behind it");
    world.run_ms(5_000);
    let mut client = world.connect(&host);
    let (mut lengths, mut next) = (Vec::new(), 0);
    while next < 2 {
        let answer = client.ask(&pull("g", "T", 0, next), b"");
        lengths.extend(answer.messages().iter().map(|message| message.body.len()));
        next = answer.number("nextBeginOffset");
    }
    assert_eq!(lengths, [body.len(), 9]);
}

#[test]
fn bug_26_what_fills_the_end_of_a_segment_is_no_waiting_message() {
    let world = World::new(26);
    let setup = Setup::sync();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    let due: Vec<String> = (0..60).map(|number| format!("U{number}")).collect();
    for key in &due {
        // 60 of 40 KB go over the ends of two segments of 1 MiB.
        let body = [key.as_bytes(), &[b' '; 40_000]].concat();
        send_in(&mut client, 60_000, key, &body);
    }
    drop(client);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    world.run_ms(90_000);
    let came = world.connect(&host).all_texts("T", 0);
    let mut keys: Vec<String> = came.iter().map(|text| text.trim().to_owned()).collect();
    keys.sort_by_key(|key| key[1..].parse::<u32>().unwrap());
    assert_eq!(keys, due);
}

#[test]
fn bugs_27_and_29_a_cancelled_timer_leaves_the_count_and_does_not_come_back() {
    let world = World::new(27);
    let setup = Setup::sync();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    let handle = send_in(&mut client, 20_000, "U", b"cancelled");
    send_in(&mut client, 20_000, "V", b"kept");
    let recall = RecallMessage { producer_group: Some("p"), topic: "T", recall_handle: &handle };
    client.must(&recall, b"");
    drop(client);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    world.run_ms(25_000);
    let mut client = world.connect(&host);
    assert_eq!(client.all_texts("T", 0), ["kept"]);
    assert_eq!(runtime(&mut client)["timerNearMessages"], "0", "neither left over nor below zero");
    drop(client);
    let host = world.boot_from(host.crash(Crash::Power), &setup);
    world.run_ms(5_000);
    assert_eq!(world.connect(&host).all_texts("T", 0), ["kept"]);
}

#[test]
fn bug_28_timers_whose_records_were_cut_off_hold_nobody_up() {
    for seed in 280..288 {
        let world = World::new(seed);
        let setup = Setup::default();
        let host = world.boot_with_topic(&setup, 2);
        world.run_ms(1_000);
        let mut client = world.connect(&host);
        for number in 0..30 {
            send_in(&mut client, 5_000, &format!("U{number}"), b"perhaps");
        }
        // ASYNC_FLUSH: a power cut takes what was not flushed, from the log and from its queues alike.
        drop(client);
        let host = world.boot_from(host.crash(Crash::Power), &setup);
        world.connect_local(&host).ask(&create_topic("T", 2), b"");
        let mut client = world.connect(&host);
        send_in(&mut client, 6_000, "last", b"last");
        world.run_ms(8_000);
        let came = world.connect(&host).all_texts("T", 0);
        assert_eq!(came.last().map(String::as_str), Some("last"), "seed {seed}: {} came", came.len());
    }
}

#[test]
fn bug_31_what_a_failed_flush_covered_is_never_called_safe() {
    let world = World::new(31);
    let setup = Setup::sync();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"safe");
    for kind in [OpKind::Flush, OpKind::DurableWrite] {
        host.disk().inject(FaultRule {
            kind,
            path_contains: "commitlog",
            after: 0,
            repeat: Repeat::Once,
            errno: Errno::IO.raw_os_error(),
        });
    }
    assert_ne!(client.ask(&message("T", 0), b"in doubt").code, 0);
    for _ in 0..3 {
        // The device works again; what it forgot meanwhile nobody knows.
        world.run_ms(1_000);
        assert_eq!(client.ask(&message("T", 0), b"after it").code, 14);
    }
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").texts(), ["safe"], "and nobody sees it");
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
