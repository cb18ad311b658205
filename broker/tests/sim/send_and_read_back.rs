//! What is sent is read back, in both codecs and by all three requests.

use net::message_id::OffsetMessageId;
use net::requests::SendMessageV2;
use net::{Codec, RequestCode};

use crate::support::{Setup, World, batch_of, create_topic, long_form, message, property, pull};

#[test]
fn a_message_comes_back_as_it_was_sent_whatever_the_codec_and_the_request() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 4), b"");
    let sent = property("KEYS", "k1 k2") + &property("UNIQ_KEY", "U1") + &property("mine", "yes");
    let request = SendMessageV2 { properties: Some(&sent), flag: 7, ..message("T", 2) };
    let mut expected_offset = 0;
    for codec in [Codec::Json, Codec::Binary] {
        let mut client = world.connect_with(&host, codec);
        for long in [false, true] {
            let answer = if long {
                client.ask(&long_form(&request), b"hello")
            } else {
                client.ask(&request, b"hello")
            };
            assert_eq!((answer.code, answer.codec), (0, codec), "{answer:?}");
            assert_eq!((answer.number("queueId"), answer.number("queueOffset")), (2, expected_offset));
            assert_eq!(answer.text("transactionId"), "U1");
            let id = OffsetMessageId::parse(answer.text("msgId")).unwrap();
            assert_eq!(id.host, host.address);

            let read = client.ask(&pull("g", "T", 2, expected_offset), b"");
            assert_eq!((read.code, read.remark.as_str()), (0, "FOUND"), "{read:?}");
            assert_eq!(read.number("nextBeginOffset"), expected_offset + 1);
            let [came] = &read.messages()[..] else { panic!("one message expected: {read:?}") };
            assert_eq!((came.topic.as_str(), came.queue_id, came.flag), ("T", 2, 7));
            assert_eq!((came.body.as_slice(), came.physical_offset), (&b"hello"[..], id.offset));
            assert_eq!(came.queue_offset, u64::try_from(expected_offset).unwrap());
            for (name, value) in [
                ("KEYS", "k1 k2"),
                ("UNIQ_KEY", "U1"),
                ("mine", "yes"),
                ("MSG_REGION", "DefaultRegion"),
                ("TRACE_ON", "true"),
                ("CLUSTER", "DefaultCluster"),
            ] {
                assert_eq!(came.property(name), Some(value), "{name}");
            }
            expected_offset += 1;
        }
    }
}

#[test]
fn a_batch_becomes_single_messages_with_consecutive_offsets() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    for codec in [Codec::Json, Codec::Binary] {
        let mut client = world.connect_with(&host, codec);
        let uniq = ["A", "B", "C"].map(|id| property("UNIQ_KEY", id));
        let body = batch_of(&[(b"one", &uniq[0]), (b"two", &uniq[1]), (b"three", &uniq[2])]);
        let before = client.ask(&message("T", 0), b"before").number("queueOffset");
        let request = SendMessageV2 { batch: Some(true), ..message("T", 0) };
        let answer = client.ask_as(RequestCode::SEND_BATCH_MESSAGE, &request, &body);
        assert_eq!((answer.code, answer.number("queueOffset")), (0, before + 1), "{answer:?}");
        let read = client.ask(&pull("g", "T", 0, before + 1), b"");
        let came = read.messages();
        assert_eq!(read.texts(), ["one", "two", "three"]);
        let ids: Vec<u64> =
            answer.text("msgId").split(',').map(|id| OffsetMessageId::parse(id).unwrap().offset).collect();
        assert_eq!(came.iter().map(|one| one.physical_offset).collect::<Vec<_>>(), ids);
        assert_eq!(came[2].property("UNIQ_KEY"), Some("C"));
    }
}

#[test]
fn a_message_without_unique_key_gets_one_and_every_key_is_new() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let mut keys: Vec<String> =
        (0..50).map(|_| client.ask(&message("T", 0), b"x").text("transactionId").to_owned()).collect();
    let last = client.ask(&pull("g", "T", 0, 49), b"");
    assert_eq!(last.messages()[0].property("UNIQ_KEY"), Some(keys[49].as_str()));
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 50);
}

#[test]
fn a_negative_queue_id_lets_the_broker_choose_a_write_queue() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let mut seen = [0; 4];
    for _ in 0..64 {
        let queue_id = client.ask(&message("T", -1), b"x").number("queueId");
        seen[usize::try_from(queue_id).unwrap()] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn a_pull_returns_no_more_than_asked_and_no_more_than_the_limits() {
    let world = World::new(5);
    let host = world.boot(&Setup::with(|config| config.pull_bytes_hot = 4_000));
    let mut client = world.connect(&host);
    for _ in 0..40 {
        client.ask(&message("T", 0), &[b'x'; 100]);
    }
    let asked = net::requests::PullMessage { max_msg_nums: 3, ..pull("g", "T", 0, 0) };
    assert_eq!(client.ask(&asked, b"").messages().len(), 3);
    let all = client.ask(&pull("g", "T", 0, 0), b"");
    assert!(all.body.len() <= 4_000 && all.messages().len() > 1, "{} bytes", all.body.len());
    assert_eq!(all.number("nextBeginOffset"), i64::try_from(all.messages().len()).unwrap());
    // The first message is returned whatever its size.
    let big = client.ask(&message("T", 1), &[b'y'; 10_000]).number("queueOffset");
    assert_eq!(client.ask(&pull("g", "T", 1, big), b"").messages()[0].body.len(), 10_000);
}
