//! [`Shape`]: what all messages of a run have in common, and the properties that follow from it.

use net::Codec;
use net::properties::{self as wire, keys};

use crate::bench::act::Class;
use crate::bench::stamp;

use super::marks::{DUE_MARK, DUE_MARK_2, KEY_MARK, Marks, STAMP_MARK, UNIQUE_MARK, only};

/// See the module.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How headers are spelled.
    pub codec: Codec,
    /// Producer group.
    pub group: String,
    /// Messages in a request: 1 is a plain send.
    pub batch: usize,
    /// No answers wanted.
    pub oneway: bool,
    /// Each message carries UNIQ_KEY and WAIT, as those of a Java producer.
    pub java_properties: bool,
    /// Each message carries a [`Stamp`](stamp::Stamp).
    pub stamped: bool,
    /// Each message carries KEYS.
    pub keyed: bool,
    /// TAGS of each message.
    pub tag: Option<String>,
    /// Other properties of each message.
    pub properties: Vec<(String, String)>,
    /// `sysFlag`: whether bodies are compressed, and how.
    pub sys_flag: i32,
    /// Which run this is: part of unique keys.
    pub run: u32,
    /// What its messages are.
    pub class: Class,
    /// Delayed messages: their level; without one they say when they are due.
    pub level: Option<u32>,
    /// Delayed messages carry their due time under this name too (RocketMQ's timer benchmark does).
    pub due_property: Option<String>,
}

impl Shape {
    /// The properties of a message as sent, with a mark for everything that differs between two messages.
    pub(super) fn properties_text(&self) -> String {
        let mut text = String::new();
        let mut add = |name: &str, value: &str| {
            text.push_str(name);
            text.push(wire::NAME_VALUE as char);
            text.push_str(value);
            text.push(wire::ENTRY_END as char);
        };
        if self.keyed {
            add(keys::KEYS, KEY_MARK);
        }
        if let Some(tag) = &self.tag {
            add(keys::TAGS, tag);
        }
        self.properties.iter().for_each(|(name, value)| add(name, value));
        match (self.class, self.level) {
            (Class::Plain, _) => {}
            (Class::Half, _) => {
                add(keys::TRAN_MSG, "true");
                add(keys::PGROUP, &self.group);
            }
            (Class::Later, Some(level)) => add(keys::DELAY, &level.to_string()),
            (Class::Later, None) => add(keys::TIMER_DELIVER_MS, DUE_MARK),
        }
        if let (Class::Later, Some(name)) = (self.class, &self.due_property) {
            add(name, DUE_MARK_2);
        }
        if self.java_properties || self.class == Class::Half {
            add(keys::UNIQ_KEY, &format!("7F000001{:08X}{UNIQUE_MARK}", self.run));
            add(keys::WAIT, "true");
        }
        if self.stamped {
            add(stamp::NAME, STAMP_MARK);
        }
        text
    }

    /// Where the marks of [`Shape::properties_text`] stand in `bytes`, which hold that text once.
    pub(super) fn marks(&self, bytes: &[u8]) -> Marks {
        let find = |wanted: bool, mark: &str| wanted.then(|| only(bytes, mark.as_bytes()));
        Marks {
            unique: find(self.java_properties || self.class == Class::Half, UNIQUE_MARK),
            key: find(self.keyed, KEY_MARK),
            stamp: find(self.stamped, STAMP_MARK),
            due: [
                find(self.class == Class::Later && self.level.is_none(), DUE_MARK),
                find(self.class == Class::Later && self.due_property.is_some(), DUE_MARK_2),
            ],
            half: self.class == Class::Half,
        }
    }
}
