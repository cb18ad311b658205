//! How topics and groups come and go by themselves: made on the fly, made at start, released when deleted.

use std::collections::BTreeMap;

use net::body::SubscriptionGroupConfig;
use net::names::{self, AUTO_CREATE_TOPIC, DLQ_PREFIX, RETRY_PREFIX};
use net::requests::SendMessageV2;
use rt::{Env, Now};
use store::record::is_light_name;
use store::{PhysicalOffset, QueueRef};

use crate::call::{Call, Refused};
use crate::groups::SYSTEM_GROUPS;
use crate::peers::PeerMessage;
use crate::shard::Shard;
use crate::topics::{TopicConfig, TopicSlot, perm};

/// Topics that never leave the shard that writes them, so they are not made on the others.
const READ_WRITE: u8 = perm::READ | perm::WRITE;

impl<E: Env> Shard<E> {
    /// Makes the topic of a send that nobody made before (behaviour.md 4.3), here and on the node's other shards.
    pub(crate) fn make_topic_for_send(
        &mut self,
        call: &Call<'_>,
        request: &SendMessageV2<'_>,
    ) -> Result<TopicSlot, Refused> {
        if let Some(group) = names::retry_group(request.topic) {
            let queues = retry_queues(self.groups.get(group).ok_or_else(|| Refused::no_group(group))?).max(1);
            self.put_topic(TopicConfig::new(request.topic, queues, READ_WRITE), call.now);
            return self.topics.slot(request.topic).ok_or_else(|| Refused::no_topic(request.topic));
        }
        if self.config.light_queues && is_light_name(request.topic) {
            self.make_light(request.topic)?;
            return self.topics.slot(request.topic).ok_or_else(|| Refused::no_topic(request.topic));
        }
        let template = self.topics.config(request.default_topic);
        let Some(template) = template.filter(|template| template.perm & perm::INHERIT != 0) else {
            return Err(Refused::no_topic(request.topic));
        };
        let asked = u32::try_from(request.default_queues).unwrap_or(0).max(1);
        let made = TopicConfig {
            topic_filter_type: template.topic_filter_type,
            ..TopicConfig::new(
                request.topic,
                asked.min(template.write_queues),
                template.perm & !perm::INHERIT,
            )
        };
        tracing::info!(shard = self.identity.index, topic = request.topic, peer = %call.peer, "topic made by a send");
        self.put_topic(made.clone(), call.now);
        self.peers.broadcast(PeerMessage::TopicMade(made));
        self.topics.slot(request.topic).ok_or_else(|| Refused::no_topic(request.topic))
    }

    /// A group's configuration, made on the fly if the shard may.
    pub(crate) fn group_or_make(
        &mut self,
        group: &str,
        now: Now,
    ) -> Result<&SubscriptionGroupConfig, Refused> {
        if self.groups.get(group).is_none() {
            let legal = names::check_group(group).is_ok();
            if !legal || !self.config.auto_create_group {
                return Err(Refused::no_group(group));
            }
            self.put_group(SubscriptionGroupConfig::named(group), now);
        }
        self.groups.get(group).ok_or_else(|| Refused::no_group(group))
    }

    /// The retry topic of a group, made if it is missing.
    pub(crate) fn ensure_retry_topic(&mut self, group: &str, now: Now) {
        let name = format!("{RETRY_PREFIX}{group}");
        if self.topics.slot(&name).is_none() {
            let queues = self.groups.get(group).map_or(1, retry_queues);
            if queues > 0 {
                self.put_topic(TopicConfig::new(&name, queues, READ_WRITE), now);
            }
        }
    }

    /// The dead letter topic of a group, made if it is missing.
    pub(crate) fn ensure_dead_letter_topic(&mut self, group: &str, now: Now) -> String {
        let name = format!("{DLQ_PREFIX}{group}");
        if self.topics.slot(&name).is_none() {
            self.put_topic(TopicConfig::new(&name, 1, READ_WRITE), now);
        }
        name
    }

    /// The topic of a parked message, made again if only a crash took it: metadata made on the fly is flushed within a
    /// second. False if it was deleted since the message was stored at `at`.
    pub(crate) fn topic_of_parked(
        &mut self,
        topic: &str,
        queue_id: u32,
        at: PhysicalOffset,
        now: Now,
    ) -> bool {
        if self.topics.slot(topic).is_none() && !self.store.is_deleted_since(topic, at) {
            self.put_topic(TopicConfig::new(topic, queue_id + 1, READ_WRITE), now);
        }
        self.topics.slot(topic).is_some()
    }

    /// The handle of a queue of an existing topic.
    ///
    /// # Panics
    /// If there is no such topic: callers checked.
    pub(crate) fn queue_of(&mut self, topic: &str, queue_id: u32) -> QueueRef {
        let slot = self.topics.slot(topic).expect("the caller found the topic");
        self.queue_at(slot, queue_id)
    }

