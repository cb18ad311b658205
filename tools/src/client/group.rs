//! Being a member of a consumer group: heartbeats, who else is there, progress.

use net::body::{
    ConsumeFromWhere, ConsumeType, ConsumerData, ConsumerList, HeartbeatData, MessageModel, SubscriptionData,
};
use net::json::{self, Style};
use net::names::RETRY_PREFIX;
use net::requests::{GetConsumerListByGroup, HeartBeat, UnregisterClient, UpdateConsumerOffset};

use super::assign::Queue;
use super::cluster::{Cluster, Place, parsed};
use crate::client::selection::Selection;
use crate::failure::Failure;
use crate::time;

/// Our membership.
#[derive(Debug)]
pub(crate) struct Membership {
    client_id: String,
    group: String,
    heartbeat: Vec<u8>,
    /// Brokers of the topic, by address; all get heartbeats.
    brokers: Vec<(String, String)>,
    next_heartbeat_ms: i64,
}

/// As RocketMQ's clients.
const HEARTBEAT_MS: i64 = 30_000;

impl Membership {
    /// Joins: every broker of the topic hears of us before this returns.
    ///
    /// # Errors
    /// No broker answered.
    pub(crate) fn join(
        cluster: &mut Cluster,
        group: &str,
        topic: &str,
        selection: &Selection,
        places: &[Place],
    ) -> Result<Self, Failure> {
        let started_ms = time::now_ms();
        let client_id = format!("ringmq@{}#{started_ms}", std::process::id());
        let heartbeat =
            json::to_vec(&heartbeat(&client_id, group, topic, selection, started_ms), Style::Standard);
        let mut membership =
            Self { client_id, group: group.to_owned(), heartbeat, brokers: Vec::new(), next_heartbeat_ms: 0 };
        membership.know(places);
        membership.beat(cluster)?;
        Ok(membership)
    }

    /// Our name among the members.
    #[must_use]
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The group.
    #[must_use]
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// All members, as one of the topic's brokers knows them.
    ///
    /// # Errors
    /// The broker does not answer.
    pub(crate) fn members(
        &mut self,
        cluster: &mut Cluster,
        places: &[Place],
    ) -> Result<Vec<String>, Failure> {
        self.know(places);
        let doing = "asking for the members of the group";
        let header = GetConsumerListByGroup { consumer_group: &self.group };
        let (_, address) = self.brokers.first().expect("a route has at least one broker").clone();
        let answer = cluster.ask(&address, &header, &[], doing)?;
        let list: ConsumerList = parsed(&address, doing, &answer.body)?;
        Ok(list.client_ids)
    }

    /// Sends heartbeats when they are due. A broker that does not answer is tried again at the next one.
    pub(crate) fn keep_alive(&mut self, cluster: &mut Cluster) {
        if time::now_ms() >= self.next_heartbeat_ms {
            // Told where it matters: the next pull from that broker fails too.
            let _ = self.beat(cluster);
        }
    }

    /// Stores where the group stands in `queue`.
    ///
    /// # Errors
    /// The broker does not take it.
    pub(crate) fn commit(&self, cluster: &mut Cluster, queue: &Queue, offset: i64) -> Result<(), Failure> {
        let Some((_, address)) = self.brokers.iter().find(|(broker, _)| *broker == queue.broker) else {
            return Ok(());
        };
        let header = UpdateConsumerOffset {
            consumer_group: &self.group,
            topic: &queue.topic,
            queue_id: queue.id,
            commit_offset: offset,
        };
        cluster.ask(address, &header, &[], "committing the group's progress").map(drop)
    }

    /// Leaves, so that the others take over at once. Who does not hear it learns it by our silence.
    pub(crate) fn leave(self, cluster: &mut Cluster) {
        let header = UnregisterClient {
            client_id: &self.client_id,
            producer_group: None,
            consumer_group: Some(&self.group),
        };
        for (_, address) in &self.brokers {
            let _ = cluster.call(address, &header, &[], "leaving the group");
        }
    }

    fn know(&mut self, places: &[Place]) {
        let master = |place: &Place| Some((place.broker.clone(), place.readable()?.to_owned()));
        let brokers: Vec<(String, String)> = places.iter().filter_map(master).collect();
        if brokers != self.brokers {
            self.brokers = brokers;
            self.next_heartbeat_ms = 0;
        }
    }

    fn beat(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let mut failures = Vec::new();
        for (_, address) in &self.brokers {
            let sent = cluster.ask(address, &HeartBeat {}, &self.heartbeat, "sending a heartbeat");
            failures.extend(sent.err());
        }
        self.next_heartbeat_ms = time::now_ms() + HEARTBEAT_MS;
        match failures.pop() {
            Some(failure) if failures.len() + 1 == self.brokers.len() => Err(failure),
            _ => Ok(()),
        }
    }
}

fn heartbeat(
    client_id: &str,
    group: &str,
    topic: &str,
    selection: &Selection,
    version: i64,
) -> HeartbeatData {
    let retry = format!("{RETRY_PREFIX}{group}");
    HeartbeatData {
        client_id: client_id.to_owned(),
        consumers: vec![ConsumerData {
            consume_from_where: ConsumeFromWhere::LastOffset,
            consume_type: ConsumeType::Passively,
            group_name: group.to_owned(),
            message_model: MessageModel::Clustering,
            subscriptions: vec![
                selection.subscription(topic, version),
                SubscriptionData::all(&retry, version),
            ],
            unit_mode: false,
        }],
        fingerprint: 0,
        producers: Vec::new(),
        without_subscriptions: false,
    }
}
