//! [`OutboxPool`]: outboxes that are not in use, so that idle connections hold none and busy ones allocate none.

use rt::Outbox;

/// Spare outboxes, bounded in bytes.
#[derive(Debug, Default)]
pub(super) struct OutboxPool {
    spare: Vec<Outbox>,
    bytes: usize,
}

impl OutboxPool {
    /// An empty outbox with some capacity, the most recently used one first.
    pub(super) fn take(&mut self) -> Outbox {
        let mut out = self.spare.pop().unwrap_or_default();
        self.bytes -= out.bytes().capacity();
        if out.bytes().capacity() == 0 {
            out.bytes().reserve(FIRST_BYTES);
        }
        out
    }

    /// Takes `out` back, emptied, unless the pool is full.
    pub(super) fn put(&mut self, mut out: Outbox) {
        out.clear();
        out.shrink_to(KEEP_BYTES);
        let bytes = out.bytes().capacity();
        if bytes > 0 && self.bytes + bytes <= SPARE_BYTES {
            self.bytes += bytes;
            self.spare.push(out);
        }
    }
}

/// What a new outbox reserves: several small replies.
const FIRST_BYTES: usize = 1024;
/// What an outbox may keep: the replies to a few hundred pipelined sends.
const KEEP_BYTES: usize = 64 << 10;
/// What all spare outboxes of a reactor may keep together.
const SPARE_BYTES: usize = 8 << 20;
