//! [`PanicGuard`]: a shard that panics takes the process with it (reliability.md F1).
//!
//! A shard's state after a panic is unknown and its clients would wait for ever; the process ends with exit code 101
//! and whoever supervises it starts it again. Nothing acknowledged is lost: kept means it survives process death.

use std::rc::Rc;

/// What a panic on a shard's thread does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPanic {
    /// Ends the process, exit code 101.
    #[default]
    EndProcess,
    /// Unwinds to the caller of `run_shard`. For tests, whose failed assertion should fail one test.
    Unwind,
}

/// Watches over code that must not unwind.
#[derive(Clone)]
pub(crate) struct PanicGuard {
    shard: Rc<str>,
    on_panic: OnPanic,
}

impl PanicGuard {
    pub(crate) fn new(shard: &str, on_panic: OnPanic) -> Self {
        Self { shard: shard.into(), on_panic }
    }

    /// Until the result is dropped, a panic has its consequence.
    pub(crate) fn arm(&self) -> Armed<'_> {
        Armed(self)
    }
}

/// See [`PanicGuard::arm`].
pub(crate) struct Armed<'a>(&'a PanicGuard);

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        if self.0.on_panic == OnPanic::EndProcess && std::thread::panicking() {
            // The panic hook has printed message and place.
            eprintln!("shard {} panicked: the process ends, exit code 101", self.0.shard);
            // SAFETY: always sound. No exit handlers: other shards are still running.
            unsafe { libc::_exit(101) }
        }
    }
}
