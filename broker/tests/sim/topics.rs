//! Topics as administrators make, change, list and delete them.

use net::body::{TopicConfig, TopicConfigList, TopicConfigSerializeWrapper, TopicList, TopicStatsTable};
use net::json::{self, Style};
use net::requests::{
    DeleteTopicInBroker, DeleteTopicInBrokerList, GetAllTopicConfig, GetSystemTopicListFromBroker,
    GetTopicConfig, GetTopicStatsInfo, QueryConsumerOffset, UpdateAndCreateSubscriptiongroup,
    UpdateAndCreateTopic, UpdateAndCreateTopicList,
};
use rt::sim::Crash;

use crate::support::{Client, Setup, World, commit, create_topic, group_config, message, offset_query, pull};

const ALL: GetAllTopicConfig<'_> =
    GetAllTopicConfig { topic_seq: None, data_version: None, max_topic_num: None };

fn config_of(client: &mut Client<'_>, topic: &str) -> TopicConfig {
    client.ask(&GetTopicConfig { topic, logical: None }, b"").json()
}

fn version(client: &mut Client<'_>) -> i64 {
    client.ask(&ALL, b"").json::<TopicConfigSerializeWrapper>().data_version.counter
}

#[test]
fn a_topic_is_what_it_was_made_and_the_same_again_changes_nothing() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let request = UpdateAndCreateTopic {
        write_queues: 5,
        perm: 4,
        order: true,
        attributes: Some("+message.type=FIFO"),
        ..create_topic("T", 3)
    };
    admin.must(&request, b"");
    let config = config_of(&mut admin, "T");
    assert_eq!((config.read_queues, config.write_queues, config.perm, config.order), (3, 5, 4, true));
    assert_eq!(config.attributes["message.type"], "FIFO");
    let before = version(&mut admin);
    admin.must(&UpdateAndCreateTopic { attributes: None, ..request }, b"");
    assert_eq!(version(&mut admin), before);
    admin.must(&UpdateAndCreateTopic { attributes: Some("-message.type"), perm: 6, ..request }, b"");
    assert_eq!(version(&mut admin), before + 1);
    let config = config_of(&mut admin, "T");
    assert!(config.attributes.is_empty() && config.perm == 6);
}

#[test]
fn what_cannot_be_a_topic_is_refused() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let fine = create_topic("T", 4);
    for (why, request) in [
        ("blank", UpdateAndCreateTopic { topic: " ", ..fine }),
        ("illegal", UpdateAndCreateTopic { topic: "a/b", ..fine }),
        ("system", UpdateAndCreateTopic { topic: "TBW102", ..fine }),
        ("reserved", UpdateAndCreateTopic { topic: "rmq_sys_x", ..fine }),
        ("cluster", UpdateAndCreateTopic { topic: "DefaultCluster", ..fine }),
        ("broker", UpdateAndCreateTopic { topic: "broker-a", ..fine }),
        ("no read queues", UpdateAndCreateTopic { read_queues: 0, ..fine }),
        ("too many", UpdateAndCreateTopic { write_queues: 65_537, ..fine }),
        ("perm", UpdateAndCreateTopic { perm: 16, ..fine }),
        ("attribute", UpdateAndCreateTopic { attributes: Some("+colour=red"), ..fine }),
        ("new without attribute", UpdateAndCreateTopic { attributes: Some("-message.type"), ..fine }),
    ] {
        let answer = admin.ask(&request, b"");
        assert!(answer.code == 29 && !answer.remark.is_empty(), "{why}: {answer:?}");
    }
    assert_eq!(admin.ask(&GetTopicConfig { topic: "T", logical: None }, b"").code, 17);
}

#[test]
fn a_list_of_topics_is_made_whole_or_not_at_all() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let list = |names: &[&str]| {
        let topics =
            names.iter().map(|name| TopicConfig { name: (*name).to_owned(), ..TopicConfig::default() });
        json::to_vec(&TopicConfigList { topics: topics.collect() }, Style::Raw)
    };
    assert_eq!(admin.ask(&UpdateAndCreateTopicList {}, &list(&["A", "b c"])).code, 29);
    assert_eq!(admin.ask(&GetTopicConfig { topic: "A", logical: None }, b"").code, 17);
    admin.must(&UpdateAndCreateTopicList {}, &list(&["A", "B"]));
    assert_eq!(config_of(&mut admin, "B").write_queues, 16);
}

