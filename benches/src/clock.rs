//! Real time for the parts that run outside of a shard: starting servers, waiting for them.

use std::time::{Duration, Instant};

/// Now.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "the orchestrating thread waits for processes")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}
