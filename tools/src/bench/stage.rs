//! [`Stage`]: the brokers and queues of a run. Topics that are made here are removed when it is dropped.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use net::ResponseCode;
use net::body::TopicStatsTable;
use net::names::AUTO_CREATE_TOPIC;
use net::requests::{
    DeleteTopicInBroker, DeleteTopicInNamesrv, EndTransaction, GetBrokerConfig, GetTopicStatsInfo,
    UpdateAndCreateTopic,
};

use crate::client::cluster::{Cluster, parsed};
use crate::failure::Failure;

use super::act::Fate;
use super::options::Load;
use super::plan::{Kind, Plan};
use super::sender::Undecided;

/// A broker (a shard is one).
#[derive(Clone, Debug)]
pub struct Broker {
    /// Name, if it is known.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// The same, resolved.
    pub socket: SocketAddr,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Topic.
    pub topic: String,
    /// Index of its broker.
    pub broker: usize,
    /// Its number there.
    pub id: i32,
}

/// See the module.
pub struct Stage {
    cluster: Cluster,
    direct: bool,
    cluster_name: Option<String>,
    /// Brokers that have a queue.
    pub brokers: Vec<Broker>,
    /// Queues by broker, topic and number.
    pub queues: Vec<Queue>,
    /// Topics that are ours.
    made: Vec<String>,
    topics: Vec<String>,
    /// Set when the user wants to end.
    pub interrupted: Arc<AtomicBool>,
}

impl Stage {
    /// Finds the brokers, and makes the topics or finds them.
    ///
    /// # Errors
    /// Nobody answers, or refuses; a topic that is there without `--topic-exists`, or is not with it.
    pub(crate) fn set(load: &Load, plan: &Plan, interrupted: Arc<AtomicBool>) -> Result<Self, Failure> {
        let cluster = Cluster::new(&load.reach)?;
        let direct = !load.broker.is_empty();
        let topics = topic_names(plan);
        let mut stage = Self {
            cluster,
            direct,
            cluster_name: load.cluster.clone(),
            brokers: Vec::new(),
            queues: Vec::new(),
            made: Vec::new(),
            topics,
            interrupted,
        };
        if plan.topic_exists && !direct {
            stage.find_by_route(plan.kind)?;
            return Ok(stage);
        }
        stage.brokers =
            if direct { direct_brokers(&load.broker)? } else { stage.masters(load.cluster.as_deref())? };
        if plan.topic_exists {
            stage.find_at_brokers()?
        } else {
            stage.make(plan.queues)?
        }
        Ok(stage)
    }

    /// First and next offset of each queue, in the order of [`Stage::queues`].
    ///
    /// # Errors
    /// A broker does not answer.
    pub(crate) fn offsets(&mut self) -> Result<Vec<(i64, i64)>, Failure> {
        let mut found = vec![(0, 0); self.queues.len()];
        for (broker, at) in self.brokers.clone().iter().enumerate() {
            for topic in self.topics.clone() {
                let stats = self.stats(&at.address, &topic)?.unwrap_or_default();
                for (queue, offsets) in stats.queues {
                    let same = |known: &Queue| {
                        known.broker == broker && known.topic == topic && known.id == queue.queue_id
                    };
                    if let Some(index) = self
                        .find(broker, &topic, queue.queue_id)
                        .or_else(|| self.queues.iter().position(same))
                    {
                        found[index] = (offsets.min_offset, offsets.max_offset);
                    }
                }
            }
        }
        Ok(found)
    }

    /// [`Stage::offsets`] once all of them together have reached `messages` beyond `before`, or after some seconds:
    /// a Java broker's queues follow its log.
    ///
    /// # Errors
    /// A broker does not answer.
    pub(crate) fn offsets_with(
        &mut self,
        before: &[(i64, i64)],
        messages: u64,
    ) -> Result<Vec<(i64, i64)>, Failure> {
        let old: i64 = before.iter().map(|(_, end)| end).sum();
        let mut offsets = self.offsets()?;
        for _ in 0..100 {
            let stored = offsets.iter().map(|(_, end)| end).sum::<i64>() - old;
            if stored.unsigned_abs() >= messages {
                break;
            }
            super::host::pause(Duration::from_millis(50));
            offsets = self.offsets()?;
        }
        Ok(offsets)
    }

    /// `SYNC_FLUSH` or `ASYNC_FLUSH`, as the brokers say; both, if they do not agree.
    pub(crate) fn flush_mode(&mut self) -> Option<String> {
        let addresses: Vec<String> = self.brokers.iter().map(|broker| broker.address.clone()).collect();
        let mut modes: Vec<String> =
            addresses.iter().filter_map(|address| self.setting_of(address, "flushDiskType")).collect();
        modes.sort();
        modes.dedup();
        (!modes.is_empty()).then(|| modes.join(" and "))
    }

    /// A setting of the first broker.
    pub(crate) fn setting(&mut self, key: &str) -> Option<String> {
        let address = self.brokers.first()?.address.clone();
        self.setting_of(&address, key)
    }

