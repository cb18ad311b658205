//! [`Doorbell`]: how another thread wakes a parked shard. Costs one atomic load unless the shard sleeps.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes one shard: its next turn runs `end_of_turn`. Cheap to clone and safe to ring from anywhere, also before the
/// shard runs and after it has ended.
#[derive(Clone, Debug)]
pub struct Doorbell {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Somebody rang since the shard looked.
    rung: AtomicBool,
    /// The shard sleeps, or is about to.
    parked: AtomicBool,
    /// Read by the shard's ring.
    event: OwnedFd,
}

impl Doorbell {
    /// A doorbell for a shard yet to be started (`ShardOptions::doorbell`).
    ///
    /// # Errors
    /// When no eventfd can be had.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self {
            shared: Arc::new(Shared { rung: AtomicBool::new(false), parked: AtomicBool::new(false), event }),
        })
    }

    /// Makes the shard take a turn soon. What the caller stored before is visible to that turn.
    pub fn ring(&self) {
        if self.shared.rung.swap(true, Ordering::SeqCst) {
            return; // Somebody did already, and the shard has not looked since.
        }
        fence(Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Completes the shard's read of the eventfd in any case.
    pub(crate) fn wake(&self) {
        // The counter cannot overflow, at one write per park; so no error is possible.
        let _ = rustix::io::write(&self.shared.event, &1_u64.to_ne_bytes());
    }

    /// Shard side: whether somebody rang since the last call.
    pub(crate) fn take(&self) -> bool {
        self.shared.rung.load(Ordering::Relaxed) && self.shared.rung.swap(false, Ordering::SeqCst)
    }

    /// Shard side: announces sleep. False if somebody rang just now, so that sleeping would miss it.
    pub(crate) fn park(&self) -> bool {
        self.shared.parked.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.shared.rung.load(Ordering::SeqCst)
    }

    /// Shard side: awake again.
    pub(crate) fn unpark(&self) {
        self.shared.parked.store(false, Ordering::SeqCst);
    }
}

impl AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.event.as_raw_fd()
    }
}
