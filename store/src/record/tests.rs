use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::{BatchItem, NewMessage, PhysicalOffset, QueueOffset};

fn message<'a>(
    topic: &'a str,
    body: &'a [u8],
    properties: &'a [u8],
    hosts: (SocketAddr, SocketAddr),
) -> NewMessage<'a> {
    NewMessage {
        topic,
        queue_id: 3,
        body,
        properties,
        flag: -7,
        sys_flag: 1,
        born_at_ms: 1_700_000_000_123,
        born_host: hosts.0,
        store_host: hosts.1,
        reconsume_times: 2,
        prepared_transaction_offset: 99,
        tags_code: 0,
        keys: b"",
        unique_key: b"",
    }
}

fn v4() -> (SocketAddr, SocketAddr) {
    ("10.1.2.3:4567".parse().unwrap(), "10.0.0.9:10911".parse().unwrap())
}

const PLACE: Place = Place {
    at: PhysicalOffset::new(0x1234_5678),
    queue_offset: QueueOffset::new(42),
    stored_at_ms: 1_700_000_000_456,
};

fn encoded(draft: &Draft<'_>) -> Vec<u8> {
    let mut out = vec![0xEE; draft.bytes()];
    draft.encode(PLACE, &mut out);
    out
}

fn record(bytes: &[u8]) -> Record<'_> {
    match parse(bytes).unwrap() {
        Parsed::Record(record) => record,
        Parsed::Blank { .. } => panic!("a filler"),
    }
}

#[test]
fn the_bytes_are_those_of_spec_store_2_1() {
    let message = message("T", b"hi", b"TAGS\x01a", v4());
    let bytes = encoded(&Draft::new(&message).unwrap());
    let mut expected = Vec::new();
    expected.extend((91u32 + 2 + 1 + 7 + 20).to_be_bytes());
    expected.extend(0xDAA3_20A7u32.to_be_bytes());
    expected.extend((crc32fast::hash(b"hi") & 0x7fff_ffff).to_be_bytes());
    expected.extend(3u32.to_be_bytes());
    expected.extend((-7i32).to_be_bytes());
    expected.extend(42u64.to_be_bytes());
    expected.extend(0x1234_5678u64.to_be_bytes());
    expected.extend(1u32.to_be_bytes());
    expected.extend(1_700_000_000_123u64.to_be_bytes());
    expected.extend([10, 1, 2, 3, 0, 0, 0x11, 0xD7]);
    expected.extend(1_700_000_000_456u64.to_be_bytes());
    expected.extend([10, 0, 0, 9, 0, 0, 0x2A, 0x9F]);
    expected.extend(2u32.to_be_bytes());
    expected.extend(99u64.to_be_bytes());
    expected.extend(2u32.to_be_bytes());
    expected.extend(b"hi");
    expected.extend(b"\x01T");
    expected.extend(27u16.to_be_bytes());
    expected.extend(b"TAGS\x01a\x02");
    let mut crc = crc32fast::hash(&expected) & 0x7fff_ffff;
    expected.extend(b"__CRC32#\x01");
    for _ in 0..10 {
        expected.push(b'0' + (crc % 10) as u8);
        crc /= 10;
    }
    expected.push(2);
    assert_eq!(bytes, expected);
}

#[test]
fn topics_over_127_bytes_choose_version_2_and_over_255_are_refused() {
    for (len, magic) in [(127, MAGIC_V1), (128, MAGIC_V2), (255, MAGIC_V2)] {
        let topic = "t".repeat(len);
        let message = message(&topic, b"", b"", v4());
        let bytes = encoded(&Draft::new(&message).unwrap());
        assert_eq!(bytes[4..8], magic.to_be_bytes());
        assert_eq!(record(&bytes).topic(), topic);
    }
    let topic = "t".repeat(256);
    let refused = message(&topic, b"", b"", v4());
    assert_eq!(Draft::new(&refused).err(), Some(RecordLimit::Topic { bytes: 256 }));
}

#[test]
fn properties_fill_the_signed_length_and_no_more() {
    let own = vec![b'p'; PROPERTIES_MAX - COVER_BYTES - 1];
    let fits = message("T", b"", &own, v4());
    let bytes = encoded(&Draft::new(&fits).unwrap());
    assert_eq!(record(&bytes).properties().len(), PROPERTIES_MAX);
    let own = vec![b'p'; PROPERTIES_MAX - COVER_BYTES];
    let refused = message("T", b"", &own, v4());
    assert!(
        matches!(Draft::new(&refused), Err(RecordLimit::Properties { bytes }) if bytes == PROPERTIES_MAX + 1)
    );
}

