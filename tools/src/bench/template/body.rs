//! [`Body`]: the bodies of one send: a payload as it is, or as many messages as a batch has.

use net::batch::{self, Item};

use super::marks::Marks;
use super::{Message, Shape};

/// See the module.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    /// Of each message: what differs from the next, and the CRC of its body.
    items: Vec<(Marks, u32)>,
    /// Of the payloads alone.
    payload_bytes: usize,
}

impl Body {
    /// Bodies from `payloads`, each with as many messages as a request has; `payloads` are taken in turn.
    #[must_use]
    pub fn all(shape: &Shape, payloads: &[Vec<u8>]) -> Vec<Self> {
        let crcs: Vec<u32> = payloads.iter().map(|payload| rt::crc32::hash(payload)).collect();
        (0..payloads.len())
            .map(|first| {
                let chosen = |item: usize| (first * shape.batch + item) % payloads.len();
                Self::of(
                    shape,
                    (0..shape.batch).map(|item| (&payloads[chosen(item)][..], crcs[chosen(item)])),
                )
            })
            .collect()
    }

    /// Messages in it.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.items.len() as u64
    }

    /// Bytes of the messages' bodies.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes as u64
    }

    /// As sent, with marks where messages of a batch differ.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// CRC of the body of a plain send; `None` for a batch, whose messages carry properties of their own.
    pub(super) fn plain_crc(&self) -> Option<u32> {
        match self.items[..] {
            [(none, crc)] if none.is_empty() => Some(crc),
            _ => None,
        }
    }

    /// Writes what `message` and those behind it say into `bytes`, a copy of this.
    pub(super) fn patch(&self, bytes: &mut [u8], message: &Message, run: u32) {
        let mut message = *message;
        for (marks, crc) in self.items.iter().filter(|(marks, _)| !marks.is_empty()) {
            marks.write(bytes, &message, *crc, run);
            message.number += 1;
            message.key = message.key.wrapping_add(1);
        }
    }

    fn of<'p>(shape: &Shape, payloads: impl Iterator<Item = (&'p [u8], u32)>) -> Self {
        let mut all = Self { bytes: Vec::new(), items: Vec::new(), payload_bytes: 0 };
        if shape.batch == 1 {
            for (payload, crc) in payloads {
                all.bytes.extend_from_slice(payload);
                all.items.push((Marks::default(), crc));
                all.payload_bytes += payload.len();
            }
            return all;
        }
        let properties = shape.properties_text();
        for (payload, crc) in payloads {
            let at = all.bytes.len();
            batch::append(
                &mut all.bytes,
                &Item { flag: 0, body: payload, properties: properties.as_bytes() },
            );
            // Properties are the end of an item.
            let from = all.bytes.len() - properties.len();
            debug_assert!(from >= at);
            all.items.push((shape.marks(&all.bytes[from..]).moved(from), crc));
            all.payload_bytes += payload.len();
        }
        all
    }
}
