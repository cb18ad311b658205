//! What mqadmin and the dashboard ask about progress, queues and members: 223, 303, 317, 321, and what they tell to clean.

use std::collections::BTreeMap;

use net::RequestCode;
use net::body::{
    BrokerStatsData, ConsumeQueueEntries, ConsumeStatsList, ConsumeTimeSpans, ConsumerConnection,
    ConsumerStatusBody, HaRuntimeInfo, MessageQueue,
};
use net::json::{self, Style};
use net::requests::{
    CleanExpiredConsumequeue, CleanUnusedTopic, DeleteExpiredCommitlog, GetBrokerConsumeStats,
    GetBrokerHaStatus, GetConsumerConnectionList, HeartBeat, InvokeBrokerToGetConsumerStatus,
    QueryConsumeQueue, QueryConsumeTimeSpan, SendMessageV2, SwitchTimerEngine, ViewBrokerStatsData,
};

use crate::support::{Setup, World, commit, create_topic, heartbeat, message, property, pull, subscription};

#[test]
fn every_member_of_a_group_is_asked_where_it_stands() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 2), b"");
    let ask = |client_addr| InvokeBrokerToGetConsumerStatus { topic: "T", group: "g", client_addr };
    let nobody = admin.ask(&ask(None), b"");
    assert_eq!(nobody.code, 1);
    assert!(nobody.remark.contains("No Any Consumer online"), "{nobody:?}");
    let mut members: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|id| {
            let mut client = world.connect(&host);
            client.must(&HeartBeat {}, &heartbeat(id, "g", &[subscription("T", "*", 1)]));
            client
        })
        .collect();
    let opaque = admin.begin(&ask(None), b"");
    world.run_ms(50);
    for (number, member) in (0..).zip(&mut members[..2]) {
        let asked = member.pushes(RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT).remove(0);
        assert_eq!((asked.text("topic"), asked.text("group")), ("T", "g"));
        let queue =
            MessageQueue { broker_name: "broker-a".to_owned(), queue_id: number, topic: "T".to_owned() };
        let by_queue = BTreeMap::from([(queue, 10 + i64::from(number))]);
        let body = json::to_vec(&ConsumerStatusBody { by_queue, ..Default::default() }, Style::Raw);
        member.answer(asked.opaque, 0, &body);
    }
    members[2].close();
    let told: ConsumerStatusBody = admin.wait(opaque).json();
    let offsets: Vec<(&str, Vec<i64>)> =
        told.by_client.iter().map(|(id, queues)| (id.as_str(), queues.values().copied().collect())).collect();
    assert_eq!(offsets, [("a", vec![10]), ("b", vec![11])], "who went is left out");
    assert_eq!(admin.ask(&ask(Some("nobody")), b"").code, 1);
    let one = admin.begin(&ask(Some("b")), b"");
    world.run_ms(50);
    assert!(members[0].pushes(RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT).is_empty());
    assert!(admin.wait(one).json::<ConsumerStatusBody>().by_client.is_empty(), "nobody answered in time");
}

#[test]
fn the_times_of_a_queue_are_told_for_a_group() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 2), b"");
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(world.unix_ms());
        admin.must(&message("T", 0), b"x");
        world.run_ms(5_000);
    }
    admin.must(&pull("g", "T", 0, 0), b"");
    admin.must(&commit("g", "T", 0, 1), b"");
    let spans: ConsumeTimeSpans = admin.must(&QueryConsumeTimeSpan { topic: "T", group: "g" }, b"").json();
    let near = |told: i64, time: i64| (0..100).contains(&(told - time));
    let first = &spans.spans[0];
    assert!(near(first.min_timestamp, times[0]) && near(first.max_timestamp, times[2]), "{first:?}");
    assert!(near(first.consume_timestamp, times[0]), "{first:?}");
    assert!((9_000..12_000).contains(&first.delay_ms), "the next message is 10 s old: {first:?}");
    let empty = &spans.spans[1];
    assert_eq!((empty.min_timestamp, empty.max_timestamp, empty.delay_ms), (-1, -1, 0));
    assert_eq!(admin.ask(&QueryConsumeTimeSpan { topic: "nowhere", group: "g" }, b"").code, 17);
}

#[test]
fn the_progress_of_all_groups_is_told_at_once() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 1), b"");
    for _ in 0..5 {
        admin.must(&message("T", 0), b"x");
    }
    admin.must(&pull("g", "T", 0, 0), b"");
    admin.must(&commit("g", "T", 0, 2), b"");
    let all: ConsumeStatsList = admin.must(&GetBrokerConsumeStats { is_order: false }, b"").json();
    assert_eq!(all.total_diff, 3);
    let stats = all.stats.iter().find_map(|group| group.get("g")).unwrap();
    let queue = stats[0].queues.values().next().unwrap();
    assert_eq!((queue.broker_offset, queue.consumer_offset), (5, 2));
    assert!(queue.last_timestamp > 0, "mqadmin leaves out what has no time: {queue:?}");
    let ordered: ConsumeStatsList = admin.must(&GetBrokerConsumeStats { is_order: true }, b"").json();
    assert_eq!(ordered.total_diff, 0, "no topic is ordered");
}

