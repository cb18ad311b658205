//! [`Frames`]: sends of scenario B1, whose answers are told by their lengths alone, so that they cost the same from
//! either server. Answers come in the order of the requests.

use net::Codec;
use rt::Now;

use super::server::frame_bytes;
use crate::pipeline::{Heard, Talk, Waiting};
use crate::sends::Sends;

/// See the module.
pub(super) struct Frames {
    sends: Sends,
    lines: Vec<Line>,
}

#[derive(Default)]
struct Line {
    waiting: Waiting,
    /// Bytes of the answer that is coming, and how many of them are missing.
    head: Vec<u8>,
    missing: usize,
}

impl Frames {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            sends: Sends::new(Codec::Json, "Bare", 1),
            lines: (0..connections).map(|_| Line::default()).collect(),
        }
    }
}

impl Talk for Frames {
    /// A send to a topic that is not there: nothing is said, and everything may be.
    fn greet(&mut self, line: usize, out: &mut Vec<u8>) {
        self.sends.append(out, 0);
        self.lines[line].waiting.greeted();
    }

    fn request(&mut self, line: usize, slot: usize, out: &mut Vec<u8>, now: Now) {
        self.sends.append(out, now.unix_ms);
        self.lines[line].waiting.asked(slot);
    }

    fn received(
        &mut self,
        line: usize,
        bytes: &[u8],
        _: &mut Vec<u8>,
        heard: &mut Heard,
    ) -> Result<(), String> {
        let line = &mut self.lines[line];
        for _ in 0..line.answers(bytes) {
            line.waiting.answered(heard)?;
        }
        Ok(())
    }
}

impl Line {
    /// Counts the answers that end in `bytes`.
    fn answers(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        while !bytes.is_empty() {
            if self.missing > 0 {
                let taken = self.missing.min(bytes.len());
                self.missing -= taken;
                bytes = &bytes[taken..];
            } else {
                let taken = (4 - self.head.len()).min(bytes.len());
                self.head.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                let Some(whole) = frame_bytes(&self.head) else { break };
                self.missing = whole - self.head.len();
                self.head.clear();
            }
            ended += usize::from(self.missing == 0 && self.head.is_empty());
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_however_they_are_cut() {
        let answer = [&[0, 0, 0, 6][..], &[9; 6]].concat();
        let stream = answer.repeat(5);
        for piece in 1..=stream.len() {
            let mut line = Line::default();
            let ended: usize = stream.chunks(piece).map(|bytes| line.answers(bytes)).sum();
            assert_eq!(ended, 5, "pieces of {piece}");
        }
    }
}
