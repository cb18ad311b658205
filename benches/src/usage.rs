//! What processes use, from `/proc`.

use std::io;
use std::time::Duration;

/// User and system time of a process, its ended threads included; a tick of 10 ms fine.
///
/// # Errors
/// When there is no such process.
pub(crate) fn cpu_time(pid: &str) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, field 2, may contain anything but ends at the last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok(ticks_to_time(ticks(14) + ticks(15)))
}

/// Memory of a process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Everything resident.
    pub(crate) resident: u64,
    /// Of it, shared memory: the touched part of the log window (twice, as it is mapped twice).
    pub(crate) shared: u64,
    /// Of it, memory of its own.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// Reads it now; exact, not the kernel's per-core estimate.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Self {
            resident: kibibytes(&rollup, "Rss:"),
            shared: kibibytes(&status, "RssShmem:"),
            anonymous: kibibytes(&rollup, "Anonymous:"),
        })
    }
}

fn kibibytes(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}

fn ticks_to_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}
