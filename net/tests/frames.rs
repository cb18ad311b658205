//! Frames at any split, limits at the border, and bytes that are no frames.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::ControlFlow;

use net::client::{RequestHead, encode};
use net::frame::{self, FRAME_BYTES_MAX, HEADER_BYTES_MAX, PREFIX_BYTES};
use net::requests::{ROWS, Request, RequestError};
use net::{Codec, FieldError, Frame, FrameDecoder, FrameError, FrameLimits, Header, Scratch};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

type Owned = (Codec, Vec<u8>, Vec<u8>);

fn owned(frame: &Frame<'_>) -> Owned {
    (frame.codec, frame.header.to_owned(), frame.body.to_owned())
}

fn frames() -> impl Strategy<Value = Vec<Owned>> {
    let codec = prop_oneof![Just(Codec::Json), Just(Codec::Binary)];
    let bytes = prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..3000)];
    vec((codec, bytes.clone(), bytes), 0..6)
}

fn wire(frames: &[Owned]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (codec, header, body) in frames {
        frame::encode(&mut bytes, &Frame { codec: *codec, header, body });
    }
    bytes
}

fn pieces<'b>(bytes: &'b [u8], cuts: &[Index]) -> Vec<&'b [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut from = 0;
    ends.iter().map(|end| &bytes[std::mem::replace(&mut from, *end)..*end]).collect()
}

proptest! {
    #[test]
    fn a_frame_survives_any_split(frames in frames(), cuts in vec(any::<Index>(), 0..8)) {
        let mut decoder = FrameDecoder::new(FrameLimits::default());
        let (mut seen, mut received) = (Vec::new(), 0);
        for piece in pieces(&wire(&frames), &cuts) {
            received += piece.len();
            decoder.feed(piece, |frame| {
                seen.push(owned(&frame));
                ControlFlow::Continue(())
            }).unwrap();
            prop_assert!(decoder.memory_bytes() <= 2 * received + 64);
        }
        prop_assert_eq!(seen, frames);
        prop_assert_eq!(decoder.pending_bytes(), 0);
    }

    #[test]
    fn a_frame_in_progress_may_stay_where_it_is(
        frames in frames(), cuts in vec(any::<Index>(), 0..8), left_max in prop_oneof![Just(0), 1..64_usize, Just(1 << 20)],
        stops in vec(any::<bool>(), 8),
    ) {
        let mut decoder = FrameDecoder::new(FrameLimits::default());
        let (mut seen, mut left) = (Vec::new(), Vec::new());
        let mut pieces = pieces(&wire(&frames), &cuts).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        // What a stop leaves behind is fetched without bytes.
        pieces.extend((0..frames.len()).map(|_| Vec::new()));
        for piece in pieces {
            left.extend_from_slice(&piece);
            let pending = decoder.pending_bytes();
            let kept = decoder.feed_leaving(&left, left_max, |frame| {
                seen.push(owned(&frame));
                if stops[seen.len() % 8] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }).unwrap();
            prop_assert!(kept <= left_max && kept <= left.len());
            prop_assert!(kept == 0 || decoder.pending_bytes() == 0);
            if left_max == 1 << 20 && !stops.contains(&true) {
                prop_assert_eq!(decoder.pending_bytes().max(pending), 0, "nothing is copied");
            }
            left.drain(..left.len() - kept);
        }
        prop_assert_eq!(seen, frames);
        prop_assert!(left.is_empty() && decoder.pending_bytes() == 0);
    }

    #[test]
    fn a_stop_loses_nothing_and_goes_on_behind_it(
        frames in frames(), cuts in vec(any::<Index>(), 0..8), stops in vec(any::<bool>(), 8),
    ) {
        let mut decoder = FrameDecoder::new(FrameLimits::default());
        let mut seen = Vec::new();
        for piece in pieces(&wire(&frames), &cuts) {
            let before = seen.len();
            decoder.feed(piece, |frame| {
                seen.push(owned(&frame));
                if stops[seen.len() % 8] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }).unwrap();
            prop_assert!(seen.len() - before <= frames.len());
        }
        while seen.len() < frames.len() {
            let before = seen.len();
            decoder.feed(&[], |frame| {
                seen.push(owned(&frame));
                ControlFlow::Break(())
            }).unwrap();
            prop_assert_eq!(seen.len(), before + 1);
        }
        prop_assert_eq!(seen, frames);
    }

    #[test]
    fn arbitrary_bytes_never_panic_as_a_header(bytes in vec(any::<u8>(), 0..200), binary in any::<bool>()) {
        let codec = if binary { Codec::Binary } else { Codec::Json };
        if let Ok(header) = Header::decode(codec, &bytes, &mut Scratch::default()) {
            let _ = Request::decode(&header);
        }
    }

    #[test]
    fn a_json_header_reads_as_serde_json_reads_it(
        code in any::<i32>(), opaque in any::<i32>(), flag in 0..4i32, remark in any::<Option<String>>(),
        ext in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..10), pretty in any::<bool>(),
    ) {
        let value = serde_json::json!({
            "code": code, "opaque": opaque, "flag": flag, "remark": remark, "extFields": ext, "other": [ext, code],
        });
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let mut scratch = Scratch::default();
        let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch).unwrap();
        prop_assert_eq!((header.code, header.opaque, header.flag), (code, opaque, flag));
        prop_assert_eq!(header.remark, remark.as_deref());
        let seen: std::collections::BTreeMap<_, _> =
            header.ext.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(seen, ext);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn mutated_frames_neither_panic_nor_grow(
        row in any::<Index>(), binary in any::<bool>(), changes in vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        let mut bytes = sample(row.index(ROWS.len()), if binary { Codec::Binary } else { Codec::Json });
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (mut decoder, mut scratch) = (FrameDecoder::new(FrameLimits::default()), Scratch::default());
        let (head, tail) = bytes.split_at(cut.index(bytes.len()));
        for piece in [head, tail] {
            let fed = decoder.feed(piece, |frame| {
                if let Ok(header) = Header::decode(frame.codec, frame.header, &mut scratch) {
                    let _ = Request::decode(&header).map_err(|error| error.to_string());
                }
                ControlFlow::Continue(())
            });
            prop_assert!(decoder.memory_bytes() <= 2 * bytes.len() + 64);
            if fed.is_err() {
                break;
            }
        }
    }
}