    /// The same for a slot that was just looked up.
    pub(crate) fn queue_at(&mut self, slot: TopicSlot, queue_id: u32) -> QueueRef {
        let topic = self.topics.at(slot);
        match topic.queue(queue_id) {
            Some(queue) => queue,
            None => {
                let queue = self.store.queue(&topic.config.name, queue_id);
                self.topics.at_mut(slot).remember_queue(queue_id, queue);
                queue
            }
        }
    }

    /// What every change of a topic brings with it.
    pub(crate) fn topics_changed(&mut self) {
        self.registration.topics_changed();
        self.env.kick();
    }

    /// Answers the pulls that wait for a topic which is about to go.
    pub(crate) fn release_topic(&mut self, name: &str, now: Now) {
        let Some(config) = self.topics.config(name) else { return };
        for queue_id in 0..config.queues() {
            let Some(queue) = self.store.find_queue(name, queue_id) else { continue };
            while let Some(id) = self.polls.first_of_queue(queue) {
                self.release(id, now);
            }
        }
    }

    /// Gives every queue of the store that has messages a topic. A topic made by a send is flushed within a second,
    /// its messages are kept at once: when the process is killed between the two, the queues are all that is known.
    pub(crate) fn adopt_queues(&mut self, now: Now) {
        let mut orphans: BTreeMap<String, u32> = BTreeMap::new();
        self.store.for_each_queue(|topic, queue_id, queue| {
            if self.topics.slot(topic).is_none() && self.store.offsets(queue).max.get() > 0 {
                let queues = orphans.entry(topic.to_owned()).or_default();
                *queues = (*queues).max(queue_id + 1);
            }
        });
        for (topic, queues) in orphans {
            if is_light_name(&topic) {
                if self.config.light_queues {
                    self.topics.put_light(&topic);
                }
                continue;
            }
            tracing::info!(
                shard = self.identity.index,
                topic,
                queues,
                "topic known by its queues only, made again"
            );
            self.put_topic(TopicConfig::new(&topic, queues, READ_WRITE), now);
        }
    }

    /// Topics and groups that exist on every broker (behaviour.md 4.2).
    pub(crate) fn make_system_topics(&mut self, now: Now) {
        for config in self.system_topic_configs() {
            // What an operator changed stays; what the configuration decides follows it.
            let decided_here =
                [AUTO_CREATE_TOPIC, names::SCHEDULE_TOPIC, &*self.identity.cluster].contains(&&*config.name);
            if decided_here || self.topics.slot(&config.name).is_none() {
                self.put_topic(config, now);
            }
        }
        if !self.config.auto_create_topic && self.topics.slot(AUTO_CREATE_TOPIC).is_some() {
            self.remove_topic(AUTO_CREATE_TOPIC, now);
        }
        for group in SYSTEM_GROUPS {
            if self.groups.get(group).is_none() {
                self.put_group(SubscriptionGroupConfig::named(group), now);
            }
        }
    }

    fn system_topic_configs(&self) -> Vec<TopicConfig> {
        let config = &self.config;
        let cluster = &*self.identity.cluster;
        let broker = &*self.identity.name;
        let probe = |enabled: bool| perm::INHERIT | if enabled { READ_WRITE } else { 0 };
        let mut all = vec![
            TopicConfig::new("SELF_TEST_TOPIC", 1, READ_WRITE),
            TopicConfig::new("BenchmarkTest", BENCHMARK_QUEUES, READ_WRITE),
            TopicConfig::new(cluster, CLUSTER_TOPIC_QUEUES, probe(config.cluster_topic)),
            TopicConfig::new(broker, 1, probe(config.broker_topic)),
            TopicConfig::new("OFFSET_MOVED_EVENT", 1, READ_WRITE),
            TopicConfig::new(names::SCHEDULE_TOPIC, self.delays.count(), READ_WRITE),
            TopicConfig::new(names::TIMER_TOPIC, 1, READ_WRITE),
            TopicConfig::new(names::HALF_TOPIC, 1, READ_WRITE),
            TopicConfig::new(names::OP_TOPIC, 1, READ_WRITE),
            TopicConfig::new(names::GIVEN_UP_TOPIC, 1, READ_WRITE),
            TopicConfig::new(&format!("{cluster}_REPLY_TOPIC"), 1, READ_WRITE),
        ];
        if config.auto_create_topic {
            all.push(TopicConfig::new(AUTO_CREATE_TOPIC, config.default_queues, READ_WRITE | perm::INHERIT));
        }
        if config.trace_topic {
            all.push(TopicConfig::new(&config.trace_topic_name, 1, READ_WRITE));
        }
        all
    }

    /// Whether a topic belongs to the broker and is not for administrators to change.
    pub(crate) fn is_system_topic(&self, topic: &str) -> bool {
        names::is_system_topic(topic) || *topic == *self.identity.cluster || *topic == *self.identity.name
    }
}

/// Queues of a group's retry topic, as configured.
fn retry_queues(config: &SubscriptionGroupConfig) -> u32 {
    u32::try_from(config.retry_queues).unwrap_or(0)
}

const BENCHMARK_QUEUES: u32 = 1024;
const CLUSTER_TOPIC_QUEUES: u32 = 16;
