//! [`Wall`]: which time of the monotonic clock a time of the wall clock is.
//!
//! The wall clock is read in whole milliseconds, always too early by what is cut off; the largest distance seen between
//! the two clocks is the one that cut off least. Forgotten every second, so that a clock that is slewed is followed.

use rt::Now;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wall {
    /// Wall - monotonic of the last whole second and of this one, ns.
    last: Option<i64>,
    this: Option<i64>,
    until: u64,
}

impl Wall {
    /// Compares the clocks.
    pub(super) fn look(&mut self, now: Now) {
        let gap = (now.unix_ms * 1_000_000).saturating_sub_unsigned(now.mono.0);
        if now.mono.0 >= self.until {
            self.until = now.mono.0 + SECOND;
            self.last = self.this.take();
        }
        self.this = Some(self.this.map_or(gap, |most| most.max(gap)));
    }

    /// When it is `unix_ms` on the monotonic clock, ns.
    pub(super) fn mono_of(&self, unix_ms: i64) -> u64 {
        let gap = self.last.max(self.this).unwrap_or(0);
        u64::try_from(unix_ms * 1_000_000 - gap).unwrap_or(0)
    }
}

const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use rt::Mono;

    use super::*;

    #[test]
    fn the_clocks_are_compared_to_what_the_finest_reading_allows() {
        let mut wall = Wall::default();
        // Half a millisecond between the clocks' milliseconds; readings at odd moments.
        let unix_ns = |mono: u64| 1_700_000_000_000_500_000 + mono as i64;
        for mono in (0..3_000_000_000_u64).step_by(7_919) {
            wall.look(Now { mono: Mono(mono), unix_ms: unix_ns(mono) / 1_000_000 });
        }
        let found = wall.mono_of(1_700_000_010_000);
        let exact = 10_000 * 1_000_000 - 500_000;
        assert!(found.abs_diff(exact) < 8_000, "{found}, not {exact}");
    }
}
