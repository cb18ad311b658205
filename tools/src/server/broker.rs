//! `ringmq broker`

use broker::config::{BrokerConfig, LogFormat};
use broker::{Node, NodeError};
use settings::Resolved;

use super::{check, log, wait_for_stop};
use crate::cli::BrokerCommand;
use crate::failure::Failure;
use crate::output::line;
use crate::run_dir::{self, Kind};
use crate::sources;

/// Runs it.
///
/// # Errors
/// Configuration, or what kept the node from running.
pub(crate) fn command(command: BrokerCommand) -> Result<(), Failure> {
    let resolved = sources::broker(command.config.as_deref(), &command.set, command.namesrv.as_deref())?;
    if command.check {
        return check::broker(&resolved, command.output);
    }
    run(resolved)
}

/// Runs a node until a signal stops it.
///
/// # Errors
/// What kept it from running.
pub(crate) fn run(resolved: Resolved<BrokerConfig>) -> Result<(), Failure> {
    let signals = crate::signals::stops()?;
    sources::print_notes(&resolved);
    let config = resolved.config;
    log::start(&config.log_filter, look(config.log_format))?;
    let entry = run_dir::enter(Kind::Broker);
    if let Err(error) = &entry {
        tracing::warn!(%error, "mqshutdown will not find this broker");
    }
    let node = Node::start(&config).map_err(|error| failed(&error))?;
    for boot_line in boot_lines(&node, &config) {
        line(&boot_line)?;
    }
    wait_for_stop(signals, || node.is_ending());
    node.stop();
    node.join().map_err(|error| failed(&error))
}

/// RocketMQ's words, one per shard.
pub(crate) fn boot_lines(node: &Node, config: &BrokerConfig) -> Vec<String> {
    let registered = config.namesrv.0.join(";");
    let suffix =
        if registered.is_empty() { String::new() } else { format!(" and name server is {registered}") };
    let shards = node.facts().shards.iter();
    shards
        .map(|(name, address)| {
            format!("The broker[{name}, {address}] boot success. serializeType=JSON{suffix}")
        })
        .collect()
}

pub(crate) fn failed(error: &NodeError) -> Failure {
    match error {
        NodeError::Host(_) => Failure::Server(error.to_string().trim_end().to_owned()),
        _ => Failure::Server(format!("error[E0231]: the broker does not run: {error}")),
    }
}

pub(crate) fn look(format: LogFormat) -> log::Look {
    match format {
        LogFormat::Pretty => log::Look::Pretty,
        LogFormat::Compact => log::Look::Compact,
        LogFormat::Json => log::Look::Json,
    }
}
