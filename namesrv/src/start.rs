//! [`start`]: a name server on a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rt::real::{ShardError, ShardOptions, ShardThread, Spin, start_shard};

use crate::config::NamesrvConfig;
use crate::server::{NameServer, StartError};

/// A running name server. Dropping it does not stop it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: ShardThread<Result<(), ShardError<StartError>>>,
}

/// Starts a name server and waits until it listens. `cpu` pins its thread; it sleeps whenever nothing is to do.
///
/// # Errors
/// [`StartError`]; the thread has ended then.
pub fn start(config: NamesrvConfig, cpu: Option<usize>) -> Result<Running, StartError> {
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::sync_channel(1);
    let options = ShardOptions { cpu, spin: Spin::Off, ..ShardOptions::new("namesrv") };
    let stop_of_reactor = stop.clone();
    let build = move |env| async move {
        let server = NameServer::open(env, config, stop_of_reactor).await?;
        tell.send(server.address()).expect("start() waits for it");
        Ok(server)
    };
    let thread = start_shard(options, build).map_err(|error| StartError::Shard(error.to_string()))?;
    match told.recv() {
        Ok(address) => Ok(Running { address, stop, thread }),
        // The sender went without a word: the shard ended before it listened.
        Err(mpsc::RecvError) => Err(match thread.join() {
            Err(ShardError::Build(error)) => error,
            Err(error) => StartError::Shard(error.to_string()),
            Ok(()) => StartError::Shard("the name server ended before it listened".to_owned()),
        }),
    }
}

impl Running {
    /// Where it listens, the port resolved.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether its thread has ended, by [`Running::stop`] or by a failure.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks it to end: connections are closed, a change of the key-value configuration under way is lost unless it
    /// was answered. Returns at once.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.doorbell().ring();
    }

    /// Waits for it to end.
    ///
    /// # Errors
    /// Why it ended, if not by [`Running::stop`].
    pub fn join(self) -> Result<(), StartError> {
        self.thread.join().map_err(|error| match error {
            ShardError::Build(error) => error,
            error => StartError::Shard(error.to_string()),
        })
    }
}
