//! `ringmq namesrv`

use namesrv::config::NamesrvConfig;
use settings::Resolved;

use super::{check, log, wait_for_stop};
use crate::cli::NamesrvCommand;
use crate::failure::Failure;
use crate::output::line;
use crate::run_dir::{self, Kind};
use crate::sources;

/// Runs it.
///
/// # Errors
/// Configuration, or what kept the server from running.
pub(crate) fn command(command: NamesrvCommand) -> Result<(), Failure> {
    let resolved = sources::namesrv(command.config.as_deref(), &command.set)?;
    if command.check {
        return check::namesrv(&resolved, command.output);
    }
    run(resolved)
}

/// Runs a name server until a signal stops it.
///
/// # Errors
/// What kept it from running.
pub(crate) fn run(resolved: Resolved<NamesrvConfig>) -> Result<(), Failure> {
    let signals = crate::signals::stops()?;
    sources::print_notes(&resolved);
    log::start(&resolved.config.log_filter, log::Look::Pretty)?;
    let failed = |error: namesrv::StartError| {
        Failure::Server(format!("error[E0221]: the name server does not run: {error}"))
    };
    let entry = run_dir::enter(Kind::Namesrv);
    if let Err(error) = &entry {
        tracing::warn!(%error, "mqshutdown will not find this name server");
    }
    let running = namesrv::start(resolved.config, None).map_err(failed)?;
    line(&boot_line(&running))?;
    wait_for_stop(signals, || running.is_finished());
    running.stop();
    running.join().map_err(failed)
}

/// RocketMQ's words.
pub(crate) fn boot_line(running: &namesrv::Running) -> String {
    format!("The Name Server boot success. serializeType=JSON, address {}", running.address())
}
