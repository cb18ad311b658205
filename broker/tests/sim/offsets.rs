//! Where groups stand: stored, not found, defaulted to 0; kept over a crash but for the last second.

use net::body::ConsumerOffsets;
use net::requests::{
    GetAllConsumerOffset, GetEarliestMsgStoretime, GetMaxOffset, GetMinOffset, PullMessage,
    QueryConsumerOffset, SearchOffsetByTimestamp,
};
use rt::sim::Crash;

use crate::support::{Client, Setup, World, commit, create_topic, message, offset_query, pull};

/// Sends until the first message has left the 1 MiB window.
fn push_the_first_message_out_of_memory(client: &mut Client<'_>) {
    for _ in 0..40 {
        assert_eq!(client.ask(&message("T", 0), &[b'x'; 60_000]).code, 0);
    }
}

#[test]
fn a_new_group_on_a_young_topic_starts_at_its_beginning() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"x");
    let found = client.ask(&offset_query("g", "T", 0), b"");
    assert_eq!((found.code, found.number("offset")), (0, 0), "0 counts as a stored position");
    let strict = QueryConsumerOffset { set_zero_if_not_found: Some(false), ..offset_query("g", "T", 0) };
    assert_eq!(client.ask(&strict, b"").code, 22);
    assert_eq!(client.ask(&offset_query("g", "T", 1), b"").code, 22, "an empty queue has no first message");
}

#[test]
fn a_new_group_on_an_old_topic_is_told_that_nothing_is_stored() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    push_the_first_message_out_of_memory(&mut client);
    let answer = client.ask(&offset_query("g", "T", 0), b"");
    assert_eq!(answer.code, 22, "{answer:?}");
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").code, 0, "the message is still there, on the disk");
}

#[test]
fn a_commit_is_answered_back_also_backwards_and_also_out_of_range() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"x");
    client.ask(&pull("g", "T", 0, 0), b"");
    for offset in [1, 700, 3, 0] {
        client.must(&commit("g", "T", 0, offset), b"");
        assert_eq!(client.ask(&offset_query("g", "T", 0), b"").number("offset"), offset);
    }
    assert_eq!(client.ask(&commit("nobody", "T", 0, 1), b"").code, 26);
    assert_eq!(client.ask(&commit("g", "nowhere", 0, 1), b"").code, 17);
    assert_eq!(client.ask(&commit("g", "T", 4, 1), b"").code, 29);
    assert_eq!(client.ask(&commit("g", "T", 0, -1), b"").code, 29);
    let other = client
        .ask(&QueryConsumerOffset { set_zero_if_not_found: Some(false), ..offset_query("h", "T", 0) }, b"");
    assert_eq!(other.code, 22, "each group has its own");
}

#[test]
fn a_pull_commits_when_its_flag_says_so() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"x");
    let without = PullMessage { commit_offset: 5, ..pull("g", "T", 0, 0) };
    client.ask(&without, b"");
    assert_eq!(client.ask(&offset_query("g", "T", 0), b"").number("offset"), 0);
    client.ask(&PullMessage { sys_flag: without.sys_flag | 1, ..without }, b"");
    assert_eq!(client.ask(&offset_query("g", "T", 0), b"").number("offset"), 5);
}

#[test]
fn commits_survive_any_crash_but_for_the_last_second() {
    for (seed, kind) in [(5, Crash::Process), (6, Crash::Os), (7, Crash::Power), (8, Crash::Power)] {
        let world = World::new(seed);
        let setup = Setup::sync();
        let host = world.boot(&setup);
        let mut client = world.connect(&host);
        client.ask(&message("T", 0), b"x");
        client.ask(&pull("g", "T", 0, 0), b"");
        let began = world.now_ms();
        let mut committed = Vec::new();
        for offset in 0..100 {
            client.must(&commit("g", "T", 0, offset), b"");
            committed.push((world.now_ms(), offset));
            world.run_ms(37);
        }
        let crashed = world.now_ms();
        assert!(crashed - began > 3_000);
        drop(client);
        let host = world.boot_from(host.crash(kind), &setup);
        let found = world.connect(&host).ask(&offset_query("g", "T", 0), b"");
        let found = found.number("offset");
        let least = committed.iter().rev().find(|(at, _)| at + 1_000 < crashed).unwrap().1;
        assert!((least..=99).contains(&found), "seed {seed} {kind:?}: {found}, at least {least}");
    }
}

#[test]
fn all_offsets_are_listed_by_topic_and_group() {
    let world = World::new(9);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"x");
    client.ask(&pull("g", "T", 0, 0), b"");
    client.ask(&pull("h", "T", 0, 0), b"");
    client.must(&commit("g", "T", 2, 7), b"");
    client.must(&commit("h", "T", 0, 1), b"");
    let all: ConsumerOffsets = client.ask(&GetAllConsumerOffset {}, b"").json();
    let listed: Vec<(String, Vec<(i32, i64)>)> =
        all.offsets.into_iter().map(|(name, queues)| (name, queues.into_iter().collect())).collect();
    assert_eq!(listed, [("T@g".to_owned(), vec![(2, 7)]), ("T@h".to_owned(), vec![(0, 1)])]);
}

#[test]
fn a_queue_tells_its_ends_and_finds_offsets_by_time() {
    let world = World::new(10);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    world.connect_local(&host).must(&create_topic("T", 2), b"");
    let start = 1_700_000_000_000 + i64::try_from(world.now_ms()).unwrap();
    let mut times = Vec::new();
    for _ in 0..5 {
        client.ask(&message("T", 0), b"x");
        times.push(1_700_000_000_000 + i64::try_from(world.now_ms()).unwrap());
        world.run_ms(1_000);
    }
    let max = |queue_id| GetMaxOffset { topic: "T", queue_id, committed: true };
    assert_eq!(client.ask(&max(0), b"").number("offset"), 5);
    assert_eq!(client.ask(&max(1), b"").number("offset"), 0);
    assert_eq!(client.ask(&GetMinOffset { topic: "T", queue_id: 0 }, b"").number("offset"), 0);
    let earliest = |queue_id| GetEarliestMsgStoretime { topic: "T", queue_id };
    let first = client.ask(&earliest(0), b"").number("timestamp");
    assert!((start..=times[0]).contains(&first), "{first}");
    assert_eq!(client.ask(&earliest(1), b"").number("timestamp"), -1);
    let by_time = |timestamp, boundary| SearchOffsetByTimestamp {
        topic: "T",
        queue_id: 0,
        timestamp,
        boundary_type: boundary,
        lite_topic: None,
    };
    for (timestamp, lower) in [(0, 0), (times[1] + 1, 2), (times[3] + 500, 4), (times[4] + 9_000, 5)] {
        assert_eq!(
            client.ask(&by_time(timestamp, None), b"").number("offset"),
            lower,
            "at or after {timestamp}"
        );
    }
    assert_eq!(client.ask(&by_time(times[3] + 500, Some("UPPER")), b"").number("offset"), 3, "at or before");
    assert_eq!(client.ask(&GetMaxOffset { topic: "nowhere", queue_id: 0, committed: true }, b"").code, 17);
    assert_eq!(client.ask(&max(2), b"").code, 29);
}
