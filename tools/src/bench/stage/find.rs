//! The brokers and queues that are there: by their addresses, by the name servers' table of clusters, or by a route.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;

use crate::bench::plan::{Kind, Plan};
use crate::client::cluster::Place;
use crate::failure::Failure;

use super::{Broker, Queue, Stage};

impl Stage {
    /// The masters of cluster `wanted`, or of the only one.
    pub(super) fn masters(&mut self, wanted: Option<&str>) -> Result<Vec<Broker>, Failure> {
        let info = self.cluster.info()?;
        let cluster = chosen(&info.cluster_addr_table, wanted, &self.cluster.namesrv())?;
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

    /// Brokers and queues of the topics as their routes say, or will say: those that the plan's kind may use.
    pub(super) fn find_by_route(&mut self, plan: &Plan) -> Result<(), Failure> {
        for topic in self.topics.clone() {
            let places = if plan.topic_on_demand {
                self.cluster.route_for_sending(&topic)?
            } else {
                self.cluster.route(&topic)?
            };
            self.find_at(&topic, places, plan.kind)?;
        }
        self.queues.sort_by(|a, b| (a.broker, &a.topic, a.id).cmp(&(b.broker, &b.topic, b.id)));
        Ok(())
    }

    fn find_at(&mut self, topic: &str, mut places: Vec<Place>, kind: Kind) -> Result<(), Failure> {
        if let Some(wanted) = &self.cluster_name {
            places.retain(|place| place.cluster == *wanted);
        }
        let before = self.queues.len();
        for place in &places {
            let Some(address) = place.master() else { continue };
            let queues = match kind {
                Kind::Produce | Kind::Batch | Kind::Tx => place.write_queues,
                Kind::Consume | Kind::Pop => place.read_queues,
                Kind::E2e | Kind::Delay | Kind::Mixed => place.write_queues.min(place.read_queues),
            };
            if queues == 0 {
                continue;
            }
            let known = self.brokers.iter().position(|broker| broker.address == address);
            let broker = known.unwrap_or(self.brokers.len());
            if known.is_none() {
                self.brokers.push(resolved(place.broker.clone(), address)?);
            }
            self.queues.extend((0..queues).map(|id| Queue { topic: topic.to_owned(), broker, id }));
        }
        if self.queues.len() > before {
            return Ok(());
        }
        if let (Some(wanted), true) = (&self.cluster_name, places.is_empty()) {
            return Err(Failure::Partly {
                what: format!(
                    "no broker of cluster {wanted} has topic {topic}\n  fix    name another --cluster, or make the topic there"
                ),
            });
        }
        let perm = places.iter().map(|place| place.perm).fold(0, |all, perm| all | perm);
        let what = match kind {
            Kind::Produce | Kind::Batch | Kind::Tx => "written",
            Kind::Consume | Kind::Pop => "read",
            Kind::E2e | Kind::Delay | Kind::Mixed => "written and read",
        };
        Err(Failure::Partly {
            what: format!(
                "topic {topic} may not be {what} on any broker (perm {perm})\n  fix    give it the permission, \
                 6 for both: ringmq admin topic create {topic} --perm 6"
            ),
        })
    }

    /// Queues of the topics as the brokers say. Brokers that have none of them are left alone.
    pub(super) fn find_at_brokers(&mut self) -> Result<(), Failure> {
        let asked = std::mem::take(&mut self.brokers);
        for at in &asked {
            let mut queues = Vec::new();
            for topic in self.topics.clone() {
                let stats = self.stats(&at.address, &topic)?.unwrap_or_default();
                let broker = self.brokers.len();
                let ids = stats.queues.keys().map(|queue| queue.queue_id);
                queues.extend(ids.map(|id| Queue { topic: topic.clone(), broker, id }));
            }
            if !queues.is_empty() {
                self.queues.append(&mut queues);
                self.brokers.push(at.clone());
            }
        }
        self.queues.sort_by(|a, b| (a.broker, &a.topic, a.id).cmp(&(b.broker, &b.topic, b.id)));
        let missing =
            self.topics.iter().find(|topic| !self.queues.iter().any(|queue| queue.topic == **topic));
        match missing {
            None => Ok(()),
            Some(topic) => {
                let namesrv = asked.iter().map(|broker| broker.address.clone()).collect::<Vec<_>>().join(";");
                Err(Failure::NoRoute { topic: topic.clone(), namesrv })
            }
        }
    }
}

/// The cluster to use of those that name servers know.
fn chosen<T>(clusters: &BTreeMap<String, T>, wanted: Option<&str>, namesrv: &str) -> Result<String, Failure> {
    let known = || clusters.keys().cloned().collect::<Vec<_>>().join(", ");
    match (wanted, clusters.len()) {
        (Some(name), _) if clusters.contains_key(name) => Ok(name.to_owned()),
        (Some(name), _) => Err(Failure::Usage {
            what: format!("there is no cluster {name}"),
            fix: format!("the name servers know: {}", known()),
        }),
        (None, 1) => Ok(clusters.keys().next().expect("there is one").clone()),
        (None, 0) => Err(Failure::Partly {
            what: format!(
                "no broker is registered at {namesrv}\n  fix    start one that registers there, or name it: --broker HOST:PORT"
            ),
        }),
        (None, _) => Err(Failure::Usage {
            what: format!("there are several clusters: {}", known()),
            fix: "choose one with --cluster".to_owned(),
        }),
    }
}

/// Brokers by their addresses.
pub(super) fn named(addresses: &[String]) -> Result<Vec<Broker>, Failure> {
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
