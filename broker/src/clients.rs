//! Who is connected: producer groups and consumer groups as heartbeats describe them. In memory only.
//!
//! The rules are RocketMQ's (behaviour.md 3): the latest heartbeat decides a group's type and model, a subscription
//! is replaced by a newer one, a topic that the latest heartbeat does not mention leaves the group.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use hashbrown::HashMap;
use net::Language;
use net::body::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use rt::{ConnId, Mono};
use smallvec::SmallVec;

use crate::conflicts::Wants;
use crate::subscription::Filter;

/// A client as its heartbeats describe it, on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// `ip@pid#nanos` or whatever the client calls itself: compared as text.
    pub client_id: Rc<str>,
    /// Its address as we see it.
    pub peer: SocketAddr,
    /// From the heartbeat's header.
    pub language: Language,
    /// Version ordinal from the heartbeat's header.
    pub version: i32,
    /// Wall clock of the latest heartbeat, ms, for display.
    pub updated_at_ms: i64,
    /// The same for expiry.
    pub updated: Mono,
}

/// One topic of a consumer group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subscription {
    /// As the client sent it.
    pub data: SubscriptionData,
    /// Compiled; `None` if the broker cannot filter by it.
    pub filter: Option<Rc<Filter>>,
}

/// How a group consumes, from its latest heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsumeMode {
    /// Pull, push or pop.
    pub consume_type: ConsumeType,
    /// Who of the group gets a message.
    pub message_model: MessageModel,
    /// Where the group starts if it has no offset.
    pub from_where: ConsumeFromWhere,
}

impl ConsumeMode {
    /// Whether every member gets every message.
    #[must_use]
    pub(crate) fn is_broadcasting(self) -> bool {
        self.message_model == MessageModel::Broadcasting
    }
}

/// A live consumer group.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    /// Its members by connection.
    pub members: BTreeMap<ConnId, Member>,
    /// How it consumes.
    pub mode: ConsumeMode,
    /// What it consumes, by topic.
    pub subscriptions: BTreeMap<Box<str>, Subscription>,
    /// Wall clock of its latest heartbeat, ms.
    pub updated_at_ms: i64,
    /// What each member wants, for the conflicts among them.
    pub wants: BTreeMap<ConnId, Wants>,
}

/// What a heartbeat says about one consumer group.
#[derive(Debug)]
pub(crate) struct ConsumerBeat<'a> {
    /// The group.
    pub group: &'a str,
    /// How it consumes.
    pub mode: ConsumeMode,
    /// Its subscriptions.
    pub subscriptions: Vec<(Box<str>, Subscription)>,
}

/// The clients of one shard.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    consumers: HashMap<String, ConsumerGroup>,
    producers: HashMap<String, BTreeMap<ConnId, Member>>,
    /// Groups per connection slot, so that a lost connection is forgotten without a scan.
    memberships: HashMap<ConnId, SmallVec<[Membership; 2]>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Membership {
    Consumer(Box<str>),
    Producer(Box<str>),
}

impl Clients {
    /// Takes in one consumer group of a heartbeat. True if membership or topics changed, so that the other members
    /// should rebalance.
    pub(crate) fn consumer_beat(&mut self, conn: ConnId, member: Member, beat: ConsumerBeat<'_>) -> bool {
        let group = self.consumers.entry_ref(beat.group).or_insert_with(|| ConsumerGroup {
            members: BTreeMap::new(),
            mode: beat.mode,
            subscriptions: BTreeMap::new(),
            updated_at_ms: member.updated_at_ms,
            wants: BTreeMap::new(),
        });
        group.updated_at_ms = member.updated_at_ms;
        group.mode = beat.mode;
        let joined = group.members.insert(conn, member).is_none();
        let changed = group.subscribe(beat.subscriptions);
        if joined {
            self.join(conn, Membership::Consumer(beat.group.into()));
        }
        joined || changed
    }

