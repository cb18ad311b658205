//! The shard's metadata on disk: topics, groups, consumer offsets in the store's tables. FORMAT.md "Tables".
//!
//! A change is in memory at once. An administrator's change is answered when it is flushed; a topic or group made on
//! the fly is flushed within a second, and made again by the same traffic if that second is lost.

use net::ResponseCode;
use net::body::{SetMessageRequestModeBody, SubscriptionGroupConfig};
use net::pop::Kind;
use rt::{Class, Env, Now};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::tables::TablesError;

use crate::call::{Call, Done, Outcome, Refused};
use crate::locks::LockedQueue;
use crate::shard::Shard;
use crate::topics::TopicConfig;

mod keys;
mod loading;
mod progress;

use keys::{lock_key, mode_key, offset_key};

/// Topic configurations: name to JSON.
pub(crate) const TOPICS: u8 = 1;
/// Group configurations: name to JSON.
pub(crate) const GROUPS: u8 = 2;
/// Consumer offsets: see [`keys::offset_key`], to 8 bytes big-endian.
pub(crate) const OFFSETS: u8 = 3;
/// Single facts: name to JSON.
pub(crate) const FACTS: u8 = 4;
/// Topics a group may not read: group, NUL, topic, to 4 bytes big-endian.
pub(crate) const FORBIDDEN: u8 = 5;
/// Progress of the delay levels: queue id, 4 bytes big-endian, to the first offset not delivered, 8 bytes big-endian.
pub(crate) const DELAYS: u8 = 6;
/// Progress of the messages for a time: slot, 4 bytes big-endian, to the offset behind its consumed entries, and
/// [`progress::WATERMARK`] to the time up to which all were delivered; 8 bytes big-endian each.
pub(crate) const TIMED: u8 = 7;
/// Recalled messages: position, 8 bytes big-endian, to their due time, 8 bytes big-endian.
pub(crate) const RECALLED: u8 = 8;
/// Messages that were popped and are not acknowledged: see [`crate::pop`].
pub(crate) const POPPED: u8 = 20;
/// What ordered pops took last, by queue: see [`crate::pop`].
pub(crate) const POP_ORDERS: u8 = 21;
/// How a group is to consume a topic: topic, NUL, group, to JSON.
pub(crate) const REQUEST_MODES: u8 = 22;
/// Who holds a queue's lock: as [`keys::offset_key`], to the client id.
pub(crate) const LOCKS: u8 = 23;

const TOPICS_VERSION: &[u8] = b"topics version";
const GROUPS_VERSION: &[u8] = b"groups version";

impl<E: Env> Shard<E> {
    /// Makes or replaces a topic, in memory and in the tables. True if anything changed.
    pub(crate) fn put_topic(&mut self, config: TopicConfig, now: Now) -> bool {
        let (name, json) = (config.name.clone(), to_json(&config));
        if !self.topics.put(config, now.unix_ms) {
            return false;
        }
        let version = to_json(self.topics.version().wire());
        let tables = self.store.tables();
        keep(tables.put(TOPICS, name.as_bytes(), &json));
        keep(tables.put(FACTS, TOPICS_VERSION, &version));
        self.topics_changed();
        true
    }

    /// Removes a topic with its queues and offsets.
    pub(crate) fn remove_topic(&mut self, name: &str, now: Now) {
        self.release_topic(name, now);
        self.remove_pops_of_topic(name, now);
        self.drop_request_modes();
        if self.topics.remove(name, now.unix_ms).is_none() {
            return;
        }
        self.remove_pop_retry_topics(name, now);
        self.offsets.remove_topic(name);
        self.store_offsets();
        self.store.delete_topic(name);
        let version = to_json(self.topics.version().wire());
        let tables = self.store.tables();
        keep(tables.delete(TOPICS, name.as_bytes()));
        keep(tables.put(FACTS, TOPICS_VERSION, &version));
        self.topics_changed();
    }

    /// Removes the retry topics of the groups that popped a topic, unless the operator keeps them.
    fn remove_pop_retry_topics(&mut self, topic: &str, now: Now) {
        if !self.config.clear_retries {
            return;
        }
        let groups: Vec<String> = self.offsets.groups_of(topic).into_iter().map(str::to_owned).collect();
        for group in groups {
            for kind in [Kind::RetryV1, Kind::RetryV2] {
                let retry = kind.topic_of(&group, topic);
                // The retry topic of a group whose own name ends like this topic is no pop's.
                let owner = net::names::retry_group(&retry).and_then(|owner| self.groups.get(owner));
                if owner.is_none() {
                    self.remove_topic(&retry, now);
                }
            }
        }
    }

