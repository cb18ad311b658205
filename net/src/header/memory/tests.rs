//! Whatever comes in whatever order, the memory says what the scanner says.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::known::FIELDS_MAX;
use super::*;
use crate::{Language, Request};

mod binary;

type Decoded = (i32, i32, i32, i32, Language, Option<String>, Vec<(String, String)>);

fn owned(header: Result<Header<'_>, HeaderError>) -> Result<Decoded, HeaderError> {
    header.map(|header| {
        let ext = header.ext.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let remark = header.remark.map(str::to_owned);
        (header.code, header.flag, header.opaque, header.version, header.language, remark, ext)
    })
}

/// Decodes with the memory and asserts that the scanner agrees; whether the memory knew it without the scanner.
fn decode(memory: &mut HeaderMemory, bytes: &[u8]) -> bool {
    decode_in(Codec::Json, memory, bytes)
}

fn decode_in(codec: Codec, memory: &mut HeaderMemory, bytes: &[u8]) -> bool {
    let requested = |header: Header<'_>| format!("{:?}", Request::decode(&header));
    let (mut one, mut other) = (Scratch::default(), Scratch::default());
    let scanned = Header::decode(codec, bytes, &mut one);
    let scanned = (scanned.map(requested), owned(scanned));
    let known = match codec {
        Codec::Json => memory.json.read(bytes, &mut Vec::new()),
        Codec::Binary => memory.binary.read(bytes, &mut Vec::new()),
    };
    let alike = Header::decode_alike(codec, bytes, &mut other, memory);
    let alike = (alike.map(requested), owned(alike));
    assert_eq!(alike, scanned, "{}", String::from_utf8_lossy(bytes));
    known.is_some()
}

fn send(opaque: &str, queue: &str, born: &str, properties: &str) -> String {
    format!(
        r#"{{"code":310,"extFields":{{"a":"group","b":"Topic","c":"TBW102","d":"4","e":"{queue}","f":"0","g":"{born}","h":"0","i":"{properties}","j":"0","k":"false","m":false}},"flag":0,"language":"JAVA","opaque":{opaque},"serializeTypeCurrentRPC":"JSON","version":493}}"#
    )
}

#[test]
fn sends_of_one_client_are_known_after_a_few() {
    let mut memory = HeaderMemory::default();
    let known = (0..20_u32)
        .map(|number| {
            let properties = format!("UNIQ_KEY\\u0001{:032}\\u0002WAIT\\u0001true\\u0002", number * 7);
            let born = (1_700_000_000_000 + u64::from(number)).to_string();
            let header = send(&(number * 100).to_string(), &(number % 4).to_string(), &born, &properties);
            decode(&mut memory, header.as_bytes())
        })
        .collect::<Vec<_>>();
    assert!(known[6..].iter().all(|known| *known), "{known:?}");
}

#[test]
fn a_heartbeat_between_sends_does_not_make_them_forgotten() {
    let mut memory = HeaderMemory::default();
    let heartbeat =
        r#"{"code":34,"flag":0,"language":"JAVA","opaque":9,"serializeTypeCurrentRPC":"JSON","version":493}"#;
    for n in 0..6 {
        decode(&mut memory, send(&n.to_string(), "1", &n.to_string(), "p").as_bytes());
    }
    assert!(!decode(&mut memory, heartbeat.as_bytes()));
    assert!(decode(&mut memory, send("77", "1", "99", "p").as_bytes()));
    assert!(!decode(&mut memory, heartbeat.as_bytes()));
    assert!(!decode(&mut memory, heartbeat.as_bytes()));
    assert!(decode(&mut memory, heartbeat.as_bytes()), "two in a row are a change of mind");
}

#[test]
fn the_last_of_two_equal_members_counts_whatever_their_kinds() {
    for second in ["6", "\"6\"", "null"] {
        for first in ["5", "\"5\"", "null"] {
            let mut memory = HeaderMemory::default();
            for number in 0..6 {
                let first = first.replace('5', &(5 + number).to_string());
                let header = format!(
                    r#"{{"opaque":{first},"code":1,"extFields":{{"a":"1","a":"x{number}"}},"opaque":{second}}}"#
                );
                decode(&mut memory, header.as_bytes());
            }
        }
    }
}

#[test]
fn a_header_too_long_to_remember_is_scanned_each_time() {
    let mut memory = HeaderMemory::default();
    let long = send("1", "2", "3", &"x".repeat(HEADER_BYTES_MAX));
    assert!((0..10).all(|_| !decode(&mut memory, long.as_bytes())));
    assert!(memory.json.layout.is_none());
}

#[test]
fn learning_in_vain_becomes_rare_and_what_is_kept_stays_small() {
    let mut memory = HeaderMemory::default();
    let headers = |n: usize| format!(r#"{{"code":{n},"opaque":1,"extFields":{{"k{n}":"{n}"}}}}"#);
    (0..1000).for_each(|n| assert!(!decode(&mut memory, headers(n).as_bytes())));
    let layout = memory.json.layout.expect("the last tried");
    assert!(layout.text.capacity() <= 2 * HEADER_BYTES_MAX && layout.varying.capacity() <= 2 * FIELDS_MAX);
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{0,12}",
        select(vec![
            "",
            "\\\\",
            "\\\"",
            "a\\\\\\\"b",
            "\\u0001",
            "x\\u0002y",
            "\\ud83d\\ude00",
            "\\ud83d",
            "\\ud83dx",
            "\\ude00",
            "\\u12",
            "\\q",
            "\\",
            "é",
            "\\é",
            "😀",
            "a\",\"z\":\"b",
            "\"",
            "1}",
            "},{",
            "\u{1}",
            "null",
        ])
        .prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i32>().prop_map(|number| number.to_string()),
        select(vec![
            "0",
            "-0",
            "-",
            "+5",
            "007",
            "2147483648",
            "-2147483648",
            "99999999999",
            "00000000001",
            "1e3",
            "1.0",
            "\"7\"",
            "null",
            "true",
            "",
            " 3",
            "3 ",
            "[1]",
            "{}",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Headers of one connection: mostly alike.
fn headers() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let plain =
        (any::<u16>(), 0..4_u8, any::<u32>(), "[A-Z0-9]{1,9}").prop_map(|(opaque, queue, born, text)| {
            send(
                &opaque.to_string(),
                &queue.to_string(),
                &born.to_string(),
                &format!("K\\u0001{text}\\u0002"),
            )
        });
    let odd = (number(), value(), value(), value()).prop_map(|(opaque, a, b, c)| send(&opaque, &a, &b, &c));
    let bytes = prop_oneof![4 => plain.prop_map(String::into_bytes), 2 => odd.prop_map(String::into_bytes)];
    let mutated = (bytes.clone(), any::<Index>(), any::<Index>(), select(MUTATIONS.to_vec()), 0..4_u8)
        .prop_map(|(mut bytes, at, to, piece, kind)| {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = piece[0],
                1 => drop(bytes.splice(at..at, piece.iter().copied())),
                2 => drop(bytes.drain(at..(at + to.index(9)).min(bytes.len()))),
                _ => drop(bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.iter().copied())),
            }
            bytes
        });
    prop::collection::vec(prop_oneof![5 => bytes, 1 => mutated], 1..24)
}

const MUTATIONS: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"\\\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\xff",
    b"\xc3",
    b"\xa9",
    b"\"z\":\"1\",",
    b"null",
    b"9",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_agrees_with_the_scanner_on_anything(headers in headers()) {
        let mut memory = HeaderMemory::default();
        for header in headers {
            decode(&mut memory, &header);
        }
    }
}
