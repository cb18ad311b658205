//! [`Steady`]: writes for as long as is left, window by window. A device's cache ends somewhere; figures from before
//! that are the cache's.

use std::rc::Rc;

use rt::{Env, Mono, OpenMode};

use crate::io_probe::error::ProbeError;
use crate::io_probe::plan::{Area, CHUNK_DEPTH, Cell, Op, Series};

use super::{Job, Places, Probe, Share};

/// Rates of windows of equal time or, when the bytes are spent sooner, of equal bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Steady {
    /// KiB of a write; four are in flight.
    pub(crate) kib: u32,
    /// The end of each window, in seconds from the begin of the first.
    pub(crate) until_s: Vec<f64>,
    /// The rate of each window.
    pub(crate) mib_s: Vec<f64>,
    /// Bytes written in all of them.
    pub(crate) bytes: u64,
}

/// What the windows say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Course {
    /// From this window on all lie within [`BAND`] of their mean, in MiB/s.
    Steady { from: usize, mib_s: f64 },
    /// From this window on the rate is less than two thirds of what it was before.
    Cliff { at: usize, before: f64, after: f64 },
    /// Neither: the last windows stray this far from their mean.
    Restless { mib_s: f64, stray: f64 },
}

impl Steady {
    /// None if there were too few windows to say anything.
    pub(crate) fn course(&self) -> Option<Course> {
        let all = &self.mib_s;
        let last = all.len().checked_sub(LEAST)?;
        // A cliff between two spans, of which neither is luck.
        let cliff = (EDGE..=all.len() - EDGE).find_map(|at| {
            let (before, after) = (mean(&all[..at]), mean(&all[at..]));
            let lowest = all[..at].iter().copied().fold(f64::MAX, f64::min);
            let highest = all[at..].iter().copied().fold(0.0, f64::max);
            (after < before * 2.0 / 3.0 && highest < lowest).then_some(Course::Cliff { at, before, after })
        });
        let from = (0..=last).find(|from| stray(&all[*from..]) <= BAND);
        Some(match (cliff, from) {
            (Some(cliff), _) => cliff,
            (None, Some(from)) => Course::Steady { from, mib_s: mean(&all[from..]) },
            (None, None) => Course::Restless { mib_s: mean(&all[last..]), stray: stray(&all[last..]) },
        })
    }
}

/// Part of the mean that the farthest of them is away from it.
fn stray(windows: &[f64]) -> f64 {
    let mean = mean(windows);
    windows.iter().map(|rate| (rate / mean - 1.0).abs()).fold(0.0, f64::max)
}

fn mean(windows: &[f64]) -> f64 {
    windows.iter().sum::<f64>() / windows.len().max(1) as f64
}

/// What counts as the same rate.
pub(crate) const BAND: f64 = 0.03;
/// Windows that have to agree.
const LEAST: usize = 5;
/// Windows on each side of a cliff.
const EDGE: usize = 2;
const WINDOWS: u64 = 20;
const KIB: u32 = 256;

impl<E: Env> Probe<E> {
    /// Spends what the cells left, less what the segment needs.
    pub(super) async fn steady(&self, direct: bool, file_bytes: u64) -> Result<Steady, ProbeError> {
        let cell = Cell {
            series: Series::Size,
            op: Op::Write,
            direct,
            area: Area::Zeroed,
            kib: KIB,
            depth: CHUNK_DEPTH,
        };
        let file = self.open(&self.file, OpenMode::Write { direct }).await?;
        let data = self.noise(cell.bytes());
        let time_ns =
            (self.limits.time_ns - self.limits.time_ns / 16).saturating_sub(self.spent_ns()) / WINDOWS;
        let mut left = (self.limits.bytes - self.limits.bytes / 32).saturating_sub(self.written.get());
        let mut steady = Steady { kib: KIB, until_s: Vec::new(), mib_s: Vec::new(), bytes: 0 };
        let (started, mut next) = (self.env.now().mono, 0);
        for window in 1..=WINDOWS {
            self.watch.begin(&format!("steady state, {window} of {WINDOWS}"), self.spent_ns());
            let began = self.env.now().mono;
            let share = Share { ends: Mono(began.0 + time_ns), bytes: left / (WINDOWS + 1 - window) };
            let job = Rc::new(Job::new(self, next, share));
            job.clone().all(&file, cell, Places::Around(file_bytes), &data).await?;
            let (done, took_ns) = (job.issued.get(), self.env.now().mono.since(began).max(1));
            if done == 0 {
                break;
            }
            left -= done;
            next = (next + done) % file_bytes;
            steady.bytes += done;
            self.written.set(self.written.get() + done);
            steady.until_s.push(self.env.now().mono.since(started) as f64 / 1e9);
            steady.mib_s.push(done as f64 / f64::from(1 << 20) * 1e9 / took_ns as f64);
        }
        Ok(steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(mib_s: &[f64]) -> Option<Course> {
        Steady { kib: KIB, until_s: vec![0.0; mib_s.len()], mib_s: mib_s.to_vec(), bytes: 0 }.course()
    }

    #[test]
    fn a_rate_that_settles_is_told_from_where_on() {
        let rates = [300.0, 250.0, 200.0, 204.0, 196.0, 200.0, 200.0];
        assert_eq!(course(&rates), Some(Course::Steady { from: 2, mib_s: 200.0 }));
        let restless = course(&[300.0, 250.0, 200.0, 210.0, 200.0, 200.0, 200.0]);
        assert!(matches!(restless, Some(Course::Restless { .. })), "{restless:?}");
    }

    #[test]
    fn the_end_of_a_cache_is_a_cliff_and_one_slow_window_is_none() {
        let rates = [900.0, 910.0, 900.0, 300.0, 310.0, 300.0, 300.0];
        assert!(matches!(course(&rates), Some(Course::Cliff { at: 3, .. })), "{:?}", course(&rates));
        let hiccup = course(&[900.0, 910.0, 900.0, 300.0, 900.0, 900.0, 900.0, 900.0, 900.0]);
        assert_eq!(hiccup, Some(Course::Steady { from: 4, mib_s: 900.0 }));
        let late = course(&[900.0, 900.0, 900.0, 900.0, 900.0, 300.0]);
        assert!(matches!(late, Some(Course::Restless { .. })), "one window is no cliff: {late:?}");
    }

    #[test]
    fn few_windows_say_nothing() {
        assert_eq!(course(&[1.0; LEAST - 1]), None);
    }
}
