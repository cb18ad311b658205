//! The properties of a sent message: one scan that finds what the broker acts on. PROTOCOL.md "Properties".

use std::ops::Range;

use memchr::memchr;
use net::properties::{ENTRY_END, NAME_VALUE};

/// What the scan found. Ranges are positions in what was scanned, or in what was written from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SendProperties {
    pub(super) keys: Range<usize>,
    pub(super) unique_key: Range<usize>,
    /// For the queue entry.
    pub(crate) tags_code: i64,
    /// `WAIT` is not `false`: answer when the flush mode is satisfied.
    pub(crate) wait: bool,
    /// It asks for more than an append.
    pub(crate) asks: Asks,
}

/// What of the properties asks for more than an append: bits, so that a plain message is known by one comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asks(u8);

impl Asks {
    /// To wait: a delay, a time, a transaction.
    pub(crate) const WAIT: Self = Self(1);
    /// For a queue by its priority.
    pub(crate) const PRIORITY: Self = Self(2);

    /// For light queues besides its own.
    pub(crate) const DISPATCH: Self = Self(4);
    /// To count as several messages.
    pub(crate) const INNER: Self = Self(8);
    /// It says where it lies in light queues, which only the broker may.
    pub(crate) const PLACES: Self = Self(16);

    /// It asks for nothing.
    #[inline]
    pub(crate) fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether it asks for `what`.
    #[inline]
    pub(crate) fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }

    fn add(&mut self, what: Self) {
        self.0 |= what.0;
    }
}

impl SendProperties {
    /// Scans properties that are stored as they came: those of an item of a batch.
    pub(crate) fn scan(sent: &[u8]) -> Self {
        let mut found = Self::nothing();
        for (at, _, name, value) in entries(sent) {
            found.notice(name, value, at);
        }
        found
    }

    /// Of properties that say nothing.
    pub(super) fn nothing() -> Self {
        Self { wait: true, ..Self::default() }
    }

    /// Whether a scan of `new` would find what it found in `known`, at the same places: all is equal but for values of
    /// `KEYS` and `UNIQ_KEY` that are as long.
    #[inline]
    pub(super) fn is_alike(&self, known: &[u8], new: &[u8]) -> bool {
        if known.len() != new.len() {
            return false;
        }
        let (first, second) = if self.keys.start <= self.unique_key.start {
            (&self.keys, &self.unique_key)
        } else {
            (&self.unique_key, &self.keys)
        };
        known[..first.start] == new[..first.start]
            && known[first.end..second.start] == new[first.end..second.start]
            && known[second.end..] == new[second.end..]
            && is_value(&new[first.clone()])
            && is_value(&new[second.clone()])
    }

    pub(super) fn notice(&mut self, name: &[u8], value: &[u8], at: usize) {
        let start = at + name.len() + 1;
        let place = start..start + value.len();
        match name {
            b"KEYS" => self.keys = place,
            b"UNIQ_KEY" => self.unique_key = place,
            b"TAGS" => self.tags_code = str::from_utf8(value).map_or(0, net::properties::tags_code),
            b"WAIT" => self.wait = !value.eq_ignore_ascii_case(b"false"),
            b"TRAN_MSG" | b"DELAY" | b"TIMER_DELIVER_MS" | b"TIMER_DELAY_MS" | b"TIMER_DELAY_SEC" => {
                self.asks.add(Asks::WAIT);
            }
            b"_SYS_MSG_PRIORITY_" => self.asks.add(Asks::PRIORITY),
            b"INNER_MULTI_DISPATCH" => self.asks.add(Asks::DISPATCH),
            b"INNER_MULTI_QUEUE_OFFSET" => self.asks.add(Asks::PLACES),
            b"INNER_NUM" => self.asks.add(Asks::INNER),
            _ => {}
        }
    }

    /// The `KEYS` in the properties that were scanned, or written.
    #[inline]
    pub(crate) fn keys<'a>(&self, properties: &'a [u8]) -> &'a [u8] {
        &properties[self.keys.clone()]
    }

    /// The `UNIQ_KEY` in the properties that were scanned, or written.
    #[inline]
    pub(crate) fn unique_key<'a>(&self, properties: &'a [u8]) -> &'a [u8] {
        &properties[self.unique_key.clone()]
    }
}

/// The entries that are some: where each begins, all of it, its name, its value. Neither of the two is empty.
pub(super) fn entries(sent: &[u8]) -> impl Iterator<Item = (usize, &[u8], &[u8], &[u8])> {
    let mut next = 0;
    std::iter::from_fn(move || {
        while next < sent.len() {
            let at = next;
            let rest = &sent[at..];
            let entry = &rest[..memchr(ENTRY_END, rest).unwrap_or(rest.len())];
            next += entry.len() + 1;
            let Some(end) = memchr(NAME_VALUE, entry) else { continue };
            let (name, value) = (&entry[..end], &entry[end + 1..]);
            if !name.is_empty() && !value.is_empty() {
                return Some((at, entry, name, value));
            }
        }
        None
    })
}

/// Whether these bytes would stay one value, wherever they stand. No branch a byte, so that it becomes a few vectors.
#[inline]
fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |is, byte| is & (*byte != NAME_VALUE) & (*byte != ENTRY_END))
}