    /// Remembers what a member wants; if that is new, how it disagrees with another.
    pub(crate) fn note_wants(&mut self, conn: ConnId, group: &str, wants: Wants) -> Option<String> {
        self.consumers.get_mut(group)?.note_wants(conn, wants)
    }

    /// Takes in one producer group of a heartbeat.
    pub(crate) fn producer_beat(&mut self, conn: ConnId, member: Member, group: &str) {
        let joined = self.producers.entry_ref(group).or_default().insert(conn, member).is_none();
        if joined {
            self.join(conn, Membership::Producer(group.into()));
        }
    }

    /// Removes a client from a consumer group; true if it was a member.
    pub(crate) fn leave_consumer(&mut self, conn: ConnId, group: &str) -> bool {
        let Some(found) = self.consumers.get_mut(group) else { return false };
        found.wants.remove(&conn);
        let was_member = found.members.remove(&conn).is_some();
        if found.members.is_empty() {
            self.consumers.remove(group);
        }
        self.forget(conn, &Membership::Consumer(group.into()));
        was_member
    }

    /// Removes a client from a producer group.
    pub(crate) fn leave_producer(&mut self, conn: ConnId, group: &str) {
        if let Some(members) = self.producers.get_mut(group) {
            members.remove(&conn);
            if members.is_empty() {
                self.producers.remove(group);
            }
        }
        self.forget(conn, &Membership::Producer(group.into()));
    }

    /// Forgets a connection; returns the consumer groups it was in.
    pub(crate) fn disconnected(&mut self, conn: ConnId) -> SmallVec<[Box<str>; 2]> {
        let mut left = SmallVec::new();
        for membership in self.memberships.remove(&conn).unwrap_or_default() {
            match membership {
                Membership::Consumer(group) => {
                    self.leave_consumer(conn, &group);
                    left.push(group);
                }
                Membership::Producer(group) => self.leave_producer(conn, &group),
            }
        }
        left
    }

    /// The connections whose latest heartbeat is older than `max_age_ms`.
    #[must_use]
    pub(crate) fn expired(&self, now: Mono, max_age_ms: u64) -> Vec<ConnId> {
        let members = self.consumers.values().map(|group| &group.members).chain(self.producers.values());
        let mut expired: Vec<ConnId> = members
            .flatten()
            .filter(|(_, member)| now.since(member.updated) > max_age_ms * 1_000_000)
            .map(|(conn, _)| *conn)
            .collect();
        expired.sort_unstable();
        expired.dedup();
        expired
    }

    /// A live consumer group.
    #[must_use]
    pub(crate) fn consumer_group(&self, group: &str) -> Option<&ConsumerGroup> {
        self.consumers.get(group)
    }

    /// The connection of a producer that calls itself `client_id`.
    #[must_use]
    pub(crate) fn producer_by_id(&self, client_id: &str) -> Option<ConnId> {
        let members = self.producers.values().flatten();
        members.into_iter().find(|(_, member)| *member.client_id == *client_id).map(|(conn, _)| *conn)
    }

    /// The members of a live producer group.
    #[must_use]
    pub(crate) fn producer_group(&self, group: &str) -> Option<&BTreeMap<ConnId, Member>> {
        self.producers.get(group)
    }

    /// Names of the live consumer groups that subscribe to `topic`, sorted.
    #[must_use]
    pub(crate) fn groups_of_topic(&self, topic: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .consumers
            .iter()
            .filter(|(_, group)| group.subscriptions.contains_key(topic))
            .map(|(name, _)| &**name)
            .collect();
        names.sort_unstable();
        names
    }

