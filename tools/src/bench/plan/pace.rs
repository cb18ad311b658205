//! How fast a run is meant to go, and on what: its rate, its requests in flight, the cores of its threads and how they wait.

use rt::real::{Spin, cpus};

use crate::bench::host;
use crate::bench::options::Load;
use crate::bench::units::Rate;
use crate::failure::Failure;

use super::Kind;
use super::checks::usage;

/// Messages per second of `mean` bytes; `None` is a closed loop.
pub(super) fn rate(kind: Kind, load: &Load, mean: f64) -> Result<Option<f64>, Failure> {
    let rate = match load.rate {
        None if matches!(kind, Kind::E2e | Kind::Delay | Kind::Mixed) => Some(E2E_RATE),
        None | Some(Rate::Max) => None,
        Some(Rate::Messages(rate)) => Some(rate),
        Some(Rate::Bytes(bytes)) => Some(bytes / mean),
    };
    match rate {
        Some(rate) if rate > RATE_MAX => Err(usage(
            format!("--rate: {rate:.0} messages per second is beyond any machine"),
            "give less, or `max` for a closed loop",
        )),
        rate => Ok(rate),
    }
}

/// Requests in flight per connection.
pub(super) fn inflight(kind: Kind, load: &Load, rate: Option<f64>) -> usize {
    if kind == Kind::Pop {
        return load.inflight.unwrap_or(POPS) as usize;
    }
    let default = if load.sync {
        1
    } else if rate.is_some() {
        INFLIGHT_OPEN
    } else {
        INFLIGHT_CLOSED
    };
    load.inflight.map_or(default, |inflight| inflight as usize)
}

/// One thread, on the last core, unless told.
pub(super) fn cores(load: &Load) -> Result<Vec<Option<usize>>, Failure> {
    let usable = cpus::usable().unwrap_or_default();
    let Some(list) = &load.cpus else {
        return Ok(vec![usable.last().copied().filter(|_| usable.len() > 1)]);
    };
    let wanted = cpus::parse(list)
        .map_err(|error| usage(format!("--cpus {list}: {error}"), "write for example --cpus 2-3,6"))?;
    if let Some(missing) = wanted.iter().find(|cpu| !usable.contains(cpu)) {
        let have = usable.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        return Err(usage(
            format!("--cpus {list}: this process may not run on core {missing}"),
            &format!("it may run on {have}"),
        ));
    }
    Ok(wanted.into_iter().map(Some).collect())
}

/// How threads wait: unless told, an open loop watches the clock where there are cores to spare for it.
pub(super) fn spin(load: &Load, rate: Option<f64>) -> Spin {
    match load.spin {
        Some(0) => Spin::Off,
        Some(micros) => Spin::Micros(micros),
        None if rate.is_some() && host::cores() > 1 => Spin::Micros(u32::MAX),
        None => Spin::Off,
    }
}

/// Pops in flight per connection.
const POPS: u32 = 4;
const E2E_RATE: f64 = 1_000.0;
const RATE_MAX: f64 = 1e9;
const INFLIGHT_OPEN: usize = 1024;
const INFLIGHT_CLOSED: usize = 64;
