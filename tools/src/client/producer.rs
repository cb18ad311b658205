//! Sending, with the retries of RocketMQ's producer.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::Ipv4Addr;
use std::time::Duration;

use net::ResponseCode;
use net::fields::Decode;
use net::message_id::{OffsetMessageId, UNIQUE_ID_CHARS, UniqueIds};
use net::names::AUTO_CREATE_TOPIC;
use net::properties::{self, keys};
use net::requests::{EndTransaction, SendMessageReply, SendMessageV2};

use super::cluster::{Cluster, Place, odd, refused};
use crate::failure::Failure;
use crate::time;

/// Attempts for one message when no queue was asked for.
const ATTEMPTS: u32 = 3;
/// Queues that a topic made on the fly should get.
const DEFAULT_QUEUES: i32 = 4;
/// A route is asked for again after so many sends.
const ROUTE_SENDS: u32 = 10_000;

/// Bit of a send's `sysFlag`: half message.
const HALF: i32 = 4;
/// `commitOrRollback` of a decision.
const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;

/// Codes after which RocketMQ's producer tries another broker.
const RETRIED: &[ResponseCode] = &[
    ResponseCode::SYSTEM_ERROR,
    ResponseCode::SYSTEM_BUSY,
    ResponseCode::SERVICE_NOT_AVAILABLE,
    ResponseCode::NO_PERMISSION,
    ResponseCode::TOPIC_NOT_EXIST,
    ResponseCode(204),
    ResponseCode(205),
    ResponseCode(1500),
];

/// Sends messages to one topic, in turn to all its queues.
#[derive(Debug)]
pub(crate) struct Producer {
    cluster: Cluster,
    group: String,
    topic: String,
    places: Vec<Place>,
    /// Sends until the route is asked for again.
    fresh_for: u32,
    turn: usize,
    ids: UniqueIds,
}

/// What to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft<'a> {
    /// Tag.
    pub(crate) tag: Option<&'a str>,
    /// Keys.
    pub(crate) keys: &'a [String],
    /// Other properties.
    pub(crate) properties: &'a [(String, String)],
    /// A fixed queue: broker (if several have the topic) and number.
    pub(crate) queue: Option<(Option<&'a str>, i32)>,
    /// A half message: [`Producer::decide`] says what becomes of it.
    pub(crate) is_half: bool,
    /// Body.
    pub(crate) body: &'a [u8],
}

/// Where a message landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// `SEND_OK`, or what was not confirmed in time.
    pub(crate) status: &'static str,
    /// The id given by us.
    pub(crate) msg_id: String,
    /// The id given by the broker.
    pub(crate) offset_msg_id: String,
    /// Broker.
    pub(crate) broker: String,
    /// Queue.
    pub(crate) queue_id: i32,
    /// Offset there.
    pub(crate) queue_offset: i64,
}

impl Sent {
    /// Java's `SendResult.toString`.
    #[must_use]
    pub(crate) fn as_java(&self, topic: &str) -> String {
        format!(
            "SendResult [sendStatus={}, msgId={}, offsetMsgId={}, messageQueue=MessageQueue [topic={topic}, brokerName={}, \
             queueId={}], queueOffset={}]",
            self.status, self.msg_id, self.offset_msg_id, self.broker, self.queue_id, self.queue_offset
        )
    }
}

impl Producer {
    /// Looks the topic up.
    ///
    /// # Errors
    /// Nobody serves it, and it cannot be made on the fly.
    pub(crate) fn new(mut cluster: Cluster, group: &str, topic: &str) -> Result<Self, Failure> {
        let places = cluster.route_for_sending(topic)?;
        // Two producers of one host and process id (containers) differ by the salt.
        let random = RandomState::new().build_hasher().finish();
        let salt = u32::try_from(random & u64::from(u32::MAX)).expect("masked to 32 bits");
        let ip = local_address(&places);
        Ok(Self {
            ids: UniqueIds::new(ip, std::process::id(), salt),
            turn: usize::try_from(random >> 40).expect("24 bits"),
            cluster,
            group: group.to_owned(),
            topic: topic.to_owned(),
            places,
            fresh_for: ROUTE_SENDS,
        })
    }