    /// Makes or replaces a group. True if anything changed.
    pub(crate) fn put_group(&mut self, config: SubscriptionGroupConfig, now: Now) -> bool {
        let (name, json) = (config.group_name.clone(), to_json(&config));
        if !self.groups.put(config, now.unix_ms) {
            return false;
        }
        let version = to_json(self.groups.version().wire());
        let tables = self.store.tables();
        keep(tables.put(GROUPS, name.as_bytes(), &json));
        keep(tables.put(FACTS, GROUPS_VERSION, &version));
        true
    }

    /// Removes a group, and its offsets if asked to.
    pub(crate) fn remove_group(&mut self, name: &str, with_offsets: bool, now: Now) {
        self.groups.remove(name, now.unix_ms);
        self.remove_pops_of_group(name);
        self.drop_request_modes();
        if with_offsets {
            self.offsets.remove_group(name);
            self.store_offsets();
        }
        let version = to_json(self.groups.version().wire());
        let tables = self.store.tables();
        keep(tables.delete(GROUPS, name.as_bytes()));
        keep(tables.put(FACTS, GROUPS_VERSION, &version));
    }

    /// Decides how a group is to consume a topic (401).
    pub(crate) fn put_request_mode(&mut self, mode: SetMessageRequestModeBody) {
        let (key, json) = (mode_key(&mode.topic, &mode.consumer_group), to_json(&mode));
        self.pops.modes.put(mode);
        keep(self.store.tables().put(REQUEST_MODES, &key, &json));
    }

    /// Removes the decisions about topics and groups that are gone.
    fn drop_request_modes(&mut self) {
        for (topic, group) in self.pops.modes.take_removed() {
            keep(self.store.tables().delete(REQUEST_MODES, &mode_key(&topic, &group)));
        }
    }

    /// Remembers over a restart who holds a queue's lock.
    pub(crate) fn put_lock(&mut self, group: &str, queue: &LockedQueue, client_id: &str) {
        keep(self.store.tables().put(LOCKS, &lock_key(group, queue), client_id.as_bytes()));
    }

    /// Nobody holds it any more.
    pub(crate) fn delete_lock(&mut self, group: &str, queue: &LockedQueue) {
        keep(self.store.tables().delete(LOCKS, &lock_key(group, queue)));
    }

    /// Forbids or allows a group to read a topic (353).
    pub(crate) fn put_forbidden(&mut self, group: &str, topic: &str, forbidden: bool, now: Now) {
        if !self.groups.set_forbidden(group, topic, forbidden, now.unix_ms) {
            return;
        }
        let key = [group.as_bytes(), &[0], topic.as_bytes()].concat();
        let tables = self.store.tables();
        keep(if forbidden {
            tables.put(FORBIDDEN, &key, &1i32.to_be_bytes())
        } else {
            tables.delete(FORBIDDEN, &key)
        });
    }

    /// Hands changed consumer offsets to the tables.
    pub(crate) fn store_offsets(&mut self) {
        // What is out goes first: an offset without the messages it covers would lose them in a crash.
        if let Err(error) = self.store_pops() {
            return self.pops.say_once(&error);
        }
        let changed = self.offsets.take_changed();
        let tables = self.store.tables();
        for (key, offset) in changed {
            let name = offset_key(&key);
            keep(match offset {
                Some(offset) => tables.put(OFFSETS, &name, &offset.to_be_bytes()),
                None => tables.delete(OFFSETS, &name),
            });
        }
    }

    /// Answers an administrator's change with success once everything put so far is flushed.
    pub(crate) fn answer_when_durable(&mut self, call: &Call<'_>) -> Outcome {
        let durable = self.store.tables().durable();
        self.answer_later(call, Class::Admin, durable, |_, _, _, result, _| match result {
            Ok(()) => Ok(Done::Success),
            Err(error) => Err(not_flushed(&error)),
        })
    }

    /// The same for a change of topics, which the name servers must know as well.
    pub(crate) fn answer_when_durable_and_announced(&mut self, call: &Call<'_>) -> Outcome {
        let durable = self.store.tables().durable();
        self.answer_later(call, Class::Admin, durable, |shard, conn, reply, result, now| match result {
            Ok(()) => shard.answer_when_announced(conn, reply, now),
            Err(error) => Err(not_flushed(&error)),
        })
    }
}

fn not_flushed(error: &dyn std::fmt::Display) -> Refused {
    let remark = format!("the change is in force but not flushed, a restart may lose it: {error}");
    Refused::new(ResponseCode::SYSTEM_ERROR, remark)
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("configurations have text keys only")
}

fn from_json<T: DeserializeOwned>(what: &str, name: &[u8], value: &[u8]) -> Option<T> {
    serde_json::from_slice(value)
        .inspect_err(|error| {
            tracing::error!(what, name = %String::from_utf8_lossy(name), %error, "stored metadata cannot be read, ignored");
        })
        .ok()
}

/// A put that the tables refuse stays in force until the restart; whoever waits for `durable` is told.
fn keep(result: Result<(), TablesError>) {
    if let Err(error) = result {
        tracing::error!(%error, "metadata is in force but not stored");
    }
}