/// A JSON header with every key of a row, each with the same value.
fn header_of(at: usize, value: &str, without: Option<&str>) -> String {
    let row = &ROWS[at];
    let keys = row.keys.iter().filter(|key| Some(**key) != without);
    let list: Vec<String> = keys.map(|key| format!("\"{key}\":\"{value}\"")).collect();
    format!("{{\"code\":{},\"opaque\":7,\"extFields\":{{{}}}}}", row.code.0, list.join(","))
}

/// A frame of a row, encoded by us.
fn sample(at: usize, codec: Codec) -> Vec<u8> {
    let text = header_of(at, "1", None);
    let mut scratch = Scratch::default();
    let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch).unwrap();
    let request = Request::decode(&header).unwrap();
    let mut bytes = Vec::new();
    encode(
        &mut bytes,
        RequestHead { codec, code: request.code(), opaque: 7, oneway: false },
        &request,
        b"body",
    );
    bytes
}

#[test]
fn every_row_comes_back_in_both_codecs() {
    for (at, row) in ROWS.iter().enumerate() {
        let text = header_of(at, "1", None);
        let mut scratch = Scratch::default();
        let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch).unwrap();
        let request = Request::decode(&header).unwrap();
        assert_eq!(request.code(), row.code);
        for codec in [Codec::Json, Codec::Binary] {
            if codec == Codec::Binary && row.code.0 > i32::from(i16::MAX) {
                continue; // Truncated by the codec itself (PROTOCOL.md "Binary header").
            }
            let (bytes, mut scratch) = (sample(at, codec), Scratch::default());
            let mut decoder = FrameDecoder::new(FrameLimits::default());
            let mut frames = 0;
            decoder
                .feed(&bytes, |frame| {
                    let header = Header::decode(frame.codec, frame.header, &mut scratch).unwrap();
                    assert_eq!(Request::decode(&header).as_ref(), Ok(&request), "{}", row.name);
                    frames += 1;
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(frames, 1);
        }
    }
}

#[test]
fn a_row_without_one_of_its_keys_decodes_or_names_the_key() {
    for (at, row) in ROWS.iter().enumerate() {
        for key in row.keys {
            let text = header_of(at, "1", Some(key));
            let mut scratch = Scratch::default();
            let header = Header::decode(Codec::Json, text.as_bytes(), &mut scratch).unwrap();
            match Request::decode(&header) {
                Ok(_) => {}
                Err(RequestError::Fields(FieldError::Missing { field, .. })) => assert_eq!(field, *key),
                Err(error) => panic!("{}: {error}", row.name),
            }
        }
    }
}

/// Feeds only the first eight bytes of a frame of these lengths.
fn prefix(frame_bytes: usize, header_bytes: usize, codec: u8) -> Result<usize, FrameError> {
    let mut bytes = u32::try_from(frame_bytes - 4).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(header_bytes).unwrap().to_be_bytes());
    bytes[4] = codec;
    let mut decoder = FrameDecoder::new(FrameLimits::default());
    decoder.feed(&bytes, |_| ControlFlow::Continue(()))?;
    assert!(decoder.memory_bytes() <= 64, "grew by a promise: {}", decoder.memory_bytes());
    Ok(decoder.pending_bytes())
}