#[test]
fn a_continued_record_says_so_and_a_clients_separators_do_not() {
    for own in [&b""[..], b"a\x01b", b"a\x01b\x02", b"a\x01b\x02\x02\x02", b"\x02"] {
        let shared = message("T", b"", own, v4());
        let bytes = encoded(&Draft::new(&shared).unwrap());
        assert!(!record(&bytes).is_continued(), "{own:?}");
        let item =
            BatchItem { body: b"x", properties: own, flag: 0, tags_code: 0, keys: b"", unique_key: b"" };
        let bytes = encoded(&Draft::item(&shared, &item, true).unwrap());
        assert!(record(&bytes).is_continued(), "{own:?}");
        assert_eq!(record(&bytes).verify(PLACE.at, Cover::Whole), Ok(()));
        assert_eq!(property(record(&bytes).properties(), "a"), own.starts_with(b"a").then_some(&b"b"[..]));
    }
}

#[test]
fn a_record_without_its_own_cover_passes_only_as_java_wrote_it() {
    let message = message("T", b"body", b"", v4());
    let mut bytes = encoded(&Draft::new(&message).unwrap());
    let total = bytes.len();
    bytes.truncate(total - COVER_BYTES);
    bytes[..4].copy_from_slice(&((total - COVER_BYTES) as u32).to_be_bytes());
    let end = bytes.len();
    bytes[end - 2..].copy_from_slice(&[0, 0]);
    assert_eq!(record(&bytes).verify(PLACE.at, Cover::AsJava), Ok(()));
    assert_eq!(record(&bytes).verify(PLACE.at, Cover::Whole), Err(Damage::Uncovered));
}

#[test]
fn a_filler_is_told_from_a_record() {
    let mut out = [0xEE; 16];
    write_blank(&mut out, 16);
    assert!(matches!(parse(&out), Ok(Parsed::Blank { bytes: 16 })));
    assert_eq!(parse(&out[..7]).err(), Some(Damage::Short));
}

#[test]
fn tags_hash_as_java_strings_do() {
    assert_eq!(java_hash(b"TagA"), 2_598_919);
    assert_eq!(java_hash("\u{20ac}".as_bytes()), 0x20ac);
    assert_eq!(tags_code(b"TAGS\x01a\x02TAGS\x01b\x02TAGS\x01\x02"), i64::from(b'b'));
    assert_eq!(tags_code(b"XTAGS\x01a\x02"), 0);
    assert!(tags_code("TAGS\x01polynomially-negative-hash-of-text".as_bytes()) <= i64::from(i32::MAX));
}

fn hosts() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::from((ip, port))),
        (any::<[u16; 8]>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::from((ip, port))),
    ]
}

proptest! {
    #[test]
    fn parsing_inverts_encoding(
        topic in "[a-zA-Z%_]{1,255}",
        body in proptest::collection::vec(any::<u8>(), 0..20_000),
        properties in proptest::collection::vec(3u8.., 0..300),
        born in hosts(),
        store in hosts(),
    ) {
        let message = message(&topic, &body, &properties, (born, store));
        let bytes = encoded(&Draft::new(&message).unwrap());
        let record = record(&bytes);
        prop_assert_eq!(record.verify(PLACE.at, Cover::Whole), Ok(()));
        prop_assert_eq!(record.topic(), topic.as_str());
        prop_assert_eq!(record.body(), &body[..]);
        prop_assert!(record.properties().starts_with(&properties));
        prop_assert_eq!((record.born_host(), record.store_host()), (born, store));
        prop_assert_eq!((record.queue_id(), record.flag(), record.queue_offset().get()), (3, -7, 42));
        prop_assert_eq!((record.born_at_ms(), record.stored_at_ms()), (1_700_000_000_123, 1_700_000_000_456));
        prop_assert_eq!((record.reconsume_times(), record.prepared_transaction_offset()), (2, 99));
        prop_assert_eq!(record.physical_offset(), PLACE.at);
        let crc = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
        prop_assert_eq!(crc, crc32fast::hash(&body) & CRC_MASK);
    }

    #[test]
    fn any_changed_byte_is_noticed(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<proptest::sample::Index>(),
        change in 1u8..,
    ) {
        let message = message("Topic", &body, b"KEYS\x01k", v4());
        let mut bytes = encoded(&Draft::new(&message).unwrap());
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let sound = match parse(&bytes) {
            Ok(Parsed::Record(record)) => record.verify(PLACE.at, Cover::Whole).is_ok(),
            Ok(Parsed::Blank { .. }) | Err(_) => false,
        };
        prop_assert!(!sound, "byte {} changed unnoticed", at);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), magic in 0..3usize) {
        if bytes.len() >= 8 && magic < 2 {
            bytes[4..8].copy_from_slice(&[MAGIC_V1, MAGIC_V2][magic].to_be_bytes());
            let total = bytes.len() as u32;
            bytes[..4].copy_from_slice(&total.to_be_bytes());
        }
        if let Ok(Parsed::Record(record)) = parse(&bytes) {
            let _ = (record.topic(), record.body(), record.born_host(), record.store_host(), record.is_continued());
            let _ = record.verify(PLACE.at, Cover::AsJava);
        }
    }
}