    /// All live producer groups, sorted by name.
    #[must_use]
    pub(crate) fn producer_groups(&self) -> Vec<(&str, &BTreeMap<ConnId, Member>)> {
        let mut all: Vec<_> = self.producers.iter().map(|(name, members)| (&**name, members)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }

    fn join(&mut self, conn: ConnId, membership: Membership) {
        self.memberships.entry(conn).or_default().push(membership);
    }

    fn forget(&mut self, conn: ConnId, membership: &Membership) {
        if let Some(all) = self.memberships.get_mut(&conn) {
            all.retain(|one| one != membership);
            if all.is_empty() {
                self.memberships.remove(&conn);
            }
        }
    }
}

impl ConsumerGroup {
    /// Replaces what the group subscribes to; true if a topic came or went.
    fn subscribe(&mut self, latest: Vec<(Box<str>, Subscription)>) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| latest.iter().any(|(name, _)| name == topic));
        let mut changed = self.subscriptions.len() != before;
        for (topic, subscription) in latest {
            match self.subscriptions.get_mut(&topic) {
                None => {
                    self.subscriptions.insert(topic, subscription);
                    changed = true;
                }
                Some(known) if subscription.data.version > known.data.version => *known = subscription,
                Some(_) => {}
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::TagFilter;

    fn conn(index: u32) -> ConnId {
        ConnId { index, generation: 1 }
    }

    fn member(name: &str, at: u64) -> Member {
        Member {
            client_id: name.into(),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            language: Language::default(),
            version: 515,
            updated_at_ms: 0,
            updated: Mono(at),
        }
    }

    fn subscription(topic: &str, version: i64) -> Subscription {
        Subscription {
            data: SubscriptionData::all(topic, version),
            filter: Some(Rc::new(Filter::Tags(TagFilter::All))),
        }
    }

    fn beat<'a>(group: &'a str, topics: &[(&str, i64)]) -> ConsumerBeat<'a> {
        ConsumerBeat {
            group,
            mode: ConsumeMode {
                consume_type: ConsumeType::Passively,
                message_model: MessageModel::Clustering,
                from_where: ConsumeFromWhere::LastOffset,
            },
            subscriptions: topics
                .iter()
                .map(|(topic, version)| ((*topic).into(), subscription(topic, *version)))
                .collect(),
        }
    }

    #[test]
    fn only_a_change_asks_for_a_rebalance() {
        let mut clients = Clients::default();
        assert!(clients.consumer_beat(conn(0), member("a", 0), beat("g", &[("T", 1)])), "joined");
        assert!(
            !clients.consumer_beat(conn(0), member("a", 1), beat("g", &[("T", 2)])),
            "only a newer version"
        );
        assert!(clients.consumer_beat(conn(1), member("b", 1), beat("g", &[("T", 2)])), "a second member");
        assert!(
            clients.consumer_beat(conn(0), member("a", 2), beat("g", &[("T", 2), ("U", 2)])),
            "a topic came"
        );
        assert!(clients.consumer_beat(conn(0), member("a", 3), beat("g", &[("U", 2)])), "a topic went");
    }

    #[test]
    fn an_older_subscription_does_not_replace_a_newer_one() {
        let mut clients = Clients::default();
        clients.consumer_beat(conn(0), member("a", 0), beat("g", &[("T", 5)]));
        clients.consumer_beat(conn(1), member("b", 0), beat("g", &[("T", 3)]));
        assert_eq!(clients.consumer_group("g").map(|group| group.subscriptions["T"].data.version), Some(5));
    }

    #[test]
    fn a_lost_connection_leaves_every_group() {
        let mut clients = Clients::default();
        clients.consumer_beat(conn(0), member("a", 0), beat("g", &[("T", 1)]));
        clients.producer_beat(conn(0), member("a", 0), "p");
        assert_eq!(clients.disconnected(conn(0)).as_slice(), &[Box::from("g")]);
        assert!(clients.consumer_group("g").is_none() && clients.producer_group("p").is_none());
        assert!(clients.disconnected(conn(0)).is_empty(), "once");
    }

    #[test]
    fn silence_expires_and_a_heartbeat_does_not() {
        let mut clients = Clients::default();
        clients.consumer_beat(conn(0), member("a", 0), beat("g", &[("T", 1)]));
        clients.producer_beat(conn(1), member("b", 90_000_000_000), "p");
        assert_eq!(clients.expired(Mono(120_000_000_001), 120_000), vec![conn(0)]);
    }
}
