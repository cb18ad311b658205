//! [`ConnectionLimits`] (reliability.md 7) and the gate that applies those of accepting.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use rt::Mono;

use crate::frame::FrameLimits;

/// What connections may cost. The defaults are those of reliability.md 7; sizes are bytes, times milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Size limits of a frame and its header.
    pub frame: FrameLimits,
    /// Connections in all.
    pub total: usize,
    /// Connections from one address that is not loopback.
    pub per_source: u32,
    /// Accepts per second (a burst of one second's worth is let through).
    pub accepts_per_second: u32,
    /// How long a new connection may stay without a byte.
    pub first_frame_ms: u64,
    /// How long a frame may take from its first byte to its last.
    pub frame_ms: u64,
    /// How long nothing may move in either direction.
    pub idle_ms: u64,
    /// How long a connect of ours may take.
    pub connect_ms: u64,
    /// Requests of one connection in flight; above it reading stops until half of them are answered.
    pub held_requests: u32,
    /// The same in bytes.
    pub held_bytes: usize,
    /// Output waiting for one peer; above it reading stops until half of it is sent.
    pub output_bytes: usize,
    /// How long output may stay above its limit without a send completing.
    pub output_stuck_ms: u64,
}

/// Whether an accepted connection may stay.
pub type Admission = Result<(), Refused>;

/// Which limit turned a connection away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// [`ConnectionLimits::total`].
    Total,
    /// [`ConnectionLimits::per_source`].
    Source,
    /// [`ConnectionLimits::accepts_per_second`].
    Rate,
}

/// Counts who is connected and how fast they come.
#[derive(Debug)]
pub(super) struct Gate {
    total: usize,
    per_source: u32,
    rate: u32,
    sources: BTreeMap<IpAddr, u32>,
    /// Accepts left, in billionths: one is earned in `1e9 / rate` nanoseconds.
    credit: u64,
    credited: Mono,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            frame: FrameLimits::default(),
            total: 50_000,
            per_source: 2_000,
            accepts_per_second: 5_000,
            first_frame_ms: 10_000,
            frame_ms: 10_000,
            idle_ms: 120_000,
            connect_ms: 3_000,
            held_requests: 256,
            held_bytes: 8 << 20,
            output_bytes: 4 << 20,
            output_stuck_ms: 30_000,
        }
    }
}

impl ConnectionLimits {
    /// How often to look for expired connections: often enough that a limit is overrun by a quarter at most, and at
    /// most once a second.
    pub(super) fn sweep_ms(&self) -> u64 {
        let shortest = [self.first_frame_ms, self.frame_ms, self.idle_ms, self.output_stuck_ms];
        shortest.into_iter().min().map_or(1_000, |ms| (ms / 4).clamp(1, 1_000))
    }
}

impl Gate {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self {
            total: limits.total,
            per_source: limits.per_source,
            rate: limits.accepts_per_second,
            sources: BTreeMap::new(),
            credit: u64::from(limits.accepts_per_second) * ONE,
            credited: Mono(0),
        }
    }

    /// Decides about one more connection from `source` while `live` exist, and counts it if it may stay.
    pub(super) fn admit(&mut self, source: IpAddr, live: usize, now: Mono) -> Admission {
        self.earn(now);
        if self.credit < ONE {
            return Err(Refused::Rate);
        }
        self.credit -= ONE;
        if live >= self.total {
            return Err(Refused::Total);
        }
        if source.is_loopback() {
            return Ok(());
        }
        let count = self.sources.entry(source).or_insert(0);
        if *count >= self.per_source {
            return Err(Refused::Source);
        }
        *count += 1;
        Ok(())
    }

    /// A connection from `source` that was admitted is gone.
    pub(super) fn left(&mut self, source: IpAddr) {
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
    }

    fn earn(&mut self, now: Mono) {
        let rate = u64::from(self.rate);
        // More than a second's worth is never kept, so longer pauses need not be counted exactly.
        let elapsed = now.since(self.credited).min(ONE);
        self.credit = (self.credit + elapsed * rate).min(rate * ONE);
        self.credited = now;
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "too many connections",
            Self::Source => "too many connections from this address",
            Self::Rate => "too many new connections at once",
        })
    }
}

/// One accept in units of [`Gate::credit`]; also the nanoseconds of a second.
const ONE: u64 = 1_000_000_000;
