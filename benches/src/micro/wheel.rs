//! Timers.

use std::hint::black_box;
use std::io;

use rt::Wheel;
use rt::real::bare::thread_cpu_ns;

use super::Bench;

pub(super) fn measure(bench: &Bench) {
    // Deadlines of held pulls: some seconds ahead, each its own.
    let deadline = |index: u32| 1_000 + u64::from(index.wrapping_mul(2_654_435_761) % 30_000);
    let mut wheel = Wheel::new(0);
    let mut armed = Vec::new();
    let mut costs = Vec::new();
    let arming = bench.rounds("timer: arm", 50.0, |count| {
        armed.clear();
        armed.reserve(count as usize);
        let began = thread_cpu_ns();
        for index in 0..count {
            armed.push(wheel.arm(deadline(index), index));
        }
        let ns = thread_cpu_ns() - began;
        let began = thread_cpu_ns();
        for timer in armed.drain(..) {
            black_box(wheel.cancel(timer));
        }
        costs.push((thread_cpu_ns() - began) as f64 / f64::from(count));
        Ok(ns as f64 / f64::from(count))
    });
    let cancelling =
        bench.rounds("timer: cancel", 50.0, |_| costs.pop().ok_or(io::ErrorKind::NotFound.into()));
    // Nothing is cancelled where nothing was armed.
    let _ = (arming, cancelling);
}