    /// Sends one message and waits for the answer. With a fixed queue there is one attempt, otherwise up to three, each
    /// at another broker if there is one, all within the time of one call.
    ///
    /// # Errors
    /// The last attempt's.
    pub(crate) fn send(&mut self, draft: &Draft<'_>) -> Result<Sent, Failure> {
        if self.fresh_for == 0 {
            self.places = self.cluster.route_for_sending(&self.topic)?;
            self.fresh_for = ROUTE_SENDS;
        }
        self.fresh_for -= 1;
        let born_at_ms = time::now_ms();
        let mut buffer = [0; UNIQUE_ID_CHARS];
        let id = self.ids.next(born_at_ms, &mut buffer).to_owned();
        let properties = self.properties(draft, &id)?;
        let deadline = born_at_ms + i64::try_from(self.cluster.timeout().as_millis()).unwrap_or(i64::MAX);
        let attempts = if draft.queue.is_some() { 1 } else { ATTEMPTS };
        let mut avoid: Option<String> = None;
        let mut last = None;
        for _ in 0..attempts {
            let left = deadline - time::now_ms();
            if left <= 0 && last.is_some() {
                break;
            }
            let left = Duration::from_millis(u64::try_from(left.max(1)).unwrap_or(1));
            let (place, queue) = self.choose(draft, avoid.as_deref())?;
            match self.attempt(&place, queue, &properties, draft, born_at_ms, left) {
                Ok(sent) => return Ok(Sent { msg_id: id, ..sent }),
                Err((failure, true)) => {
                    avoid = Some(place.broker.clone());
                    last = Some(failure);
                    if let Ok(places) = self.cluster.route_for_sending(&self.topic) {
                        self.places = places;
                    }
                }
                Err((failure, false)) => return Err(failure),
            }
        }
        Err(last.expect("the loop ends early only after a failure"))
    }

    /// Says what becomes of a half message that was sent, and waits until that is safe.
    ///
    /// # Errors
    /// Nobody answered, or the broker does not know it any more.
    pub(crate) fn decide(&mut self, half: &Sent, is_commit: bool) -> Result<(), Failure> {
        let doing = format!("{} a half message", if is_commit { "committing" } else { "rolling back" });
        let place = self.places.iter().find(|place| place.broker == half.broker);
        let Some(address) = place.and_then(Place::master).map(str::to_owned) else {
            return Err(Failure::Partly {
                what: format!("{} left the route of {} while {doing}", half.broker, self.topic),
            });
        };
        let at = OffsetMessageId::parse(&half.offset_msg_id).map_err(|_| {
            odd(&address, &doing, format!("msgId {} of the half message", half.offset_msg_id))
        })?;
        let request = EndTransaction {
            topic: Some(&self.topic),
            producer_group: &self.group,
            tran_state_table_offset: half.queue_offset,
            commit_log_offset: i64::try_from(at.offset).unwrap_or(i64::MAX),
            commit_or_rollback: if is_commit { COMMIT } else { ROLLBACK },
            from_transaction_check: false,
            msg_id: Some(&half.msg_id),
            transaction_id: Some(&half.msg_id),
        };
        self.cluster.ask(&address, &request, &[], &doing).map(|_| ())
    }

    /// One attempt. The flag says whether another may help.
    fn attempt(
        &mut self,
        place: &Place,
        queue_id: i32,
        properties: &str,
        draft: &Draft<'_>,
        born_at_ms: i64,
        left: Duration,
    ) -> Result<Sent, (Failure, bool)> {
        let address = place.master().expect("only brokers with a master are chosen").to_owned();
        let header = SendMessageV2 {
            producer_group: &self.group,
            topic: &self.topic,
            default_topic: AUTO_CREATE_TOPIC,
            default_queues: DEFAULT_QUEUES,
            queue_id,
            sys_flag: if draft.is_half { HALF } else { 0 },
            born_at_ms,
            flag: 0,
            properties: Some(properties),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(false),
            broker_name: Some(&place.broker),
        };
        let doing = format!("sending to {} queue {queue_id}", self.topic);
        let answer = self
            .cluster
            .call_within(&address, &header, draft.body, &doing, left)
            .map_err(|failure| (failure, true))?;
        let status = match answer.code {
            ResponseCode::SUCCESS => "SEND_OK",
            ResponseCode::FLUSH_DISK_TIMEOUT => "FLUSH_DISK_TIMEOUT",
            ResponseCode::SLAVE_NOT_AVAILABLE => "SLAVE_NOT_AVAILABLE",
            ResponseCode::FLUSH_SLAVE_TIMEOUT => "FLUSH_SLAVE_TIMEOUT",
            code => return Err((refused(&address, &doing, &answer), RETRIED.contains(&code))),
        };
        let read = answer.with_header(|header| {
            SendMessageReply::decode(&header.ext).map(|reply| Sent {
                status,
                msg_id: String::new(),
                offset_msg_id: reply.msg_id.to_owned(),
                broker: place.broker.clone(),
                queue_id: reply.queue_id,
                queue_offset: reply.queue_offset,
            })
        });
        read.map_err(|error| (odd(&address, &doing, error.to_string()), false))
    }

