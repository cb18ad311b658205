//! Inner batches: one record, as many offsets as messages, read whole wherever a consumer stands. store.md 2.9.

use net::requests::{
    ConsumerSendMsgBack, SendMessageV2, UpdateAndCreateSubscriptiongroup, UpdateAndCreateTopic,
};

use crate::support::{
    Answer, Client, Host, Restart, Setup, WindowFile, World, batch_of, create_topic, group_config, message,
    property, pull,
};

const INNER: i32 = 0x80;
const UNWRAP: i32 = 0x40;

fn boot(world: &World, setup: &Setup) -> Host {
    let host = world.boot(setup);
    let topic = UpdateAndCreateTopic { attributes: Some("+queue.type=BatchCQ"), ..create_topic("B", 1) };
    world.connect_local(&host).must(&topic, b"");
    host
}

fn send(client: &mut Client<'_>, key: &str, bodies: &[&str]) -> Answer {
    let header = property("UNIQ_KEY", key) + &property("TAGS", "t");
    let items: Vec<(&[u8], &str)> = bodies.iter().map(|body| (body.as_bytes(), "")).collect();
    let request = SendMessageV2 { batch: Some(true), properties: Some(&header), ..message("B", 0) };
    client.must(&request, &batch_of(&items))
}

/// What a pull from `from` brings: base offset and count of each record; and where to go on.
fn read(client: &mut Client<'_>, from: i64) -> (Vec<(u64, String)>, i64) {
    let answer = client.ask(&pull("g", "B", 0, from), b"");
    let base = |message: &crate::support::Message| {
        let count = message.property("INNER_NUM").unwrap_or("-").to_owned();
        assert_eq!(
            message.property("INNER_BASE").unwrap_or("0").parse::<u64>().unwrap(),
            message.queue_offset
        );
        (message.queue_offset, count)
    };
    (answer.messages().iter().map(base).collect(), answer.number("nextBeginOffset"))
}

#[test]
fn a_batch_is_one_record_with_the_offsets_of_its_messages() {
    let world = World::new(1);
    let host = boot(&world, &Setup::default());
    let mut client = world.connect(&host);
    let first = send(&mut client, "one", &["a", "b", "c"]);
    assert_eq!((first.number("queueOffset"), first.text("batchUniqId")), (0, "one"));
    assert!(!first.text("msgId").contains(','), "one record has one id");
    assert_eq!(send(&mut client, "two", &["d", "e"]).number("queueOffset"), 3);
    let three = [(0, "3".to_owned()), (3, "2".to_owned())];
    assert_eq!(read(&mut client, 0), (three.to_vec(), 5));
    assert_eq!(read(&mut client, 2), (three.to_vec(), 5), "whoever stands within a batch gets it whole");
    assert_eq!(read(&mut client, 3), (three[1..].to_vec(), 5));
    let message = client.ask(&pull("g", "B", 0, 0), b"").messages().remove(0);
    let items: Vec<Vec<u8>> =
        net::batch::items(&message.body).map(|item| item.unwrap().body.to_vec()).collect();
    assert_eq!(items, [b"a", b"b", b"c"]);
}

#[test]
fn a_pull_that_may_bring_little_never_ends_within_a_batch() {
    let world = World::new(2);
    let mut setup = Setup::default();
    setup.config.pull_count_hot = 1;
    setup.config.pull_count_cold = 1;
    setup.config.filter_scan_bytes = 20;
    let host = boot(&world, &setup);
    let mut client = world.connect(&host);
    let big = "x".repeat(1_500);
    for number in 0..700 {
        send(&mut client, &format!("K{number}"), &["a", &big, "c"]);
    }
    // The first batches left the window, the last did not.
    let (mut from, mut records) = (0, Vec::new());
    while from < 2_100 {
        let (came, next) = read(&mut client, from);
        assert!(next % 3 == 0 && next > from, "from {from} to {next}");
        records.extend(came.into_iter().map(|(base, _)| base));
        from = next;
    }
    assert_eq!(records, (0..700).map(|number| number * 3).collect::<Vec<u64>>());
}

#[test]
fn batches_keep_their_offsets_over_any_restart() {
    for restart in Restart::ALL {
        let world = World::new(3);
        let file = WindowFile::new();
        let setup = restart.survived_by(Setup::default(), &file);
        let host = boot(&world, &setup);
        let mut client = world.connect(&host);
        for number in 0..20 {
            send(&mut client, &format!("K{number}"), &["a", "b", "c"]);
        }
        drop(client);
        let disk = restart.end(host, &world);
        let host = world.boot_from(disk, &setup);
        let mut client = world.connect(&host);
        let (mut records, mut next) = (0, 0);
        while next < 60 {
            let (came, behind) = read(&mut client, next);
            assert!(behind > next, "{restart:?}");
            (records, next) = (records + came.len(), behind);
        }
        assert_eq!((records, next), (20, 60), "{restart:?}");
        assert_eq!(send(&mut client, "more", &["d"]).number("queueOffset"), 60, "{restart:?}");
    }
}

#[test]
fn a_producer_may_make_the_record_itself_if_the_topic_takes_it() {
    let world = World::new(4);
    let host = boot(&world, &Setup::default());
    world.connect_local(&host).must(&create_topic("plain", 1), b"");
    let mut client = world.connect(&host);
    let body = batch_of(&[(b"a", ""), (b"b", "")]);
    let two = property("INNER_NUM", "2");
    let delayed = two.clone() + &property("DELAY", "1");
    for (topic, sys_flag, properties, code) in [
        ("B", INNER | UNWRAP, &two, 0),
        ("plain", INNER | UNWRAP, &two, 13),
        ("B", 0, &two, 13),
        ("plain", 0, &two, 13),
        ("B", INNER | UNWRAP, &delayed, 13),
    ] {
        let request = SendMessageV2 { sys_flag, properties: Some(properties), ..message(topic, 0) };
        let answer = client.ask(&request, &body);
        assert_eq!(answer.code, code, "{topic} {sys_flag:#x}: {answer:?}");
    }
    assert_eq!(read(&mut client, 0), (vec![(0, "2".to_owned())], 2));
}

#[test]
fn a_batch_that_is_given_back_comes_again_with_offsets_of_the_retry_queue() {
    let world = World::new(5);
    let host = boot(&world, &Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&UpdateAndCreateSubscriptiongroup {}, &group_config("g", |_| {}));
    send(&mut admin, "first", &["x"]);
    let sent = send(&mut admin, "K", &["a", "b", "c"]);
    let at = i64::from_str_radix(&sent.text("msgId")[16..], 16).unwrap();
    let back = |delay_level| ConsumerSendMsgBack {
        offset: at,
        group: "g",
        delay_level,
        origin_msg_id: None,
        origin_topic: Some("B"),
        unit_mode: false,
        max_reconsume_times: Some(16),
    };
    admin.must(&back(1), b"");
    admin.must(&back(1), b"");
    world.run_ms(3_000);
    let mut client = world.connect(&host);
    let answer = client.ask(&pull("g", "%RETRY%g", 0, 0), b"");
    let bases: Vec<u64> = answer.messages().iter().map(|message| message.queue_offset).collect();
    assert_eq!((bases, answer.number("nextBeginOffset")), (vec![0, 3], 6));
    for message in answer.messages() {
        assert_eq!(message.property("INNER_BASE"), Some(message.queue_offset.to_string().as_str()));
    }
}
