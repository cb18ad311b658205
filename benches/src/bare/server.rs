//! The bare server: frames are found by their length, copied behind each other into a ring of memory, their bodies
//! checksummed, and each is answered with the bytes of a broker's usual answer.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use net::{Codec, ReplyTo, ResponseCode, reply};
use rt::Outbox;
use rt::real::bare::{BareWork, bare_server};
use rt::real::cpus;

use super::Options;
use crate::pipeline::Loaded;
use crate::sends::ANSWER;

/// Bytes of the ring that frames are copied into: a log window's.
const RING_BYTES: usize = 64 << 20;

/// Runs the server under load.
///
/// # Errors
/// When it cannot be set up, or counts other frames than were sent.
pub(super) fn measure(options: &Options) -> io::Result<Loaded> {
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, at) = mpsc::channel();
    let (flag, cpu, spin) = (stop.clone(), options.server_cpu, options.spin);
    let server = std::thread::Builder::new().name("bare".into()).spawn(move || {
        cpus::pin_thread(&[cpu])?;
        let mut work = Copying::new();
        let done = bare_server(&flag, spin, |at| tell.send(at).expect("the receiver waits"), &mut work)?;
        Ok::<_, io::Error>((done.frames, work.checksum))
    })?;
    let at = at.recv().map_err(|_| io::Error::other("the bare server did not start"))?;
    let loaded = options.load(at);
    stop.store(true, Ordering::SeqCst);
    let (frames, checksum) = server.join().map_err(|_| io::Error::other("the bare server panicked"))??;
    let loaded = loaded?;
    // And a greeting on each connection.
    std::hint::black_box(checksum);
    if frames != loaded.sent + options.connections as u64 {
        return Err(io::Error::other(format!("{frames} frames came of {}", loaded.sent)));
    }
    Ok(loaded)
}

struct Copying {
    ring: Vec<u8>,
    at: usize,
    /// The start of a frame that the end of a receive cut, by connection.
    partial: Vec<Vec<u8>>,
    answer: Vec<u8>,
    /// Over all bodies, so that no sum can be left out.
    checksum: u32,
}

impl Copying {
    fn new() -> Self {
        // Written once, so that no page is new while it is measured.
        let ring = (0..RING_BYTES).map(|at| at as u8).collect();
        Self { ring, at: 0, partial: Vec::new(), answer: answer(), checksum: 0 }
    }

    fn frame(&mut self, frame: &[u8], out: &mut Vec<u8>) {
        if self.at + frame.len() > RING_BYTES {
            self.at = 0;
        }
        let copy = &mut self.ring[self.at..self.at + frame.len()];
        copy.copy_from_slice(frame);
        let header_bytes = u32::from_be_bytes([0, copy[5], copy[6], copy[7]]) as usize;
        let body = copy.get(8 + header_bytes..).unwrap_or_default();
        self.checksum = self.checksum.rotate_left(1) ^ rt::crc32::hash(body);
        self.at += frame.len();
        out.extend_from_slice(&self.answer);
    }
}

impl BareWork for Copying {
    fn received(&mut self, line: usize, mut bytes: &[u8], out: &mut Vec<u8>) -> u64 {
        self.partial.resize_with(self.partial.len().max(line + 1), Vec::new);
        let mut frames = 0;
        let mut partial = std::mem::take(&mut self.partial[line]);
        while !partial.is_empty() {
            let missing =
                frame_bytes(&partial).map_or(4 - partial.len().min(4), |whole| whole - partial.len());
            let taken = missing.min(bytes.len());
            partial.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if frame_bytes(&partial) == Some(partial.len()) {
                self.frame(&partial, out);
                partial.clear();
                frames += 1;
            } else if bytes.is_empty() {
                break;
            }
        }
        while let Some(whole) = frame_bytes(bytes).filter(|whole| *whole <= bytes.len()) {
            self.frame(&bytes[..whole], out);
            bytes = &bytes[whole..];
            frames += 1;
        }
        partial.extend_from_slice(bytes);
        self.partial[line] = partial;
        frames
    }
}

/// Length of the frame that starts here, if its first field is there.
pub(super) fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<4>()?;
    Some(4 + u32::from_be_bytes(*length) as usize)
}

/// What a broker answers to a send, in JSON.
fn answer() -> Vec<u8> {
    let mut out = Outbox::default();
    let to = ReplyTo { codec: Codec::Json, opaque: 1_000_000_000 };
    reply::with_body(&mut out, to, ResponseCode::SUCCESS, None, &ANSWER, &[]);
    std::mem::take(out.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sends::Sends;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut sends = Sends::new(Codec::Json, "T", 1);
        let mut stream = Vec::new();
        (0..20).for_each(|_| sends.append(&mut stream, 1_700_000_000_000));
        let mut whole = Copying::new();
        let mut out = Vec::new();
        assert_eq!(whole.received(0, &stream, &mut out), 20);
        assert_eq!(out.len(), 20 * whole.answer.len());
        for piece in [1, 3, 7, 1_000, 4_096, 16_384] {
            let mut cut = Copying::new();
            let frames: u64 = stream.chunks(piece).map(|bytes| cut.received(1, bytes, &mut Vec::new())).sum();
            assert_eq!((frames, cut.checksum), (20, whole.checksum), "pieces of {piece}");
            assert_eq!(cut.ring[..stream.len()], stream);
        }
    }
}
