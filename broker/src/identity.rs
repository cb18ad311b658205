//! Who a shard is: names and addresses that go into registrations, routes and message ids.

use std::net::SocketAddr;
use std::rc::Rc;

/// The shard as clients, name servers and records know it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Position in the node, from 0.
    pub(crate) index: u16,
    /// Broker name of this shard.
    pub(crate) name: Rc<str>,
    /// Cluster.
    pub(crate) cluster: Rc<str>,
    /// Region, for the property MSG_REGION.
    pub(crate) region: Rc<str>,
    /// Advertised address: goes into records and message ids, and must not change over restarts.
    pub(crate) store_host: SocketAddr,
    /// The same as text, as it is registered.
    pub(crate) address: Rc<str>,
    /// Replication address: one port above, as RocketMQ registers it.
    pub(crate) ha_address: Rc<str>,
    /// Boot time, Unix milliseconds.
    pub(crate) booted_at_ms: i64,
}
