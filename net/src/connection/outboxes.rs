//! [`OutboxPool`]: outboxes that are not in use, so that idle connections hold none and busy ones allocate none.

use rt::Outbox;

/// Spare outboxes, bounded in bytes.
#[derive(Debug, Default)]
pub(super) struct OutboxPool {
    spare: Vec<Outbox>,
    bytes: usize,
    /// The fewest spare ones since the last [`OutboxPool::give_back`]: nobody needed those.
    unused: usize,
}

impl OutboxPool {
    /// An empty outbox with some capacity, the most recently used one first.
    pub(super) fn take(&mut self) -> Outbox {
        let mut out = self.spare.pop().unwrap_or_default();
        self.bytes -= out.bytes().capacity();
        self.unused = self.unused.min(self.spare.len());
        if out.bytes().capacity() == 0 {
            out.bytes().reserve(FIRST_BYTES);
        }
        out
    }

    /// Drops half of what was not needed since the last call, but a few: what a burst left goes within seconds.
    pub(super) fn give_back(&mut self) {
        // The most recently used lie at the end.
        for out in self.spare.drain(..self.unused.saturating_sub(SPARE_MIN).div_ceil(2)) {
            self.bytes -= { out }.bytes().capacity();
        }
        self.unused = self.spare.len();
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
/// Spare outboxes that are never given back.
const SPARE_MIN: usize = 16;
/// What all spare outboxes of a reactor may keep together.
const SPARE_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_burst_left_is_given_back_and_what_is_in_use_is_kept() {
        let mut pool = OutboxPool::default();
        let burst: Vec<Outbox> = (0..1_000).map(|_| pool.take()).collect();
        burst.into_iter().for_each(|out| pool.put(out));
        assert_eq!((pool.spare.len(), pool.bytes), (1_000, 1_000 * FIRST_BYTES));
        // A hundred are in use from now on.
        for _ in 0..20 {
            let busy: Vec<Outbox> = (0..100).map(|_| pool.take()).collect();
            busy.into_iter().for_each(|out| pool.put(out));
            pool.give_back();
        }
        let left = pool.spare.len();
        assert!((100..=100 + SPARE_MIN).contains(&left), "{left} are left");
        assert_eq!(pool.bytes, left * FIRST_BYTES);
        (0..20).for_each(|_| pool.give_back());
        assert_eq!(pool.spare.len(), SPARE_MIN);
    }
}
