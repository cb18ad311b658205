//! [`StoredProperties`]: what the properties of sends become in the log, one send after the other.
//!
//! Stored is what the client sent, in its order, without the entries that are for the broker only, followed by what
//! the broker adds (behaviour.md 5.3).
//!
//! The messages of a producer differ in few values, most of all in the unique key. So the last properties are kept
//! beside what they became: those that differ from them in nothing but equally long values of `KEYS` and `UNIQ_KEY`
//! are compared and not scanned, and only these values are written anew.

use net::properties::{ENTRY_END, NAME_VALUE};

use super::properties::{SendProperties, entries};

/// Writes the properties of single messages as they are stored.
#[derive(Debug)]
pub(crate) struct StoredProperties {
    /// What the broker adds to every message.
    additions: String,
    /// The last properties that were scanned.
    sent: Vec<u8>,
    /// What was found in them, by their own positions.
    found_in_sent: SendProperties,
    /// What was found, by positions in `stored`.
    found: SendProperties,
    stored: Vec<u8>,
}

/// Entries that never reach the log.
const CONSUMED: [&[u8]; 2] = [b"WAIT", b"POP_CK"];
const TRANSIENT_PREFIX: &[u8] = b"__RMQ.TRANSIENT.";
/// Entries that the broker itself writes, so that a second copy from a client would only take room.
const OWN: [&[u8]; 3] = [b"MSG_REGION", b"TRACE_ON", b"CLUSTER"];

impl StoredProperties {
    /// Of a broker in this region and cluster.
    pub(crate) fn new(region: &str, cluster: &str, trace_on: bool) -> Self {
        let entry = |name: &str, value: &str| format!("{name}\u{1}{value}\u{2}");
        let additions = [
            entry("MSG_REGION", region),
            entry("TRACE_ON", if trace_on { "true" } else { "false" }),
            entry("CLUSTER", cluster),
        ];
        Self {
            additions: additions.concat(),
            sent: Vec::new(),
            found_in_sent: SendProperties::nothing(),
            found: SendProperties::nothing(),
            stored: Vec::new(),
        }
    }

    /// What `sent` becomes, and what was found in it; `new_key` makes a unique key if the client sent none. Allocates
    /// nothing once it met the longest properties.
    #[inline]
    pub(crate) fn write(&mut self, sent: &str, new_key: impl FnOnce() -> String) -> (&SendProperties, &[u8]) {
        let sent = sent.as_bytes();
        // A key that the broker made is for one message.
        let has_key = !self.found_in_sent.unique_key.is_empty();
        if has_key && self.found_in_sent.is_alike(&self.sent, sent) {
            self.stored[self.found.keys.clone()].copy_from_slice(self.found_in_sent.keys(sent));
            self.stored[self.found.unique_key.clone()].copy_from_slice(self.found_in_sent.unique_key(sent));
        } else {
            self.rewrite(sent, new_key);
        }
        (&self.found, &self.stored)
    }

    fn rewrite(&mut self, sent: &[u8], new_key: impl FnOnce() -> String) {
        let Self { additions, found_in_sent, found, stored, .. } = self;
        stored.clear();
        (*found_in_sent, *found) = (SendProperties::nothing(), SendProperties::nothing());
        for (at, entry, name, value) in entries(sent) {
            found_in_sent.notice(name, value, at);
            found.notice(name, value, stored.len());
            if !CONSUMED.contains(&name) && !OWN.contains(&name) && !name.starts_with(TRANSIENT_PREFIX) {
                stored.extend_from_slice(entry);
                stored.push(ENTRY_END);
            }
        }
        if found.unique_key.is_empty() {
            stored.extend_from_slice(b"UNIQ_KEY");
            stored.push(NAME_VALUE);
            let at = stored.len();
            stored.extend_from_slice(new_key().as_bytes());
            found.unique_key = at..stored.len();
            stored.push(ENTRY_END);
        }
        stored.extend_from_slice(additions.as_bytes());
        self.sent.clear();
        self.sent.extend_from_slice(sent);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Asks;
    use super::*;

    fn memory() -> StoredProperties {
        StoredProperties::new("R", "C", true)
    }

    fn rewrite(sent: &str) -> (SendProperties, String) {
        written(&mut memory(), sent)
    }

    fn written(memory: &mut StoredProperties, sent: &str) -> (SendProperties, String) {
        let (found, stored) = memory.write(sent, || "NEW".to_owned());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text in, text out");
        let keys = (text(found.keys(stored)), text(found.unique_key(stored)));
        assert!(!keys.1.is_empty(), "every message has a unique key");
        (found.clone(), format!("{}|{}|{}", keys.0, keys.1, text(stored)))
    }

    /// Properties whose values are as long, more often than not, or that differ in where their separators stand.
    fn properties() -> impl Strategy<Value = String> {
        let name =
            prop::sample::select(vec!["KEYS", "UNIQ_KEY", "TAGS", "WAIT", "DELAY", "CLUSTER", "a", ""]);
        let value = prop::sample::select(vec!["k1", "k2", "\u{e9}", "1\u{1}", "\u{2}2", "false", ""]);
        prop::collection::vec((name, value), 0..4).prop_map(|entries| {
            entries.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect()
        })
    }

    proptest! {
        #[test]
        fn a_memory_of_others_changes_nothing(sends in prop::collection::vec(properties(), 1..12)) {
            let mut memory = memory();
            for sent in &sends {
                prop_assert_eq!(written(&mut memory, sent), rewrite(sent));
            }
        }

        #[test]
        fn what_is_alike_is_scanned_alike(known in properties(), new in properties()) {
            let found = SendProperties::scan(known.as_bytes());
            if found.is_alike(known.as_bytes(), new.as_bytes()) {
                prop_assert_eq!(found, SendProperties::scan(new.as_bytes()));
            }
        }
    }

    #[test]
    fn the_next_send_of_a_producer_is_not_scanned() {
        let mut memory = memory();
        let sent = |number: u32| {
            format!("KEYS\u{1}order-{number}\u{2}UNIQ_KEY\u{1}7F{number:04X}\u{2}WAIT\u{1}true")
        };
        written(&mut memory, &sent(10));
        let scanned = memory.sent.clone();
        let (found, text) = written(&mut memory, &sent(11));
        assert_eq!(memory.sent, scanned, "it was taken over");
        assert_eq!((found, text), rewrite(&sent(11)));
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
