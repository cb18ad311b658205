//! A shard's beginning and end: open the store, take up metadata, listen; refuse, answer, flush, leave.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use net::admin_sources::{AdminSources, NotANetwork};
use rt::{Env, Now, listen_patiently};
use store::{RecoveryReport, Store, StoreConfig};

use crate::config::BrokerConfig;
use crate::identity::Identity;
use crate::peers::Peers;
use crate::registration::Registration;
use crate::shard::{Phase, Shard};

/// What one shard is made from.
#[derive(Clone, Debug)]
pub struct ShardSetup {
    /// Position in the node, from 0.
    pub index: u16,
    /// The node's configuration.
    pub config: BrokerConfig,
    /// The shard's store.
    pub store: StoreConfig,
    /// Where to listen. The second is the VIP alias, if it is on.
    pub listen: Vec<SocketAddr>,
    /// Advertised address, with the port.
    pub advertised: SocketAddr,
    /// Resolved addresses of the name servers.
    pub name_servers: Vec<SocketAddr>,
}

/// Why a shard did not start.
#[derive(Debug)]
pub enum StartError {
    /// The store cannot be opened: why, in words.
    Store(String),
    /// `admin.allow` does not parse.
    Allow(NotANetwork),
    /// An address is taken, or not ours.
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl<E: Env> Shard<E> {
    /// Recovers the store, takes up topics, groups and offsets, then listens: a client that can connect is served.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub async fn open(env: E, setup: ShardSetup, peers: Peers) -> Result<(Self, RecoveryReport), StartError> {
        let (store, report) = Store::open(env.clone(), setup.store)
            .await
            .map_err(|error| StartError::Store(error.to_string()))?;
        let identity = Identity {
            index: setup.index,
            name: setup.config.shard_name(setup.index).into(),
            cluster: setup.config.cluster.as_str().into(),
            region: setup.config.region.as_str().into(),
            store_host: setup.advertised,
            address: setup.advertised.to_string().into(),
            ha_address: SocketAddr::new(setup.advertised.ip(), setup.advertised.port() + 1)
                .to_string()
                .into(),
            booted_at_ms: env.now().unix_ms,
        };
        let registration = Registration::new(&setup.name_servers);
        let admin = AdminSources::parse(&setup.config.admin_allow).map_err(StartError::Allow)?;
        let mut shard =
            Self::assemble(env, Rc::new(setup.config), identity, store, registration, (peers, admin));
        let now = shard.env.now();
        shard.load_tables(now);
        shard.adopt_queues(now);
        shard.make_system_topics(now);
        shard.load_pops(now);
        shard.load_request_modes();
        shard.load_locks(now);
        let progress = shard.load_delays();
        shard.resume_delays(&progress, now);
        let (progress, recalled) = shard.load_timed();
        shard.resume_timed(progress, recalled, now);
        shard.resume_transactions().await.map_err(|error| StartError::Store(error.to_string()))?;
        shard.resume_dedup(now).await.map_err(|error| StartError::Store(error.to_string()))?;
        shard.arm_periodic(now);
        for address in setup.listen {
            let listening = listen_patiently(&shard.env, address).await;
            listening.map_err(|source| StartError::Listen { address, source })?;
        }
        Ok((shard, report))
    }

    /// Begins to stop: no more sends, everybody who waits is answered, name servers are told.
    pub(crate) fn begin_stop(&mut self, now: Now) {
        self.phase = Phase::Draining;
        let parked: Vec<_> = self.polls.ids().collect();
        for id in parked {
            self.release(id, now);
        }
        self.release_pops(now);
        self.unregister(now);
    }

    /// Ends when every stored send is answered and the name servers heard of it (or did not in time).
    pub(crate) fn stop_if_quiet(&mut self, now: Now) {
        if self.phase != Phase::Draining || self.receipts.len() > 0 || self.registration.is_leaving(now.mono)
        {
            return;
        }
        self.store_progress();
        // What was delivered and decided is known before the log closes, unless it cannot be flushed.
        let is_saved = self.delays.is_saved() && self.transactions.is_saved() && self.timed.is_saved();
        if !is_saved && self.store.refusal().is_none() {
            return;
        }
        self.phase = Phase::Closing;
        self.store_offsets();
        self.store.close(&self.env, self.identity.index);
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(why) => f.write_str(why),
            Self::Allow(error) => error.fmt(f),
            Self::Listen { address, source } => write!(f, "cannot listen on {address}: {source}"),
        }
    }
}

impl std::error::Error for StartError {}
