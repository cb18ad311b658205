//! A connection to a shard that is lost and made again.

use testbed::Client;

use crate::cluster::Cluster;

/// A client's way to one of the shards.
pub(crate) struct Line<'w> {
    client: Option<Client<'w>>,
    pub(crate) shard: usize,
    /// No new attempt before, in virtual milliseconds.
    dial_at: u64,
}

impl<'w> Line<'w> {
    pub(crate) fn to(shard: usize) -> Self {
        Self { client: None, shard, dial_at: 0 }
    }

    /// The connection if there is one; the flag says that it was just made, and everything asked before is void.
    pub(crate) fn get(&mut self, cluster: &Cluster<'w>) -> Option<(&mut Client<'w>, bool)> {
        if self.client.as_ref().is_some_and(|client| !client.is_open()) {
            self.client = None;
        }
        let mut fresh = false;
        if self.client.is_none() && cluster.world.now_ms() >= self.dial_at {
            self.client = cluster.address(self.shard).and_then(|at| cluster.world.try_connect(at));
            self.dial_at = cluster.world.now_ms() + cluster.life.redial_ms();
            fresh = self.client.is_some();
        }
        Some((self.client.as_mut()?, fresh))
    }

    /// Gives up the connection, for instance because nothing comes any more.
    pub(crate) fn hang_up(&mut self) {
        if let Some(client) = self.client.take() {
            client.close();
        }
    }
}
