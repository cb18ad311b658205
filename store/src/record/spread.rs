//! What the properties of a record say about entries besides its own. store.md 2.9 and 2.10.

use super::property;

/// Messages one record may hold: what RocketMQ's queue entry of a batch can count.
pub const INNER_MAX: u32 = 32_767;
/// Every light queue's name begins so.
pub const LIGHT_PREFIX: &str = "%LMQ%";
/// Beginnings of the names of topics in which messages wait, or which the broker writes for itself.
const WAITING: &[&str] = &["rmq_sys_", "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_"];
/// Names of the properties.
const INNER_NUM: &str = "INNER_NUM";
const NAMES: &str = "INNER_MULTI_DISPATCH";
const OFFSETS: &str = "INNER_MULTI_QUEUE_OFFSET";
/// `sys_flag`: the record holds several messages.
pub const INNER_BATCH: i32 = 0x80;
/// `sys_flag`: and consumers take them apart.
pub const NEED_UNWRAP: i32 = 0x40;

/// How many messages, and so how many entries, a record of `topic` has. What waits under a topic of the broker's own is
/// one message, whatever it holds.
#[must_use]
pub fn inner_batch(topic: &str, sys_flag: i32, properties: &[u8]) -> u32 {
    if sys_flag & INNER_BATCH == 0 || WAITING.iter().any(|prefix| topic.starts_with(prefix)) {
        return 1;
    }
    let digits = property(properties, INNER_NUM).and_then(|value| str::from_utf8(value).ok());
    let count = digits.and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(1);
    count.clamp(1, INNER_MAX)
}

/// Whether messages of `topic` may lie in light queues: not those that come by again, nor what waits.
#[must_use]
pub fn may_feed_light_queues(topic: &str) -> bool {
    !["%RETRY%", "%DLQ%"].iter().chain(WAITING).any(|prefix| topic.starts_with(prefix))
}

/// Whether this is a name that a light queue may have.
#[must_use]
pub fn is_light_name(name: &str) -> bool {
    let own = name.strip_prefix(LIGHT_PREFIX).unwrap_or_default();
    !own.is_empty() && name.len() <= 255 && !own.contains(['/', ',', '\0'])
}

/// The light queues that a message of `topic` asks for, each once.
pub fn light_names<'a>(topic: &str, properties: &'a [u8]) -> impl Iterator<Item = &'a str> {
    let names = may_feed_light_queues(topic).then(|| property(properties, NAMES)).flatten();
    let names = names.and_then(|value| str::from_utf8(value).ok()).unwrap_or_default();
    let is_first =
        move |(at, name): &(usize, &str)| !names.split(',').take(*at).any(|before| before == *name);
    names.split(',').enumerate().filter(is_first).map(|(_, name)| name).filter(|name| is_light_name(name))
}

/// The light queues that a record lies in, with its offset in each. The list of offsets has a place for each name of the
/// list of names; where it is empty, or the lists differ in length, there is no entry.
pub fn light_places<'a>(topic: &str, properties: &'a [u8]) -> impl Iterator<Item = (&'a str, u64)> {
    let list = |name| property(properties, name).and_then(|value| str::from_utf8(value).ok());
    let lists = may_feed_light_queues(topic).then(|| Some((list(NAMES)?, list(OFFSETS)?))).flatten();
    let (names, offsets) = lists.unwrap_or_default();
    names
        .split(',')
        .zip(offsets.split(','))
        .filter(|(name, _)| is_light_name(name))
        .filter_map(|(name, offset)| Some((name, offset.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(pairs: &[(&str, &str)]) -> Vec<u8> {
        pairs.iter().flat_map(|(name, value)| format!("{name}\u{1}{value}\u{2}").into_bytes()).collect()
    }

    #[test]
    fn a_record_lies_in_the_light_queues_that_it_names_with_an_offset() {
        let both = wire(&[(NAMES, "%LMQ%a,plain,%LMQ%b,%LMQ%x/y"), (OFFSETS, "4,,7,9")]);
        assert_eq!(light_places("T", &both).collect::<Vec<_>>(), [("%LMQ%a", 4), ("%LMQ%b", 7)]);
        assert_eq!(light_places("%RETRY%g", &both).count(), 0);
        assert_eq!(light_places("T", &wire(&[(NAMES, "%LMQ%a")])).count(), 0);
        assert_eq!(light_places("T", b"").count(), 0);
    }

    #[test]
    fn a_queue_named_twice_is_asked_for_once() {
        let names = wire(&[(NAMES, "%LMQ%a,%LMQ%b,%LMQ%a,%LMQ%,a")]);
        assert_eq!(light_names("T", &names).collect::<Vec<_>>(), ["%LMQ%a", "%LMQ%b"]);
        assert_eq!(light_names("SCHEDULE_TOPIC_XXXX", &names).count(), 0);
    }

    #[test]
    fn only_the_flag_makes_a_record_a_batch() {
        let three = wire(&[(INNER_NUM, "3")]);
        assert_eq!((inner_batch("T", 0, &three), inner_batch("%RETRY%g", INNER_BATCH, &three)), (1, 3));
        assert_eq!(inner_batch("SCHEDULE_TOPIC_XXXX", INNER_BATCH, &three), 1, "it waits as one");
        assert_eq!(inner_batch("T", INNER_BATCH, b""), 1);
        assert_eq!(inner_batch("T", INNER_BATCH, &wire(&[(INNER_NUM, "99999999")])), INNER_MAX);
        assert_eq!(inner_batch("T", INNER_BATCH, &wire(&[(INNER_NUM, "-1")])), 1);
    }
}
