//! 19 to 21, 23 and 31: what is on disk, and what a disk says.

use net::requests::{DeleteTopicInBroker, GetTopicConfig};
use rt::sim::{Crash, FaultRule, OpKind};
use rustix::io::Errno;
use store::NewMessage;
use store::record::{Draft, Parsed, Place, parse};

use crate::support::{Setup, World, create_topic, message, pull};

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
fn bug_31_what_a_failed_flush_covered_is_never_called_safe() {
    let world = World::new(31);
    let setup = Setup::sync();
    let host = world.boot_with_topic(&setup, 2);
    let mut client = world.connect(&host);
    client.must(&message("T", 0), b"safe");
    for kind in [OpKind::Flush, OpKind::DurableWrite] {
        host.disk().inject(FaultRule::once(kind, "commitlog", Errno::IO.raw_os_error()));
    }
    assert_ne!(client.ask(&message("T", 0), b"in doubt").code, 0);
    for _ in 0..3 {
        // The device works again; what it forgot meanwhile nobody knows.
        world.run_ms(1_000);
        assert_eq!(client.ask(&message("T", 0), b"after it").code, 14);
    }
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").texts(), ["safe"], "and nobody sees it");
}
