//! [`Place`]: a broker name that has a topic, as a route says: where, and with how many queues.

use net::body::TopicRouteData;

/// One broker name that has a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Name.
    pub(crate) broker: String,
    /// Its cluster.
    pub(crate) cluster: String,
    /// Addresses by broker id.
    pub(crate) addresses: Vec<(i64, String)>,
    /// Queues to read; 0 if it may not be read.
    pub(crate) read_queues: i32,
    /// Queues to write; 0 if it may not be written, or has no master.
    pub(crate) write_queues: i32,
    /// Permission bits.
    pub(crate) perm: i32,
}

impl Place {
    /// The master's address.
    #[must_use]
    pub(crate) fn master(&self) -> Option<&str> {
        self.addresses.iter().find(|(id, _)| *id == MASTER).map(|(_, address)| address.as_str())
    }

    /// Where to read: the master, else the lowest slave.
    #[must_use]
    pub(crate) fn readable(&self) -> Option<&str> {
        self.addresses.iter().min_by_key(|(id, _)| *id).map(|(_, address)| address.as_str())
    }
}

/// The places of a route, by the name of the broker.
pub(super) fn of_route(route: &TopicRouteData) -> Vec<Place> {
    let mut all: Vec<Place> = route
        .queue_datas
        .iter()
        .filter_map(|queues| {
            let broker = route.broker_datas.iter().find(|broker| broker.broker_name == queues.broker_name)?;
            let has_master = broker.broker_addrs.contains_key(&MASTER);
            Some(Place {
                broker: broker.broker_name.clone(),
                cluster: broker.cluster.clone(),
                addresses: broker.broker_addrs.iter().map(|(id, address)| (*id, address.clone())).collect(),
                read_queues: if queues.perm & READABLE != 0 { queues.read_queues } else { 0 },
                write_queues: if queues.perm & WRITABLE != 0 && has_master { queues.write_queues } else { 0 },
                perm: queues.perm,
            })
        })
        .collect();
    all.sort_by(|a, b| a.broker.cmp(&b.broker));
    all
}

const MASTER: i64 = 0;
/// Bits of [`Place::perm`].
const READABLE: i32 = 4;
const WRITABLE: i32 = 2;
