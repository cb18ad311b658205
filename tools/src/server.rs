//! The servers as commands: start, boot line, wait for a signal, stop.

use std::time::Duration;

use signal_hook::iterator::Signals;

pub(crate) mod broker;
mod check;
pub(crate) mod dev;
mod log;
pub(crate) mod namesrv;

/// How often a server is looked at that might have ended by itself.
const LOOK: Duration = Duration::from_millis(200);

/// Returns when a signal came or the server ended by itself. A second signal, while the server stops, is left to the
/// servers: the handler stays installed, so that it does not kill them half way.
fn wait_for_stop(mut signals: Signals, has_ended: impl Fn() -> bool) {
    while signals.pending().next().is_none() && !has_ended() {
        std::thread::park_timeout(LOOK);
    }
}
