//! Transactions, delays and mixes: what their options mean together.

use std::time::Duration;

use crate::bench::act::{Delays, Shares};
use crate::bench::options::Load;
use crate::failure::Failure;

use super::checks::{usage, within};
use super::{Kind, WARMUP};

/// The shares of a load of `kind`.
pub(super) fn shares(kind: Kind, load: &Load) -> Result<Shares, Failure> {
    let shares = Shares {
        half: if kind == Kind::Tx { 1.0 } else { load.tx_share },
        later: if kind == Kind::Delay { 1.0 } else { load.delay_share },
        rollback: load.rollback,
        unknown: load.unknown,
        check_rollback: load.check_rollback,
        check_unknown: load.check_unknown,
    };
    if kind != Kind::Mixed && load.tx_share + load.delay_share > 0.0 {
        return Err(usage(
            "--tx-share and --delay-share are for bench mixed",
            "use `bench mixed`, tx or delay",
        ));
    }
    let more_than_all = |a: f64, b: f64, names: &str| {
        (a + b > 1.0 + 1e-9)
            .then(|| usage(format!("{names} together are more than all"), "give at most 100 %"))
    };
    let wrong = more_than_all(shares.half, shares.later, "--tx-share and --delay-share")
        .or_else(|| more_than_all(shares.rollback, shares.unknown, "--rollback and --unknown"))
        .or_else(|| {
            more_than_all(shares.check_rollback, shares.check_unknown, "--check-rollback and --check-unknown")
        });
    if let Some(failure) = wrong {
        return Err(failure);
    }
    let ends = load.rollback + load.unknown + load.check_rollback + load.check_unknown;
    if ends > 0.0 && shares.half == 0.0 {
        let what = "--rollback, --unknown and --check-* are ends of transactions, and there are none";
        return Err(usage(what, "use `bench tx`, or `bench mixed --tx-share 10%`"));
    }
    if shares.half + shares.later > 0.0 {
        if load.oneway {
            return Err(usage("--oneway: transactions and delays need their answers", "leave it out"));
        }
        if load.batch.is_some_and(|batch| batch > 1) {
            let what = "--batch: brokers take no batches of transactions or delayed messages";
            return Err(usage(what, "leave it out"));
        }
    }
    if kind != Kind::Mixed && load.scan > 0 {
        return Err(usage("--scan is for bench mixed", "use `bench mixed`, or `bench consume`"));
    }
    within("--scan", u64::from(load.scan), 0, 1_000)?;
    Ok(shares)
}

/// The delays of delayed messages.
pub(super) fn delays(kind: Kind, load: &Load, shares: &Shares) -> Result<Option<Delays>, Failure> {
    if shares.later == 0.0 {
        if load.delay.is_some()
            || load.level.is_some()
            || load.due_property.is_some() && kind != Kind::Consume
        {
            let what = "--delay, --level and --due-property are for delayed messages, and there are none";
            return Err(usage(what, "use `bench delay`, or `bench mixed --delay-share 10%`"));
        }
        return Ok(None);
    }
    if let Some(level) = load.level {
        within("--level", u64::from(level), 1, LEVELS_MAX)?;
        let ms = DEFAULT_LEVELS_MS.get(level as usize - 1).copied().unwrap_or(0);
        return Ok(Some(Delays { least_ms: ms, most_ms: ms, step_ms: 1 }));
    }
    let delays = load.delay.unwrap_or(DELAY);
    within("--delay (ms)", delays.least_ms, 1, HORIZON_MS)?;
    within("--delay (ms)", delays.most_ms, delays.least_ms, HORIZON_MS)?;
    Ok(Some(delays))
}

/// Load before the measured time: long enough for deliveries to have begun.
pub(super) fn warmup(kind: Kind, delays: Option<Delays>) -> Duration {
    match delays {
        // What is stored can be popped once: a warm-up would take it away.
        _ if kind == Kind::Pop => Duration::ZERO,
        Some(delays) if kind == Kind::Delay && delays.most_ms <= LONG_MS => {
            WARMUP.max(Duration::from_millis(delays.most_ms + 2_000))
        }
        _ => WARMUP,
    }
}

/// The delays of RocketMQ's levels, unless a broker says otherwise.
const DEFAULT_LEVELS_MS: [u64; 18] = [
    1_000, 5_000, 10_000, 30_000, 60_000, 120_000, 180_000, 240_000, 300_000, 360_000, 420_000, 480_000,
    540_000, 600_000, 1_200_000, 1_800_000, 3_600_000, 7_200_000,
];
const LEVELS_MAX: u64 = 64;
const DELAY: Delays = Delays { least_ms: 5_000, most_ms: 5_000, step_ms: 1 };
/// A year.
const HORIZON_MS: u64 = 366 * 24 * 3_600_000;
/// Beyond this nobody warms up until messages come.
const LONG_MS: u64 = 60_000;
