//! Binary headers: the memory says what taking them apart says.

use super::*;

/// A header as a peer spells it: fields in its order, whatever their texts are.
fn header(code: i16, opaque: i32, remark: &[u8], fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in fields {
        content.extend_from_slice(&(key.len() as u16).to_be_bytes());
        content.extend_from_slice(key);
        content.extend_from_slice(&(value.len() as u32).to_be_bytes());
        content.extend_from_slice(value);
    }
    let mut bytes = code.to_be_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(&493_i16.to_be_bytes());
    bytes.extend_from_slice(&opaque.to_be_bytes());
    bytes.extend_from_slice(&0_i32.to_be_bytes());
    for text in [remark, &content] {
        bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
        bytes.extend_from_slice(text);
    }
    bytes
}

fn send(opaque: i32, queue: &str, born: &str, properties: &[u8]) -> Vec<u8> {
    let fields: [(&[u8], &[u8]); 13] = [
        (b"a", b"group"),
        (b"b", b"Topic"),
        (b"c", b"TBW102"),
        (b"d", b"4"),
        (b"e", queue.as_bytes()),
        (b"f", b"0"),
        (b"g", born.as_bytes()),
        (b"h", b"0"),
        (b"i", properties),
        (b"j", b"0"),
        (b"k", b"false"),
        (b"l", b"0"),
        (b"m", b"false"),
    ];
    header(310, opaque, b"", &fields)
}

fn decode(memory: &mut HeaderMemory, bytes: &[u8]) -> bool {
    decode_in(Codec::Binary, memory, bytes)
}

/// A memory that has seen sends with other times and texts of other lengths.
fn memory_of_sends() -> HeaderMemory {
    let mut memory = HeaderMemory::default();
    for n in 0..6 {
        decode(&mut memory, &send(n, &(n % 4).to_string(), &n.to_string(), b"p"));
    }
    memory
}

#[test]
fn sends_of_one_client_are_known_after_a_few_whatever_the_lengths_of_their_values() {
    let mut memory = HeaderMemory::default();
    let known = (0..20_u32)
        .map(|number| {
            let properties = format!("UNIQ_KEY\u{1}{number}\u{2}WAIT\u{1}true\u{2}");
            let born = (9_999_999_999_990 + u64::from(number)).to_string();
            let bytes = send(number as i32 * 100, &(number % 4).to_string(), &born, properties.as_bytes());
            decode(&mut memory, &bytes)
        })
        .collect::<Vec<_>>();
    assert!(known[6..].iter().all(|known| *known), "{known:?}");
}

#[test]
fn a_remark_or_bytes_behind_the_fields_make_another_header() {
    let mut memory = memory_of_sends();
    let alike = send(7, "1", "7", b"p");
    assert!(decode(&mut memory, &alike));
    assert!(!decode(&mut memory, &[&alike[..], b"x"].concat()));
    assert!(!decode(&mut memory, &header(310, 7, b"why", &[(b"a", b"group")])));
    assert!(!decode(&mut memory, &alike[..alike.len() - 1]), "cut");
}

#[test]
fn a_field_left_empty_is_none_whatever_was_there_before() {
    let mut memory = memory_of_sends();
    assert!(!decode(&mut memory, &send(7, "1", "", b"p")));
    assert!(!decode(&mut memory, &send(7, "", "7", b"p")));
}

#[test]
fn a_header_too_long_to_remember_is_taken_apart_each_time() {
    let mut memory = HeaderMemory::default();
    let long = send(1, "2", "3", &[b'x'; HEADER_BYTES_MAX]);
    assert!((0..10).all(|_| !decode(&mut memory, &long)));
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z0-9]{0,12}".prop_map(String::into_bytes),
        4 => any::<i32>().prop_map(|number| number.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => select(vec!["\"", "1\"2", "\u{e9}\"", "99999999999999999999", "-0", "007"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

/// Headers of one connection: mostly alike.
fn headers() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let plain =
        (any::<u16>(), 0..4_u8, any::<u32>(), value()).prop_map(|(opaque, queue, born, properties)| {
            send(i32::from(opaque), &queue.to_string(), &born.to_string(), &properties)
        });
    let odd = (any::<i32>(), 308..312_i16, value(), value(), value()).prop_map(|(opaque, code, a, b, c)| {
        header(code, opaque, b"", &[(b"a", &a), (b"b", &b), (&c, b"x"), (b"a", b"again")])
    });
    let bytes = prop_oneof![4 => plain, 2 => odd];
    let mutated =
        (bytes.clone(), any::<Index>(), any::<u8>(), 0..4_u8).prop_map(|(mut bytes, at, byte, kind)| {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
            bytes
        });
    prop::collection::vec(prop_oneof![5 => bytes, 1 => mutated], 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_agrees_with_taking_apart_on_anything(headers in headers()) {
        let mut memory = HeaderMemory::default();
        for header in headers {
            decode(&mut memory, &header);
        }
    }
}
