//! A plan fitted to the brokers that were found: cores beside theirs, delays as their levels say.

use std::net::{IpAddr, UdpSocket};

use crate::bench::act::Delays;
use crate::bench::host;
use crate::bench::options::Load;
use crate::bench::plan::Plan;
use crate::bench::stage::Stage;
use crate::bench::units;
use crate::failure::Failure;

/// One thread on the last core that is no broker's, unless cores were named.
pub(super) fn off_the_brokers_cores(plan: &Plan, load: &Load, brokers: &[u32]) -> Plan {
    let mut plan = plan.clone();
    if load.cpus.is_none() && !brokers.is_empty() {
        let theirs = cores_of(brokers);
        let usable = rt::real::cpus::usable().unwrap_or_default();
        if let Some(free) = usable.iter().rev().find(|cpu| !theirs.contains(cpu)) {
            plan.cpus = vec![Some(*free)];
        }
    }
    plan
}

/// With a delay level: how long that is, as the brokers say.
pub(super) fn with_levels(plan: Plan, stage: &mut Stage) -> Result<Plan, Failure> {
    let (Some(_), Some(level)) = (plan.delays, plan.shape.level) else { return Ok(plan) };
    let Some(levels) = stage.setting("messageDelayLevel") else { return Ok(plan) };
    let Some(text) = levels.split_whitespace().nth(level as usize - 1) else {
        return Err(Failure::Usage {
            what: format!("--level {level}: the broker has the levels {levels}"),
            fix: "choose one of them, counted from 1".to_owned(),
        });
    };
    let delay =
        units::duration(text).map_err(|what| Failure::Server(format!("messageDelayLevel: {what}")))?;
    let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    Ok(Plan { delays: Some(Delays { least_ms: ms, most_ms: ms, step_ms: 1 }), ..plan })
}

/// Who runs where, for people.
pub(super) fn layout(plan: &Plan, brokers: &[u32]) -> String {
    let cores: Vec<String> =
        plan.cpus.iter().map(|cpu| cpu.map_or("any".to_owned(), |cpu| cpu.to_string())).collect();
    let threads = if cores.len() == 1 { "1 thread".to_owned() } else { format!("{} threads", cores.len()) };
    let generator = format!("generator {threads} on core {}", cores.join(","));
    if brokers.is_empty() {
        return generator;
    }
    let theirs = cores_of(brokers);
    let shared = plan.cpus.iter().flatten().any(|cpu| theirs.contains(cpu));
    let note = if shared { " (the generator's too: figures will suffer)" } else { "" };
    let theirs: Vec<String> = theirs.iter().map(usize::to_string).collect();
    let pids: Vec<String> = brokers.iter().map(u32::to_string).collect();
    format!("{generator}; broker pid {} on core {}{note}", pids.join(","), theirs.join(","))
}

fn cores_of(brokers: &[u32]) -> Vec<usize> {
    let mut all: Vec<usize> = brokers.iter().flat_map(|pid| host::cores_of(*pid)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The address is one of this host's.
pub(super) fn is_ours(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}
