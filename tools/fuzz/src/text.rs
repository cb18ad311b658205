//! Small formats: properties, batches, message ids, names, configuration.

use std::path::Path;

use net::admin_sources::AdminSources;
use net::batch::{self, Item};
use net::message_id::{OFFSET_ID_CHARS_MAX, OffsetMessageId};
use net::{names, properties};
use store::record::{INNER_BATCH, INNER_MAX, inner_batch, is_light_name, light_names, light_places};

/// What the scan finds is what a lookup finds, and what is dropped is gone while the rest stays in its order.
pub(crate) fn properties(data: &[u8]) {
    let entries: Vec<(&[u8], &[u8])> = properties::iter(data).collect();
    for (name, value) in &entries {
        assert!(!name.is_empty() && !value.is_empty());
        let Ok(name) = str::from_utf8(name) else { continue };
        let last = entries.iter().rev().find(|(other, _)| other == &name.as_bytes()).map(|(_, value)| *value);
        assert_eq!(properties::find(data, name), last, "{value:?}");
        let mut rest = Vec::new();
        properties::append_without(&mut rest, data, |other| other == name.as_bytes());
        assert_eq!(properties::find(&rest, name), None);
        let kept = entries.iter().filter(|(other, _)| *other != name.as_bytes()).copied();
        assert!(properties::iter(&rest).eq(kept), "the others stay");
    }
    spread(data);
    if let Ok(text) = str::from_utf8(data) {
        let _any_number = properties::tags_code(text);
        let _may_refuse = (names::check_topic(text), names::check_group(text));
        if let Ok(id) = OffsetMessageId::parse(text) {
            let mut buffer = [0; OFFSET_ID_CHARS_MAX];
            assert_eq!(OffsetMessageId::parse(id.format(&mut buffer)).ok(), Some(id));
        }
    }
}

/// However a record says that it has more entries than one, they are so many, in queues that may be, each asked for once.
fn spread(data: &[u8]) {
    assert!((1..=INNER_MAX).contains(&inner_batch("T", INNER_BATCH, data)));
    assert_eq!(inner_batch("T", 0, data), 1);
    let names: Vec<&str> = light_names("T", data).collect();
    for (at, name) in names.iter().enumerate() {
        assert!(is_light_name(name) && !names[..at].contains(name));
    }
    for (name, _offset) in light_places("T", data) {
        assert!(names.contains(&name), "a place only where it is asked for");
    }
    assert_eq!(light_places("%RETRY%g", data).count(), 0);
}

/// Items that are whole encode to the bytes' meaning again, and their number is bounded by the bytes.
pub(crate) fn batch(data: &[u8]) {
    let items: Vec<Item<'_>> = batch::items(data).map_while(Result::ok).collect();
    assert!(items.len() * batch::ITEM_BYTES_FIXED <= data.len());
    let mut bytes = Vec::new();
    items.iter().for_each(|item| batch::append(&mut bytes, item));
    let again: Vec<Item<'_>> =
        batch::items(&bytes).map(|item| item.expect("what we encode is whole")).collect();
    assert_eq!(again, items);
}

/// A configuration file in both dialects, and the list of admin networks.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    for name in ["broker.conf", "broker.toml"] {
        if let Err(problem) = settings::from_text(Path::new(name), text) {
            assert!(!problem.to_string().is_empty());
        }
    }
    let _may_refuse = AdminSources::parse(text);
}

/// What consumers hand back of popped messages, and the rows that remember those that are out.
pub(crate) fn receipts(data: &[u8]) {
    broker::fuzzing::receipt(data);
    broker::fuzzing::acknowledged_bits(data);
    broker::fuzzing::rows(data);
}