    /// The broker's name: receipts carry it.
    pub(crate) fn name_of(&mut self, broker: usize) -> String {
        let Broker { name, address, .. } = self.brokers[broker].clone();
        if name.is_empty() { self.setting_of(&address, "brokerName").unwrap_or_default() } else { name }
    }

    fn setting_of(&mut self, address: &str, key: &str) -> Option<String> {
        let answer =
            self.cluster.ask(address, &GetBrokerConfig {}, &[], "asking for the configuration").ok()?;
        let pairs = settings::parse_properties(&String::from_utf8_lossy(&answer.body)).ok()?;
        pairs.into_iter().find(|pair| pair.key == key).map(|pair| pair.value)
    }

    /// The topics.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// What did not work of removing what was made.
    pub fn clear(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for topic in std::mem::take(&mut self.made) {
            let doing = format!("removing {topic}");
            for broker in self.brokers.clone() {
                let outcome =
                    self.cluster.ask(&broker.address, &DeleteTopicInBroker { topic: &topic }, &[], &doing);
                if outcome.is_err() {
                    left.push(format!("topic {topic} is still at {}", broker.address));
                }
            }
            // A broker called directly may be registered all the same.
            let registered = if self.direct {
                self.setting("namesrvAddr").unwrap_or_default()
            } else {
                self.cluster.namesrv()
            };
            for server in registered
                .split(';')
                .filter(|server| !server.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
            {
                let header =
                    DeleteTopicInNamesrv { topic: &topic, cluster_name: self.cluster_name.as_deref() };
                // A name server that is away forgets the topic when brokers stop registering it.
                let _ = self.cluster.ask(&server, &header, &[], &doing);
            }
        }
        left
    }

    /// Rolls back half messages that were left undecided, so that nobody asks about them when we are gone. What did
    /// not work of it.
    pub(crate) fn roll_back(
        &mut self,
        group: &str,
        undecided: &[(SocketAddr, Undecided)],
        more: u64,
    ) -> Vec<String> {
        let mut failed = 0;
        for (at, half) in undecided {
            let header = EndTransaction {
                topic: None,
                producer_group: group,
                tran_state_table_offset: half.queue_offset,
                commit_log_offset: half.log_offset,
                commit_or_rollback: Fate::Rollback.code(),
                from_transaction_check: false,
                msg_id: Some(""),
                transaction_id: None,
            };
            let doing = "rolling back undecided half messages";
            failed += u64::from(self.cluster.ask(&at.to_string(), &header, &[], doing).is_err());
        }
        let left = failed + more;
        let what = || format!("{left} undecided half messages stay with the broker until it gives them up");
        (left > 0).then(what).into_iter().collect()
    }

    fn find(&self, broker: usize, topic: &str, id: i32) -> Option<usize> {
        self.queues
            .binary_search_by(|queue| {
                (queue.broker, queue.topic.as_str(), queue.id).cmp(&(broker, topic, id))
            })
            .ok()
    }

    fn masters(&mut self, wanted: Option<&str>) -> Result<Vec<Broker>, Failure> {
        let info = self.cluster.info()?;
        let names = info.cluster_addr_table;
        let cluster = match (wanted, names.len()) {
            (Some(name), _) if names.contains_key(name) => name.to_owned(),
            (Some(name), _) => {
                let known = names.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(Failure::Usage {
                    what: format!("there is no cluster {name}"),
                    fix: format!("the name servers know: {known}"),
                });
            }
            (None, 1) => names.keys().next().expect("there is one").clone(),
            (None, 0) => {
                return Err(Failure::Partly {
                    what: format!(
                        "no broker is registered at {}\n  fix    start one that registers there, or name it: --broker HOST:PORT",
                        self.cluster.namesrv()
                    ),
                });
            }
            (None, _) => {
                let known = names.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(Failure::Usage {
                    what: format!("there are several clusters: {known}"),
                    fix: "choose one with --cluster".to_owned(),
                });
            }
        };
        self.cluster_name = Some(cluster.clone());
        let brokers = info.broker_addr_table.into_values().filter(|broker| broker.cluster == cluster);
        let mut found = Vec::new();
        for broker in brokers {
            if let Some(address) = broker.broker_addrs.get(&0) {
                found.push(resolved(broker.broker_name.clone(), address)?);
            }
        }
        if found.is_empty() {
            return Err(Failure::Partly { what: format!("cluster {cluster} has no master") });
        }
        Ok(found)
    }

    fn find_by_route(&mut self, kind: Kind) -> Result<(), Failure> {
        let topic = self.topics[0].clone();
        let places = self.cluster.route(&topic)?;
        let perm = places.iter().map(|place| place.perm).fold(0, |all, perm| all | perm);
        for place in places {
            let Some(address) = place.master() else { continue };
            let queues = match kind {
                Kind::Produce | Kind::Batch | Kind::Tx => place.write_queues,
                Kind::Consume | Kind::Pop => place.read_queues,
                Kind::E2e | Kind::Delay | Kind::Mixed => place.write_queues.min(place.read_queues),
            };
            if queues == 0 {
                continue;
            }
            let broker = self.brokers.len();
            self.brokers.push(resolved(place.broker.clone(), address)?);
            self.queues.extend((0..queues).map(|id| Queue { topic: topic.clone(), broker, id }));
        }
        if self.queues.is_empty() {
            let what = match kind {
                Kind::Produce | Kind::Batch | Kind::Tx => "written",
                Kind::Consume | Kind::Pop => "read",
                Kind::E2e | Kind::Delay | Kind::Mixed => "written and read",
            };
            return Err(Failure::Partly {
                what: format!(
                    "topic {topic} may not be {what} on any broker (perm {perm})\n  fix    give it the permission, \
                     6 for both: ringmq admin topic create {topic} --perm 6"
                ),
            });
        }
        Ok(())
    }

    fn find_at_brokers(&mut self) -> Result<(), Failure> {
        for (broker, at) in self.brokers.clone().iter().enumerate() {
            for topic in self.topics.clone() {
                let stats = self.stats(&at.address, &topic)?.unwrap_or_default();
                let mut ids: Vec<i32> = stats.queues.keys().map(|queue| queue.queue_id).collect();
                ids.sort_unstable();
                self.queues.extend(ids.into_iter().map(|id| Queue { topic: topic.clone(), broker, id }));
            }
        }
        if self.queues.is_empty() {
            let topic = self.topics[0].clone();
            let brokers =
                self.brokers.iter().map(|broker| broker.address.clone()).collect::<Vec<_>>().join(";");
            return Err(Failure::NoRoute { topic, namesrv: brokers });
        }
        Ok(())
    }

    fn make(&mut self, queues: u32) -> Result<(), Failure> {
        for topic in self.topics.clone() {
            let there = if self.direct {
                let address = self.brokers[0].address.clone();
                self.stats(&address, &topic)?.is_some()
            } else {
                self.cluster.find_route(&topic)?.is_some_and(|places| !places.is_empty())
            };
            if there {
                return Err(Failure::Usage {
                    what: format!("topic {topic} is there already, and this run did not make it"),
                    fix: "choose another name, or use it as it is with --topic-exists".to_owned(),
                });
            }
        }
        let count = i32::try_from(queues).expect("at most 65,535");
        let mut all = Vec::new();
        for topic in self.topics.clone() {
            self.made.push(topic.clone());
            let header = UpdateAndCreateTopic {
                topic: &topic,
                default_topic: Some(AUTO_CREATE_TOPIC),
                read_queues: count,
                write_queues: count,
                perm: 6,
                topic_filter_type: Some("SINGLE_TAG"),
                topic_sys_flag: Some(0),
                order: false,
                attributes: None,
                force: false,
            };
            for (broker, at) in self.brokers.clone().iter().enumerate() {
                self.cluster.ask(&at.address, &header, &[], &format!("creating topic {topic}"))?;
                all.extend((0..count).map(|id| Queue { topic: topic.clone(), broker, id }));
            }
        }
        all.sort_by(|a, b| (a.broker, &a.topic, a.id).cmp(&(b.broker, &b.topic, b.id)));
        self.queues = all;
        Ok(())
    }

    /// `None`: there is no such topic.
    fn stats(&mut self, address: &str, topic: &str) -> Result<Option<TopicStatsTable>, Failure> {
        let doing = format!("asking for the offsets of {topic}");
        let answer = self.cluster.call(address, &GetTopicStatsInfo { topic }, &[], &doing)?;
        match answer.code {
            ResponseCode::SUCCESS => Ok(Some(parsed(address, &doing, &answer.body)?)),
            ResponseCode::TOPIC_NOT_EXIST => Ok(None),
            _ => Err(crate::client::cluster::refused(address, &doing, &answer)),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for left in self.clear() {
            eprintln!("ringmq bench: {left}");
        }
    }
}

fn topic_names(plan: &Plan) -> Vec<String> {
    let name = plan.topic.clone().unwrap_or_else(|| format!("ringmq-bench-{:08x}", plan.run));
    if plan.topics == 1 {
        return vec![name];
    }
    (0..plan.topics).map(|number| format!("{name}-{number}")).collect()
}

fn direct_brokers(addresses: &[String]) -> Result<Vec<Broker>, Failure> {
    addresses.iter().map(|address| resolved(String::new(), address)).collect()
}

fn resolved(name: String, address: &str) -> Result<Broker, Failure> {
    let found = address.to_socket_addrs().ok().and_then(|mut all| all.next());
    let socket = found.ok_or_else(|| Failure::Usage {
        what: format!("\"{address}\" is no address of a broker"),
        fix: "write host:port with a host that resolves".to_owned(),
    })?;
    Ok(Broker { name, address: address.to_owned(), socket })
}
