//! How an operation begins: it is counted, whoever may have a say is asked, and it waits for its time.

use std::io;
use std::path::Path;
use std::rc::Rc;

use super::SimDisk;
use super::faults::{OpKind, Operation, Verdict};
use super::state::State;
use crate::sim::completion::completion;
use crate::sim::random::mix;

/// How long operations take, in virtual nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskLatency {
    /// Least and most for a read or write.
    pub io_ns: (u64, u64),
    /// Least and most for a flush, a durable write, or anything about names.
    pub flush_ns: (u64, u64),
    /// One operation in so many ...
    pub spike_one_in: u64,
    /// ... takes this much longer.
    pub spike_ns: u64,
}

impl Default for DiskLatency {
    /// A good NVMe device without power-loss protection, with a hiccup now and then.
    fn default() -> Self {
        Self { io_ns: (20_000, 120_000), flush_ns: (80_000, 200_000), spike_one_in: 64, spike_ns: 2_000_000 }
    }
}

/// How an operation will go.
pub(super) struct Admission {
    pub(super) nanoseconds: u64,
    pub(super) failure: Option<i32>,
    pub(super) path_of_write: WritePath,
}

/// Where the bytes of a write end up.
#[derive(Clone, Copy)]
pub(super) enum WritePath {
    Straight,
    Lost,
    To(u64),
}

impl SimDisk {
    /// Counts an operation, asks who may have a say, and returns how long it takes and how it ends.
    pub(super) async fn admit(&self, kind: OpKind, path: &Rc<Path>, offset: u64, bytes: u64) -> Admission {
        let operation = {
            let mut state = self.state();
            let index = state.statistics.operations;
            state.count(kind, bytes);
            Operation { index, kind, path: path.clone(), offset, bytes }
        };
        let ruled = self.state().rules.strike(&operation);
        // Taken out while it runs: it may look at this disk.
        let hook = self.0.hook.borrow_mut().take();
        let mut verdict = ruled.map_or(Verdict::Proceed, Verdict::Fail);
        if let Some(mut hook) = hook {
            if verdict == Verdict::Proceed {
                verdict = hook(&operation);
            }
            self.0.hook.borrow_mut().get_or_insert(hook);
        }
        if verdict == Verdict::Freeze || self.state().frozen {
            self.state().frozen = true;
            return std::future::pending().await;
        }
        let mut nanoseconds = self.latency_ns(kind, bytes);
        let (mut failure, mut path_of_write) = (None, WritePath::Straight);
        match verdict {
            Verdict::Delay(longer) => nanoseconds += u64::try_from(longer.as_nanos()).unwrap_or(u64::MAX / 4),
            Verdict::Fail(errno) => failure = Some(errno),
            Verdict::Lose => path_of_write = WritePath::Lost,
            Verdict::Misdirect(offset) => path_of_write = WritePath::To(offset),
            Verdict::Proceed | Verdict::Freeze => {}
        }
        if failure.is_some() {
            self.state().statistics.failures += 1;
        }
        if let Some(world) = self.0.world.borrow().upgrade() {
            world.trace(mix(kind as u64 ^ (operation.index << 8)) ^ mix(offset) ^ bytes);
        }
        Admission { nanoseconds, failure, path_of_write }
    }

    fn latency_ns(&self, kind: OpKind, bytes: u64) -> u64 {
        let latency = self.0.latency.get();
        let random = self.0.random.borrow();
        let (least, most) = match kind {
            OpKind::Read | OpKind::Write => latency.io_ns,
            OpKind::Lookup => return random.between(0, latency.io_ns.0),
            _ => latency.flush_ns,
        };
        let spike = if random.below(latency.spike_one_in.max(1)) == 0 { latency.spike_ns } else { 0 };
        // 4 GiB/s.
        random.between(least, most) + spike + bytes / 4
    }

    /// Runs `action` after `nanoseconds`, or at once if this disk belongs to no machine.
    pub(super) fn after(&self, nanoseconds: u64, action: impl FnOnce() + 'static) {
        let world = self.0.world.borrow().upgrade();
        match world {
            Some(world) => world.at(world.now().0 + nanoseconds, action),
            None => action(),
        }
    }

    pub(super) async fn pause(&self, nanoseconds: u64) {
        let (completer, done) = completion();
        self.after(nanoseconds, move || completer.complete(()));
        done.await;
    }

    /// An operation on names or lengths: admitted, waited for, then done at one moment.
    pub(super) async fn metadata<T>(
        &self,
        kind: OpKind,
        path: &Path,
        bytes: u64,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let admission = self.admit(kind, &path.into(), 0, bytes).await;
        self.pause(admission.nanoseconds).await;
        if let Some(errno) = admission.failure {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if self.state().frozen {
            return std::future::pending().await;
        }
        let mut state = self.state();
        state.clock += 1;
        let result = act(&mut state);
        if result.is_err() {
            state.statistics.failures += 1;
        }
        result
    }
}