#[test]
fn lengths_hold_at_the_limit_and_one_above() {
    assert_eq!(prefix(FRAME_BYTES_MAX, 8, 0), Ok(PREFIX_BYTES));
    assert_eq!(
        prefix(FRAME_BYTES_MAX + 1, 8, 0),
        Err(FrameError::TooLarge { bytes: FRAME_BYTES_MAX + 1, limit: FRAME_BYTES_MAX })
    );
    assert_eq!(prefix(FRAME_BYTES_MAX, HEADER_BYTES_MAX, 1), Ok(PREFIX_BYTES));
    assert_eq!(
        prefix(FRAME_BYTES_MAX, HEADER_BYTES_MAX + 1, 1),
        Err(FrameError::HeaderTooLarge { bytes: HEADER_BYTES_MAX + 1, limit: HEADER_BYTES_MAX })
    );
    assert_eq!(prefix(100, 93, 0), Err(FrameError::HeaderOutside { header: 93, frame: 100 }));
    assert_eq!(prefix(100, 92, 0), Ok(PREFIX_BYTES));
    assert_eq!(prefix(100, 10, 2), Err(FrameError::UnknownCodec { number: 2 }));
    assert_eq!(prefix(7, 0, 0), Err(FrameError::TooShort { length: 3 }));
}

#[test]
fn the_largest_frame_passes_and_its_memory_is_given_back() {
    let (header, body) = (vec![b' '; 10], vec![7; FRAME_BYTES_MAX - PREFIX_BYTES - 10]);
    let bytes = wire(&[(Codec::Json, header, body)]);
    assert_eq!(bytes.len(), FRAME_BYTES_MAX);
    let (mut decoder, mut frames) = (FrameDecoder::new(FrameLimits::default()), 0);
    for piece in bytes.chunks(1 << 16) {
        decoder
            .feed(piece, |frame| {
                assert_eq!(frame.wire_bytes(), FRAME_BYTES_MAX);
                frames += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    assert_eq!((frames, decoder.memory_bytes()), (1, 0));
}
