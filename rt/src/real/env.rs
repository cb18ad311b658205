//! [`RealEnv`]: the machine behind [`Env`].

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use super::core::Core;
use super::ring::Counters;
use super::timers::Sleep;
use super::{Disk, Doorbell, Net, clock};
use crate::{Class, Env, Now};

/// The real environment of one shard. Belongs to its thread.
#[derive(Clone)]
pub struct RealEnv {
    core: Rc<Core>,
    disk: Disk,
    net: Net,
}

impl RealEnv {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Self { disk: Disk::new(core.clone()), net: Net::new(core.clone()), core }
    }

    /// What this shard's ring did so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.core.ring.borrow().counters
    }

    /// Wakes this shard from any thread.
    #[must_use]
    pub fn doorbell(&self) -> Doorbell {
        self.core.bell.clone()
    }
}

impl Env for RealEnv {
    type Disk = Disk;
    type Net = Net;

    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn net(&self) -> &Net {
        &self.net
    }

    fn now(&self) -> Now {
        self.core.clock.now()
    }

    fn random(&self) -> u64 {
        // SplitMix64, seeded by the kernel at the start of the shard.
        let state = self.core.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.core.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn spawn(&self, class: Class, task: impl Future<Output = ()> + 'static) {
        self.core.tasks.spawn(class, task);
    }

    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + 'static {
        let pause_ns = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX / 2);
        Sleep::until(self.core.timers.clone(), crate::Mono(clock::monotonic().0.saturating_add(pause_ns)))
    }

    #[expect(clippy::manual_async_fn, reason = "an async fn would borrow self")]
    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        async { glommio::executor().yield_task_queue_now().await }
    }

    fn kick(&self) {
        self.core.kicked.set(true);
    }
}