#[test]
fn entries_of_a_queue_are_shown_with_the_verdict_of_a_groups_filter() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 1), b"");
    for tag in ["red", "blue", "red"] {
        let properties = property("TAGS", tag);
        admin.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, b"x");
    }
    admin.must(&HeartBeat {}, &heartbeat("me", "g", &[subscription("T", "red", 1)]));
    let ask = |index, count, consumer_group| QueryConsumeQueue {
        topic: "T",
        queue_id: 0,
        index,
        count,
        consumer_group,
    };
    let all: ConsumeQueueEntries = admin.must(&ask(0, 10, Some("g")), b"").json();
    let verdicts: Vec<bool> = all.entries.iter().map(|entry| entry.matches).collect();
    assert_eq!((verdicts, all.min_index, all.max_index), (vec![true, false, true], 0, 3));
    assert_eq!(all.entries[1].phys_offset, i64::from(all.entries[0].size));
    assert_eq!(all.subscription.unwrap().expression, "red");
    let last: ConsumeQueueEntries = admin.must(&ask(2, 10, None), b"").json();
    assert_eq!(last.entries.len(), 1);
    let away: ConsumeQueueEntries = admin.must(&ask(0, 1, Some("away")), b"").json();
    assert_eq!((away.entries.len(), away.filter_data.as_deref()), (1, Some("away@T is not online!")));
    for nowhere in [-1, 3, i64::MAX] {
        let answer = admin.ask(&ask(nowhere, 1, None), b"");
        assert!(answer.code == 1 && answer.remark.contains("is not exist"), "{answer:?}");
    }
}

#[test]
fn cleaning_has_nothing_to_do_and_engines_cannot_be_switched() {
    let world = World::new(5);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&message("T", 0), b"kept");
    admin.must(&CleanExpiredConsumequeue {}, b"");
    admin.must(&CleanUnusedTopic {}, b"");
    admin.must(&DeleteExpiredCommitlog {}, b"");
    assert_eq!(admin.all_texts("T", 0), ["kept"]);
    for engine in [Some("R"), Some("F"), None] {
        let answer = admin.ask(&SwitchTimerEngine { engine }, b"");
        assert!(answer.code == 29 && answer.remark.contains("one engine"), "{answer:?}");
    }
    let hours = Setup::with(|config| config.retention_window.0 = vec![4]);
    let host = World::new(6);
    let booted = host.boot(&hours);
    let answer = host.connect_local(&booted).ask(&DeleteExpiredCommitlog {}, b"");
    assert!(answer.code == 1 && answer.remark.contains("retention.window"), "{answer:?}");
}

#[test]
fn members_that_subscribe_differently_are_told_until_they_agree() {
    let world = World::new(7);
    let host = world.boot(&Setup::default());
    let (mut a, mut b) = (world.connect(&host), world.connect(&host));
    let retry = subscription("%RETRY%g", "*", 1);
    let conflicts = || {
        let ask = GetConsumerConnectionList { consumer_group: "g" };
        world.connect_local(&host).must(&ask, b"").json::<ConsumerConnection>().conflicts
    };
    a.must(&HeartBeat {}, &heartbeat("a", "g", &[subscription("T", "red", 1), retry.clone()]));
    b.must(&HeartBeat {}, &heartbeat("b", "g", &[subscription("T", "red", 9)]));
    assert_eq!(conflicts(), None);
    b.must(&HeartBeat {}, &heartbeat("b", "g", &[subscription("T", "blue", 10)]));
    let told = conflicts().unwrap();
    assert_eq!(told, ["topic T: a wants \"red\", b wants \"blue\""]);
    b.must(&HeartBeat {}, &heartbeat("b", "g", &[subscription("U", "*", 11)]));
    assert_eq!(conflicts().unwrap(), ["topic T: a wants \"red\", b does not subscribe to it"]);
    a.must(&HeartBeat {}, &heartbeat("a", "g", &[subscription("U", "", 12), retry]));
    assert_eq!(conflicts(), None);
}

#[test]
fn numbers_of_topics_groups_and_brokers_are_told_by_minute_hour_and_day() {
    let world = World::new(8);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 2), b"");
    admin.ask(&pull("g", "T", 0, 0), b"");
    let asked = [("TOPIC_PUT_NUMS", "T"), ("GROUP_GET_NUMS", "T@g"), ("BROKER_PUT_NUMS", "DefaultCluster")];
    let ask = |(stats_name, stats_key)| ViewBrokerStatsData { stats_name, stats_key };
    for statistic in asked {
        let first = admin.ask(&ask(statistic), b"");
        assert!(first.code == 1 && first.remark.contains("begins with this question"), "{first:?}");
    }
    for number in 0..6 {
        for queue_id in [0, 1] {
            admin.must(&message("T", queue_id), b"x");
        }
        admin.must(&commit("g", "T", 0, number + 1), b"");
        world.run_ms(10_000);
        admin = world.connect_local(&host);
    }
    for (statistic, sum) in asked.into_iter().zip([12, 6, 12]) {
        let told: BrokerStatsData = admin.must(&ask(statistic), b"").json();
        assert_eq!((told.minute.sum, told.hour.sum, told.day.sum), (sum, sum, sum), "{statistic:?}");
        let expected = sum as f64 / 60.0;
        assert!((told.minute.tps - expected).abs() < 0.02, "{statistic:?}: {told:?}");
    }
    for statistic in [("TOPIC_PUT_SIZE", "T"), ("TOPIC_PUT_NUMS", "nowhere"), ("GROUP_GET_NUMS", "T")] {
        let answer = admin.ask(&ask(statistic), b"");
        assert!(answer.code == 1 && answer.remark.contains("not exist"), "{answer:?}");
    }
}

#[test]
fn a_master_without_slaves_says_so() {
    let world = World::new(9);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    let sent = admin.must(&message("T", 0), b"x");
    let info: HaRuntimeInfo = admin.must(&GetBrokerHaStatus {}, b"").json();
    assert!(info.master && info.connections.is_empty() && info.in_sync == 0, "{info:?}");
    let at = i64::from_str_radix(&sent.text("msgId")[16..], 16).unwrap();
    assert!(info.max_offset > at, "{info:?}");
}
