//! Where a topic lies in the whole cluster, asked of a name server: what a shard needs to share queues among consumers.
//!
//! One question at a time for each topic; an answer is believed for a short while. Without a name server, or without an
//! answer, only the shard's own queues are known.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use net::body::{MessageQueue, TopicRouteData};
use net::client::{RequestHead, encode};
use net::header::Header;
use net::requests::GetRouteinfoByTopic;
use net::{Codec, RequestCode, ResponseCode, json};
use rt::wheel::TimerId;
use rt::{ConnId, Env, Mono, Now};

use crate::shard::Shard;
use crate::timers::Timer;
use crate::topics::perm;

/// How long an answer counts. Consumers share queues anew every 20 s, and all of a group at once.
const BELIEVED_MS: u64 = 2_000;
/// How long a name server may take.
const PATIENCE_MS: u64 = 3_000;
/// Topics that are remembered, and questions in flight.
const TOPICS_MAX: usize = 10_000;

/// The queues of a topic, sorted as RocketMQ sorts them; `None` if there is no such topic.
pub(crate) type TopicQueues = Option<Vec<MessageQueue>>;

/// What goes on when the queues are known.
pub(crate) type Then<E> = Box<dyn FnOnce(&mut Shard<E>, TopicQueues, Now)>;

/// Routes of one shard.
pub(crate) struct Routes<E: Env> {
    known: HashMap<String, (Mono, TopicQueues)>,
    asked: BTreeMap<i32, Asked<E>>,
}

struct Asked<E: Env> {
    server: ConnId,
    topic: String,
    timer: TimerId,
    then: Vec<Then<E>>,
}

impl<E: Env> Default for Routes<E> {
    fn default() -> Self {
        Self { known: HashMap::new(), asked: BTreeMap::new() }
    }
}

impl<E: Env> Shard<E> {
    /// Finds the queues that consumers see of `topic` on all brokers, now or when a name server has answered.
    pub(crate) fn with_queues(&mut self, topic: &str, now: Now, then: Then<E>) {
        if let Some((since, queues)) = self.routes.known.get(topic)
            && now.mono.since(*since) <= BELIEVED_MS * 1_000_000
        {
            let queues = queues.clone();
            return then(self, queues, now);
        }
        if let Some(asked) = self.routes.asked.values_mut().find(|asked| asked.topic == topic) {
            return asked.then.push(then);
        }
        let Some((server, opaque)) = self.registration.someone() else {
            let queues = self.own_queues(topic);
            return then(self, queues, now);
        };
        let header = GetRouteinfoByTopic {
            topic,
            accept_standard_json_only: Some(true),
            zone_name: None,
            zone_mode: None,
        };
        let head = RequestHead {
            codec: Codec::Json,
            code: RequestCode::GET_ROUTEINFO_BY_TOPIC,
            opaque,
            oneway: false,
        };
        match self.connections.reply(server).filter(|_| self.routes.asked.len() < TOPICS_MAX) {
            Some(out) => encode(out.bytes(), head, &header, &[]),
            None => {
                let queues = self.own_queues(topic);
                return then(self, queues, now);
            }
        }
        let timer = self.wheel.arm(now.mono.as_ms() + PATIENCE_MS, Timer::Route(opaque));
        self.routes.asked.insert(opaque, Asked { server, topic: topic.to_owned(), timer, then: vec![then] });
    }

    /// Takes a name server's answer about a route; false if it is about something else.
    pub(crate) fn route_answered(&mut self, conn: ConnId, header: &Header<'_>, body: &[u8]) -> bool {
        let Some(asked) = self.routes.asked.get(&header.opaque).filter(|asked| asked.server == conn) else {
            return false;
        };
        let topic = asked.topic.clone();
        let queues = match ResponseCode(header.code) {
            ResponseCode::SUCCESS => match json::from_slice::<TopicRouteData>(body) {
                Ok(route) => Some(queues_of(&topic, &route)),
                Err(error) => {
                    tracing::warn!(%error, topic, "a route cannot be read");
                    self.own_queues(&topic)
                }
            },
            // Made a moment ago, it may not be registered yet.
            _ => self.own_queues(&topic),
        };
        self.route_known(header.opaque, queues);
        true
    }

    /// A name server did not answer, or is gone.
    pub(crate) fn route_unknown(&mut self, opaque: i32) {
        if let Some(asked) = self.routes.asked.get(&opaque) {
            let topic = asked.topic.clone();
            let queues = self.own_queues(&topic);
            self.route_known(opaque, queues);
        }
    }

    /// A connection is gone: what it was asked is answered with what is known here.
    pub(crate) fn routes_closed(&mut self, conn: ConnId) {
        let lost: Vec<i32> = self
            .routes
            .asked
            .iter()
            .filter(|(_, asked)| asked.server == conn)
            .map(|(opaque, _)| *opaque)
            .collect();
        for opaque in lost {
            self.route_unknown(opaque);
        }
    }

    fn route_known(&mut self, opaque: i32, queues: TopicQueues) {
        let Some(asked) = self.routes.asked.remove(&opaque) else { return };
        self.wheel.cancel(asked.timer);
        let now = self.env.now();
        if self.routes.known.len() >= TOPICS_MAX {
            self.routes.known.clear();
        }
        self.routes.known.insert(asked.topic, (now.mono, queues.clone()));
        for then in asked.then {
            then(self, queues.clone(), now);
        }
    }

    /// The queues of a topic on this shard alone.
    fn own_queues(&self, topic: &str) -> TopicQueues {
        let config = self.topics.config(topic)?;
        let count = if config.perm & perm::READ == 0 { 0 } else { config.read_queues };
        let queue = |queue_id: u32| MessageQueue {
            broker_name: self.identity.name.to_string(),
            topic: topic.to_owned(),
            queue_id: queue_id.cast_signed(),
        };
        Some((0..count).map(queue).collect())
    }
}

fn queues_of(topic: &str, route: &TopicRouteData) -> Vec<MessageQueue> {
    let mut queues = Vec::new();
    for data in route.queue_datas.iter().filter(|data| data.perm & i32::from(perm::READ) != 0) {
        // A name server may be anybody's: its numbers are bounded before they size anything.
        queues.extend((0..data.read_queues.clamp(0, 65_536)).map(|queue_id| MessageQueue {
            broker_name: data.broker_name.clone(),
            topic: topic.to_owned(),
            queue_id,
        }));
    }
    queues.sort_by(|a, b| (&a.broker_name, a.queue_id).cmp(&(&b.broker_name, b.queue_id)));
    queues
}
