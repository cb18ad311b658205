//! Frames, headers and requests.

use std::ops::ControlFlow;

use net::client::{RequestHead, encode};
use net::header::EXT_FIELDS_MAX;
use net::{Codec, Frame, FrameDecoder, FrameError, FrameLimits, Header, Request, Scratch};

const LIMITS: FrameLimits = FrameLimits { frame_bytes: 64 << 10, header_bytes: 8 << 10 };

/// The stream behind the first two bytes, whole and cut into pieces (as those two say): the same frames and the same
/// end, and never more memory than a frame of the largest size takes.
pub(crate) fn frames(data: &[u8]) {
    let Some((cut, stream)) = data.split_first_chunk::<2>() else { return };
    let whole = decode(&[stream]);
    let piece = usize::from(u16::from_le_bytes(*cut) % 512) + 1;
    let pieces: Vec<&[u8]> = stream.chunks(piece).collect();
    assert_eq!(decode(&pieces), whole, "pieces of {piece} bytes");
}

type Decoded = (Vec<(Codec, Vec<u8>, Vec<u8>)>, Option<FrameError>);

fn decode(pieces: &[&[u8]]) -> Decoded {
    let mut decoder = FrameDecoder::new(LIMITS);
    let mut frames = Vec::new();
    for piece in pieces {
        let outcome = decoder.feed(piece, |frame| {
            header(frame.codec, frame.header);
            frames.push((frame.codec, frame.header.to_vec(), frame.body.to_vec()));
            ControlFlow::Continue(())
        });
        assert!(decoder.memory_bytes() <= 2 * LIMITS.frame_bytes, "memory follows the bytes received");
        if let Err(error) = outcome {
            return (frames, Some(error));
        }
    }
    for (codec, header, body) in &frames {
        let mut bytes = Vec::new();
        net::frame::encode(&mut bytes, &Frame { codec: *codec, header, body });
        let mut again = Vec::new();
        let read = FrameDecoder::new(LIMITS).feed(&bytes, |frame| {
            again.push((frame.codec, frame.header.to_vec(), frame.body.to_vec()));
            ControlFlow::Continue(())
        });
        assert!(
            read.is_ok() && again == [(*codec, header.clone(), body.clone())],
            "a frame encodes and decodes"
        );
    }
    (frames, None)
}

pub(crate) fn json_header(data: &[u8]) {
    header(Codec::Json, data);
}

pub(crate) fn binary_header(data: &[u8]) {
    header(Codec::Binary, data);
}

/// A header that decodes keeps its limits; a request in it that decodes is encoded, in both codecs, to bytes that
/// decode to the same request.
fn header(codec: Codec, bytes: &[u8]) {
    let mut scratch = Scratch::default();
    let Ok(header) = Header::decode(codec, bytes, &mut scratch) else { return };
    assert!(header.ext.iter().count() <= EXT_FIELDS_MAX);
    let Ok(request) = Request::decode(&header) else { return };
    assert_eq!(request.code().0, header.code);
    let opaque = header.opaque;
    for codec in [Codec::Json, Codec::Binary] {
        // The binary codec has 16 bits for a code and no difference between nothing and an empty text.
        if codec == Codec::Binary
            && (i16::try_from(header.code).is_err() || header.ext.iter().any(|(_, value)| value.is_empty()))
        {
            continue;
        }
        let mut bytes = Vec::new();
        encode(&mut bytes, RequestHead { codec, code: request.code(), opaque, oneway: false }, &request, &[]);
        let read = FrameDecoder::default().feed(&bytes, |frame| {
            let mut scratch = Scratch::default();
            let again =
                Header::decode(frame.codec, frame.header, &mut scratch).expect("what we encode is a header");
            assert_eq!((again.code, again.opaque), (header.code, opaque));
            assert_eq!(Request::decode(&again).as_ref(), Ok(&request), "in {codec:?}");
            ControlFlow::Continue(())
        });
        assert!(read.is_ok(), "what we encode is a frame");
    }
}