    /// The next queue in turn, not at the broker that failed last if there is another.
    fn choose(&mut self, draft: &Draft<'_>, avoid: Option<&str>) -> Result<(Place, i32), Failure> {
        if let Some((broker, queue)) = draft.queue {
            return self.fixed(broker, queue);
        }
        let writable: Vec<(&Place, i32)> = self
            .places
            .iter()
            .flat_map(|place| (0..place.write_queues).map(move |queue| (place, queue)))
            .collect();
        let elsewhere: Vec<&(&Place, i32)> =
            writable.iter().filter(|(place, _)| Some(place.broker.as_str()) != avoid).collect();
        self.turn = self.turn.wrapping_add(1);
        let chosen = match (elsewhere.len(), writable.len()) {
            (0, 0) => {
                let namesrv = self.cluster.namesrv();
                return Err(Failure::NoRoute { topic: format!("{} (to write)", self.topic), namesrv });
            }
            (0, all) => &writable[self.turn % all],
            (others, _) => elsewhere[self.turn % others],
        };
        Ok((chosen.0.clone(), chosen.1))
    }

    fn fixed(&self, broker: Option<&str>, queue: i32) -> Result<(Place, i32), Failure> {
        let mut candidates = self
            .places
            .iter()
            .filter(|place| broker.is_none_or(|name| name == place.broker) && queue < place.write_queues);
        let Some(place) = candidates.next() else {
            let known: Vec<String> = self
                .places
                .iter()
                .map(|place| format!("{}:0..{}", place.broker, place.write_queues - 1))
                .collect();
            return Err(Failure::Usage {
                what: format!("{} has no such queue to write", self.topic),
                fix: format!("--queue takes one of {}", known.join(", ")),
            });
        };
        if candidates.next().is_some() {
            return Err(Failure::Usage {
                what: format!("several brokers have a queue {queue} of {}", self.topic),
                fix: format!("write --queue {}:{queue}", place.broker),
            });
        }
        Ok((place.clone(), queue))
    }

    fn properties(&self, draft: &Draft<'_>, id: &str) -> Result<String, Failure> {
        let mut out = Vec::new();
        let mut add = |name: &str, value: &str| properties::append(&mut out, 0, name, value.as_bytes());
        if !draft.keys.is_empty() {
            add(keys::KEYS, &draft.keys.join(" "));
        }
        add(keys::UNIQ_KEY, id);
        add(keys::WAIT, "true");
        if let Some(tag) = draft.tag {
            add(keys::TAGS, tag);
        }
        for (name, value) in draft.properties {
            add(name, value);
        }
        String::from_utf8(out).map_err(|_| Failure::Usage {
            what: "a property is not UTF-8".to_owned(),
            fix: "write properties in UTF-8".to_owned(),
        })
    }
}

/// Our address towards a broker, for message ids: what the kernel would send from. Nothing is sent.
fn local_address(places: &[Place]) -> Ipv4Addr {
    let towards = places.iter().find_map(|place| place.master()).unwrap_or("127.0.0.1:9");
    let asked = std::net::UdpSocket::bind(("0.0.0.0", 0))
        .and_then(|socket| socket.connect(towards).and_then(|()| socket.local_addr()));
    match asked.map(|address| address.ip()) {
        Ok(std::net::IpAddr::V4(ip)) => ip,
        _ => Ipv4Addr::LOCALHOST,
    }
}
