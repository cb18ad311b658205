//! Which cores there are, and which shard runs where.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores this thread may run on, ascending.
///
/// # Errors
/// When the kernel refuses to tell.
pub fn usable() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Pins the calling thread, and threads it starts later, to `cpus`.
///
/// # Errors
/// When none of them is usable.
pub fn pin_thread(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
        set.set(*cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// `cpus` as the C library's type, for registrations.
pub(crate) fn kernel_set(cpus: &[usize]) -> libc::cpu_set_t {
    // SAFETY: all zeros is the empty set.
    let mut set = unsafe { std::mem::zeroed() };
    for cpu in cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
        // SAFETY: below the size of the set.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    set
}
