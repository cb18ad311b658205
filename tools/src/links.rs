//! `mqbroker`, `mqnamesrv` and `mqshutdown`: RocketMQ's commands, by link name or as `ringmq mqbroker …`.

use std::path::Path;

use broker::config::{BrokerConfig, java_properties};
use namesrv::config::NamesrvConfig;
use settings::{Resolved, Settings};

use crate::failure::Failure;
use crate::output::line;
use crate::run_dir::{self, Kind};
use crate::{server, sources};

pub(crate) mod commons_cli;

use commons_cli::{Opt, Parsed};

const BROKER: &[Opt] = &[
    Opt { short: "c", long: "configFile", value: true, help: "Broker config properties file" },
    Opt { short: "h", long: "help", value: false, help: "Print help" },
    Opt { short: "m", long: "printImportantConfig", value: false, help: "Print important config item" },
    Opt { short: "n", long: "namesrvAddr", value: true, help: NAMESRV_HELP },
    Opt { short: "p", long: "printConfigItem", value: false, help: "Print all config item" },
];

const NAMESRV: &[Opt] = &[
    Opt { short: "c", long: "configFile", value: true, help: "Name server config properties file" },
    Opt { short: "h", long: "help", value: false, help: "Print help" },
    Opt { short: "n", long: "namesrvAddr", value: true, help: NAMESRV_HELP },
    Opt { short: "p", long: "printConfigItem", value: false, help: "Print all config items" },
];

const NAMESRV_HELP: &str = "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'";

/// What RocketMQ calls important.
const IMPORTANT: &[&str] = &[
    "autoCreateSubscriptionGroup",
    "autoCreateTopicEnable",
    "brokerClusterName",
    "brokerIP1",
    "brokerId",
    "brokerName",
    "brokerRole",
    "cleanFileForciblyEnable",
    "deleteWhen",
    "fileReservedTime",
    "flushDiskType",
    "flushIntervalCommitLog",
    "inSyncReplicas",
    "listenPort",
    "maxTransferBytesOnMessageInDisk",
    "maxTransferBytesOnMessageInMemory",
    "maxTransferCountOnMessageInDisk",
    "maxTransferCountOnMessageInMemory",
    "messageIndexEnable",
    "msgTraceTopicName",
    "namesrvAddr",
    "storePathCommitLog",
    "storePathRootDir",
    "traceTopicEnable",
    "transactionCheckInterval",
    "transactionCheckMax",
    "transactionTimeOut",
];

/// A command with RocketMQ's arguments.
pub(crate) type Link = fn(&[String]) -> Result<(), Failure>;

/// The command that a link of this name stands for.
#[must_use]
pub(crate) fn by_name(name: &str) -> Option<Link> {
    match name {
        "mqbroker" => Some(mqbroker),
        "mqnamesrv" => Some(mqnamesrv),
        "mqshutdown" => Some(mqshutdown),
        _ => None,
    }
}

/// `mqbroker`
///
/// # Errors
/// As `ringmq broker`.
pub(crate) fn mqbroker(arguments: &[String]) -> Result<(), Failure> {
    let Some(parsed) = read("mqbroker", BROKER, arguments)? else { return Ok(()) };
    let resolved = sources::broker(parsed.value("c").map(Path::new), &[], parsed.value("n"))?;
    if parsed.has("p") || parsed.has("m") {
        return print_broker(&resolved, parsed.has("m") && !parsed.has("p"));
    }
    server::broker::run(resolved)
}

/// `mqnamesrv`
///
/// # Errors
/// As `ringmq namesrv`.
pub(crate) fn mqnamesrv(arguments: &[String]) -> Result<(), Failure> {
    let Some(parsed) = read("mqnamesrv", NAMESRV, arguments)? else { return Ok(()) };
    let resolved = sources::namesrv(parsed.value("c").map(Path::new), &[])?;
    if parsed.has("p") {
        return print_namesrv(&resolved);
    }
    server::namesrv::run(resolved)
}

/// `mqshutdown broker | namesrv`
///
/// # Errors
/// Exit code 1 if nothing runs.
pub(crate) fn mqshutdown(arguments: &[String]) -> Result<(), Failure> {
    let kind = match arguments.first().map(String::as_str) {
        Some("broker") => Kind::Broker,
        Some("namesrv") => Kind::Namesrv,
        _ => {
            return Err(Failure::Usage {
                what: "usage: mqshutdown broker | namesrv".to_owned(),
                fix: "name what to stop".to_owned(),
            });
        }
    };
    let command = kind.command();
    let running = run_dir::running(kind).map_err(|error| {
        Failure::Server(format!("error[E0211]: cannot look for running servers: {error}"))
    })?;
    if running.is_empty() {
        line(&format!("No {command} running."))?;
        return Err(Failure::Said);
    }
    let all = running.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    line(&format!("The {command}({all}) is running..."))?;
    for process in running {
        run_dir::stop(process)
            .map_err(|error| Failure::Server(format!("error[E0212]: cannot stop {process}: {error}")))?;
    }
    line(&format!("Send shutdown request to {command}({all}) OK"))?;
    Ok(())
}

/// `None`: the help was asked for and printed.
fn read(command: &str, known: &'static [Opt], arguments: &[String]) -> Result<Option<Parsed>, Failure> {
    let parsed = commons_cli::parse(known, arguments).map_err(|error| Failure::Usage {
        what: error.to_string(),
        fix: commons_cli::usage(command, known),
    })?;
    if parsed.has("h") {
        line(&commons_cli::usage(command, known))?;
        return Ok(None);
    }
    Ok(Some(parsed))
}

fn print_broker(resolved: &Resolved<BrokerConfig>, important: bool) -> Result<(), Failure> {
    let given =
        |name: &str| resolved.notes.iter().rev().find(|note| note.key == name).map(|note| note.value.clone());
    for (name, value) in java_properties(&resolved.config) {
        if !important || IMPORTANT.contains(&name) {
            line(&format!("{name}={}", given(name).unwrap_or(value)))?;
        }
    }
    Ok(())
}

fn print_namesrv(resolved: &Resolved<NamesrvConfig>) -> Result<(), Failure> {
    let given =
        |name: &str| resolved.notes.iter().rev().find(|note| note.key == name).map(|note| note.value.clone());
    for key in namesrv::config::java_keys().iter() {
        let ours = NamesrvConfig::find(key.name).map(|index| resolved.config.show_java(index));
        let value = ours
            .or_else(|| given(key.name))
            .unwrap_or_else(|| key.default.split('|').next().unwrap_or_default().to_owned());
        line(&format!("{}={value}", key.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_important_key_is_one_of_rocketmqs() {
        for name in IMPORTANT {
            assert!(broker::config::java_keys().find(name).is_some(), "{name}");
        }
    }
}
