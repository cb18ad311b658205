//! Ctrl-C and SIGTERM.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A flag that Ctrl-C and SIGTERM set. A second one ends the process at once, so that nobody needs `kill -9`.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn interrupted() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, flag.clone())?;
        signal_hook::flag::register(signal, flag.clone())?;
    }
    Ok(flag)
}

/// Exit code of a process that was interrupted.
const INTERRUPTED: i32 = 130;

/// The signals that stop a server, to wait for on the main thread.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn stops() -> io::Result<Signals> {
    Signals::new([SIGINT, SIGTERM])
}
