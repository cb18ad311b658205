//! The properties of one sent message: one scan that finds what the broker acts on, and writes what is stored.
//!
//! Stored is what the client sent, in its order, without the entries that are for the broker only, followed by what
//! the broker adds (behaviour.md 5.3). PROTOCOL.md "Properties".

use std::ops::Range;

use memchr::memchr;
use net::properties::{ENTRY_END, NAME_VALUE};

/// What the broker writes into every single message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Additions<'a> {
    pub(crate) region: &'a str,
    pub(crate) cluster: &'a str,
    pub(crate) trace_on: bool,
}

/// What the scan found. Ranges are positions in the rewritten properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SendProperties {
    keys: Range<usize>,
    unique_key: Range<usize>,
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

/// Entries that never reach the log.
const CONSUMED: [&[u8]; 2] = [b"WAIT", b"POP_CK"];
const TRANSIENT_PREFIX: &[u8] = b"__RMQ.TRANSIENT.";
/// Entries that the broker itself writes, so that a second copy from a client would only take room.
const OWN: [&[u8]; 3] = [b"MSG_REGION", b"TRACE_ON", b"CLUSTER"];

impl SendProperties {
    /// Scans `sent` and writes what is stored into `stored` (cleared first). `new_key` makes a unique key if the client
    /// sent none.
    pub(crate) fn rewrite(
        sent: &str,
        additions: &Additions<'_>,
        new_key: impl FnOnce() -> String,
        stored: &mut Vec<u8>,
    ) -> Self {
        stored.clear();
        let mut found = Self { wait: true, ..Self::default() };
        for (_, entry, name, value) in entries(sent.as_bytes()) {
            found.notice(name, value, stored.len());
            if !CONSUMED.contains(&name) && !OWN.contains(&name) && !name.starts_with(TRANSIENT_PREFIX) {
                stored.extend_from_slice(entry);
                stored.push(ENTRY_END);
            }
        }
        if found.unique_key.is_empty() {
            let at = stored.len() + b"UNIQ_KEY".len() + 1;
            push(stored, "UNIQ_KEY", &new_key());
            found.unique_key = at..stored.len() - 1;
        }
        push(stored, "MSG_REGION", additions.region);
        push(stored, "TRACE_ON", if additions.trace_on { "true" } else { "false" });
        push(stored, "CLUSTER", additions.cluster);
        found
    }

    /// Scans properties that are stored as they came: those of an item of a batch.
    pub(crate) fn scan(sent: &[u8]) -> Self {
        let mut found = Self { wait: true, ..Self::default() };
        for (at, _, name, value) in entries(sent) {
            found.notice(name, value, at);
        }
        found
    }

    fn notice(&mut self, name: &[u8], value: &[u8], at: usize) {
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

    /// The `KEYS` in the rewritten properties.
    pub(crate) fn keys<'a>(&self, stored: &'a [u8]) -> &'a str {
        text(stored, &self.keys)
    }

    /// The `UNIQ_KEY` in the rewritten properties.
    pub(crate) fn unique_key<'a>(&self, stored: &'a [u8]) -> &'a str {
        text(stored, &self.unique_key)
    }
}

/// The entries that are some: where each begins, all of it, its name, its value. Neither of the two is empty.
fn entries(sent: &[u8]) -> impl Iterator<Item = (usize, &[u8], &[u8], &[u8])> {
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

fn text<'a>(stored: &'a [u8], place: &Range<usize>) -> &'a str {
    // The header was checked to be UTF-8 and is cut at ASCII separators.
    str::from_utf8(&stored[place.clone()]).unwrap_or_default()
}

fn push(stored: &mut Vec<u8>, name: &str, value: &str) {
    stored.extend_from_slice(name.as_bytes());
    stored.push(NAME_VALUE);
    stored.extend_from_slice(value.as_bytes());
    stored.push(ENTRY_END);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDITIONS: Additions<'_> = Additions { region: "R", cluster: "C", trace_on: true };

    fn rewrite(sent: &str) -> (SendProperties, String) {
        let mut stored = b"left over".to_vec();
        let found = SendProperties::rewrite(sent, &ADDITIONS, || "NEW".to_owned(), &mut stored);
        let keys = (found.keys(&stored).to_owned(), found.unique_key(&stored).to_owned());
        let text = String::from_utf8(stored).expect("text in, text out");
        assert!(!keys.1.is_empty(), "every message has a unique key");
        (found, format!("{}|{}|{text}", keys.0, keys.1))
    }

    #[test]
    fn what_the_client_sent_stays_and_the_broker_adds_its_own() {
        let (found, text) = rewrite("KEYS\u{1}k1 k2\u{2}UNIQ_KEY\u{1}U\u{2}TAGS\u{1}TagA\u{2}a\u{1}b\u{2}");
        assert_eq!(
            text,
            "k1 k2|U|KEYS\u{1}k1 k2\u{2}UNIQ_KEY\u{1}U\u{2}TAGS\u{1}TagA\u{2}a\u{1}b\u{2}MSG_REGION\u{1}R\u{2}TRACE_ON\u{1}true\u{2}CLUSTER\u{1}C\u{2}"
        );
        assert_eq!(found.tags_code, 2_598_919);
        assert!(found.wait && found.asks.is_nothing());
    }

    #[test]
    fn a_missing_unique_key_is_made_and_broken_entries_are_dropped() {
        let (_, text) = rewrite("novalue\u{1}\u{2}\u{1}noname\u{2}junk\u{2}x\u{1}y");
        assert!(text.starts_with("|NEW|x\u{1}y\u{2}UNIQ_KEY\u{1}NEW\u{2}"), "{text}");
    }

    #[test]
    fn entries_for_the_broker_are_not_stored() {
        let (found, text) = rewrite(
            "WAIT\u{1}false\u{2}POP_CK\u{1}x\u{2}__RMQ.TRANSIENT.a\u{1}1\u{2}CLUSTER\u{1}Forged\u{2}UNIQ_KEY\u{1}U",
        );
        assert!(!found.wait);
        assert!(text.starts_with("|U|UNIQ_KEY\u{1}U\u{2}MSG_REGION"), "{text}");
        assert!(!text.contains("Forged"));
    }

    #[test]
    fn what_asks_for_more_than_an_append_is_noticed() {
        for sent in ["DELAY\u{1}3", "TIMER_DELAY_SEC\u{1}5", "TIMER_DELIVER_MS\u{1}5", "TRAN_MSG\u{1}true"] {
            assert_eq!(rewrite(sent).0.asks, Asks::WAIT, "{sent}");
        }
        assert_eq!(rewrite("_SYS_MSG_PRIORITY_\u{1}5").0.asks, Asks::PRIORITY);
        assert!(rewrite("KEYS\u{1}DELAY\u{2}DELAYED\u{1}3").0.asks.is_nothing());
    }
}
