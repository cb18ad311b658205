//! The route of a topic, GET_ROUTEINFO_BY_TOPIC (105): behaviour.md 1.4.

use super::{Broker, Queues, Registry, key};

/// Where a topic is served, borrowed from the tables.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// Broker name and its queues of the topic.
    pub queues: Vec<(&'a str, &'a Queues)>,
    /// The brokers of `queues`.
    pub brokers: Vec<(&'a str, &'a Broker)>,
    /// Address and filter servers of brokers that have any.
    pub filter_servers: Vec<(&'a str, &'a [String])>,
}

impl Registry {
    /// The route of `topic`; `None` if no broker serves it. With `zone`, only groups in that zone, and groups
    /// without a master wherever they are.
    #[must_use]
    pub fn route(&self, topic: &str, zone: Option<&str>) -> Option<Route<'_>> {
        let queues = self.topics.get(topic)?;
        let mut route = Route {
            queues: Vec::with_capacity(queues.len()),
            brokers: Vec::new(),
            filter_servers: Vec::new(),
        };
        for (name, queues) in queues {
            let broker = self.brokers.get(name).expect("a queue entry belongs to a known broker");
            if zone.is_some_and(|zone| !is_near(broker, zone)) {
                continue;
            }
            route.queues.push((name, queues));
            route.brokers.push((name, broker));
            if self.filter_servers.is_empty() {
                continue;
            }
            route.filter_servers.extend(broker.addresses.values().filter_map(|address| {
                let servers = self.filter_servers.get(&key(&broker.cluster, address))?;
                Some((address.as_str(), servers.as_slice()))
            }));
        }
        Some(route)
    }
}

/// A group without a master is near to everybody: its slaves are what is left of its messages.
fn is_near(broker: &Broker, zone: &str) -> bool {
    !broker.addresses.contains_key(&0)
        || broker.zone.as_deref().is_some_and(|own| own.to_lowercase() == zone.to_lowercase())
}