#[test]
fn a_deleted_topic_is_gone_with_its_messages_and_offsets_and_a_new_one_starts_at_0() {
    for crash in [None, Some(Crash::Process), Some(Crash::Power)] {
        let world = World::new(4);
        let setup = Setup::default();
        let host = world.boot(&setup);
        let mut admin = world.connect_local(&host);
        admin.must(&create_topic("T", 2), b"");
        for queue_id in [0, 0, 1] {
            admin.must(&message("T", queue_id), b"old");
        }
        admin.ask(&pull("g", "T", 0, 0), b"");
        admin.must(&commit("g", "T", 0, 2), b"");
        admin.must(&DeleteTopicInBroker { topic: "T" }, b"");
        assert_eq!(admin.ask(&pull("g", "T", 0, 0), b"").code, 17);
        drop(admin);
        let host = match crash {
            None => host,
            Some(kind) => world.boot_from(host.crash(kind), &setup),
        };
        let mut admin = world.connect_local(&host);
        assert_eq!(admin.ask(&GetTopicConfig { topic: "T", logical: None }, b"").code, 17, "{crash:?}");
        admin.must(&create_topic("T", 2), b"");
        assert_eq!(admin.ask(&pull("g", "T", 0, 0), b"").code, 19, "{crash:?}");
        let query = QueryConsumerOffset { set_zero_if_not_found: Some(false), ..offset_query("g", "T", 0) };
        assert_eq!(admin.ask(&query, b"").code, 22, "{crash:?}");
        assert_eq!(admin.must(&message("T", 0), b"new").number("queueOffset"), 0, "{crash:?}");
        assert_eq!(admin.ask(&pull("g", "T", 0, 0), b"").texts(), ["new"], "{crash:?}");
    }
}

#[test]
fn a_deleted_topic_may_be_made_again_on_the_fly_by_the_producer_that_used_it() {
    let world = World::new(5);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"old");
    world.connect_local(&host).must(&DeleteTopicInBroker { topic: "T" }, b"");
    let answer = client.ask(&message("T", 0), b"new");
    assert_eq!((answer.code, answer.number("queueOffset")), (0, 0), "{answer:?}");
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").texts(), ["new"]);
}

#[test]
fn system_topics_are_listed_and_cannot_be_deleted() {
    let world = World::new(6);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let list: TopicList = admin.ask(&GetSystemTopicListFromBroker {}, b"").json();
    for name in
        ["TBW102", "BenchmarkTest", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "DefaultCluster", "broker-a"]
    {
        assert!(list.topics.iter().any(|one| one == name), "{name} in {:?}", list.topics);
        let answer = admin.ask(&DeleteTopicInBroker { topic: name }, b"");
        assert!(
            answer.code == 29 && answer.remark.contains("conflict with system topic"),
            "{name}: {answer:?}"
        );
    }
    assert_eq!(admin.ask(&DeleteTopicInBroker { topic: " " }, b"").code, 29);
    admin.must(&DeleteTopicInBroker { topic: "nowhere" }, b"");
    let several = TopicList { broker_addr: None, topics: vec!["A".to_owned(), "TBW102".to_owned()] };
    admin.must(&create_topic("A", 1), b"");
    assert_eq!(admin.ask(&DeleteTopicInBrokerList {}, &json::to_vec(&several, Style::Raw)).code, 29);
    assert_eq!(config_of(&mut admin, "A").write_queues, 1, "none of them is gone");
}

#[test]
fn the_statistics_of_a_topic_are_its_queues() {
    let world = World::new(7);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 2), b"");
    admin.must(&message("T", 1), b"x");
    let stored = 1_700_000_000_000 + i64::try_from(world.now_ms()).unwrap();
    world.run_ms(5_000);
    let table: TopicStatsTable = admin.ask(&GetTopicStatsInfo { topic: "T" }, b"").json();
    let queues: Vec<_> = table
        .queues
        .iter()
        .map(|(queue, offsets)| (queue.broker_name.as_str(), queue.queue_id, offsets.max_offset))
        .collect();
    assert_eq!(queues, [("broker-a", 0, 0), ("broker-a", 1, 1)]);
    let updated: Vec<i64> = table.queues.values().map(|offsets| offsets.updated_at_ms).collect();
    assert!(updated[0] == 0 && (stored - 100..=stored).contains(&updated[1]), "{updated:?}");
}

#[test]
fn a_deleted_topic_takes_the_retry_topics_of_its_pops_with_it() {
    let world = World::new(20);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    for topic in ["T", "%RETRY%g_T", "%RETRY%h_T", "%RETRY%g_U"] {
        admin.must(&create_topic(topic, 1), b"");
    }
    admin.must(&UpdateAndCreateSubscriptiongroup {}, &group_config("h_T", |_| {}));
    for group in ["g", "h"] {
        admin.must(&message("T", 0), b"x");
        admin.ask(&pull(group, "T", 0, 0), b"");
        admin.must(&commit(group, "T", 0, 1), b"");
    }
    admin.must(&DeleteTopicInBroker { topic: "T" }, b"");
    let is_there = |admin: &mut Client<'_>, topic: &str| {
        admin.ask(&GetTopicConfig { topic, logical: None }, b"").code == 0
    };
    let left: Vec<&str> = ["T", "%RETRY%g_T", "%RETRY%h_T", "%RETRY%g_U"]
        .into_iter()
        .filter(|topic| is_there(&mut admin, topic))
        .collect();
    assert_eq!(left, ["%RETRY%h_T", "%RETRY%g_U"], "the retry topic of group h_T, and another topic's");
}
