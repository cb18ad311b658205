//! What a host must offer before a shard may start, and how to say that it does not.
//!
//! Each check yields the one error that an operator can act on (operations.md 2, "Errors"). The pure parts take
//! what was found as arguments; [`check_host`] finds it.

use std::fmt;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The oldest kernel with everything a ring needs (`DEFER_TASKRUN`, multishot receive into a buffer ring).
const KERNEL_MIN: (u32, u32) = (6, 1);
/// Descriptors a node needs besides its connections: segments, indexes, rings, logs.
const DESCRIPTORS_OWN: u64 = 1024;
/// The executor refuses to start with less locked memory.
const MEMLOCK_EXECUTOR_MIN: u64 = 512 << 10;
/// What an executor registers with each of its three rings.
const MEMLOCK_PER_SHARD: u64 = 3 * (64 << 10);

/// A reason not to start. Rendered as the block that operations.md 2 shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// `E02xx`; `ringmq explain` has more.
    pub code: &'static str,
    /// One line.
    pub what: String,
    /// What the host offers, and where that comes from.
    pub now: String,
    /// What is needed, and why so much.
    pub needed: String,
    /// What would go wrong.
    pub effect: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// A command that tells more.
    pub more: &'static str,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error[{}]: {}", self.code, self.what)?;
        // The two amounts end in the same column.
        let amount = |text: &str| text.split("  ").next().map_or(0, str::len);
        let width = amount(&self.now).max(amount(&self.needed));
        for (label, value) in [("limit now", &self.now), ("needed", &self.needed)] {
            let indent = width - amount(value);
            writeln!(f, "  {label:<13}{:indent$}{value}", "")?;
        }
        writeln!(f, "  {:<13}{}", "effect", self.effect)?;
        writeln!(f, "  {:<13}{}", "fix", self.fix)?;
        write!(f, "  {:<13}{}", "more", self.more)
    }
}

impl std::error::Error for HostError {}

/// What a node is going to need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Executors: shards and aux.
    pub shards: u32,
    /// Memory each shard registers with its ring (the log window, if it does), in bytes.
    pub registered_bytes_per_shard: u64,
    /// Connections the whole process should be able to hold.
    pub connections: u64,
}

/// Checks this host, after raising the limits on descriptors and locked memory as far as this process may.
///
/// # Errors
/// Everything that is missing, not only the first.
pub fn check_host(demand: Demand) -> Result<(), Vec<HostError>> {
    raise(Resource::Nofile);
    raise(Resource::Memlock);
    let unlimited = can_lock_without_limit();
    let memlock = getrlimit(Resource::Memlock).current;
    let ring: io::Result<io_uring::IoUring> =
        io_uring::IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(8);
    let failures: Vec<_> = [
        check_kernel(&rustix::system::uname().release().to_string_lossy()),
        check_io_uring(ring.as_ref().err(), disabled_setting()),
        check_memlock(demand, if unlimited { memlock.map(|_| u64::MAX) } else { memlock }, memlock),
        check_descriptors(demand, getrlimit(Resource::Nofile).current),
    ]
    .into_iter()
    .flatten()
    .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// E0201: the kernel is too old. `release` as `uname -r` prints it.
fn check_kernel(release: &str) -> Option<HostError> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    let found = (numbers.next().unwrap_or(0_u32), numbers.next().unwrap_or(0_u32));
    if found >= KERNEL_MIN {
        return None;
    }
    Some(HostError {
        code: "E0201",
        what: format!("kernel {release} is too old"),
        now: format!("{}.{}  (uname -r: {release})", found.0, found.1),
        needed: format!("{}.{}  (io_uring with deferred completions)", KERNEL_MIN.0, KERNEL_MIN.1),
        effect: "no shard can start",
        fix: "boot a newer kernel; every distribution's long-term one since 2023 will do",
        more: "ringmq tune explain kernel",
    })
}

/// E0202: io_uring is switched off or filtered. `setting` is `kernel.io_uring_disabled`.
fn check_io_uring(error: Option<&io::Error>, setting: Option<u32>) -> Option<HostError> {
    let error = error?;
    let (now, fix) = match setting {
        Some(2) => ("kernel.io_uring_disabled = 2".to_owned(), "sysctl -w kernel.io_uring_disabled=0"),
        Some(1) => (
            "kernel.io_uring_disabled = 1".to_owned(),
            "add the service's group to kernel.io_uring_group, or sysctl -w kernel.io_uring_disabled=0",
        ),
        _ => (
            format!("io_uring_setup: {error}"),
            "container: a seccomp profile that allows io_uring_setup, io_uring_enter, io_uring_register",
        ),
    };
    Some(HostError {
        code: "E0202",
        what: "io_uring is not available to this process".to_owned(),
        now,
        needed: "io_uring_setup succeeds".to_owned(),
        effect: "no shard can start",
        fix,
        more: "ringmq tune explain io_uring",
    })
}

/// E0203: too little memory may be locked. `limit` counts, `shown` is printed; `None` is infinity.
fn check_memlock(demand: Demand, limit: Option<u64>, shown: Option<u64>) -> Option<HostError> {
    let shards = u64::from(demand.shards);
    let counted = shards * (MEMLOCK_PER_SHARD + demand.registered_bytes_per_shard);
    let needed = counted.max(MEMLOCK_EXECUTOR_MIN);
    // The executor looks at the limit itself, whoever may exceed it.
    if limit.is_none_or(|limit| limit >= needed) && shown.is_none_or(|shown| shown >= MEMLOCK_EXECUTOR_MIN) {
        return None;
    }
    Some(HostError {
        code: "E0203",
        what: format!("locked-memory limit too low for {} shards", demand.shards),
        now: format!("{}  (RLIMIT_MEMLOCK)", human(shown.unwrap_or(u64::MAX))),
        needed: format!(
            "{}  ({} x ({} executor + {} log window), counted per user)",
            human(needed),
            demand.shards,
            human(MEMLOCK_PER_SHARD),
            human(demand.registered_bytes_per_shard)
        ),
        effect: "buffers stay unregistered, or a shard does not start",
        fix: "systemd: LimitMEMLOCK=infinity      shell: ulimit -l unlimited",
        more: "ringmq tune explain memlock",
    })
}

/// E0204: too few descriptors.
fn check_descriptors(demand: Demand, limit: Option<u64>) -> Option<HostError> {
    let needed = demand.connections + DESCRIPTORS_OWN;
    let limit = limit.filter(|limit| *limit < needed)?;
    Some(HostError {
        code: "E0204",
        what: format!("descriptor limit too low for {} connections", demand.connections),
        now: format!("{limit}  (RLIMIT_NOFILE, hard)"),
        needed: format!("{needed}  ({} connections + {DESCRIPTORS_OWN} files)", demand.connections),
        effect: "connections beyond the limit are closed as they come",
        fix: "systemd: LimitNOFILE=1048576      shell: ulimit -n 1048576",
        more: "ringmq tune explain nofile",
    })
}

/// Raises the soft limit to the hard one. What does not work shows in the check that follows.
fn raise(resource: Resource) {
    let limit = getrlimit(resource);
    let _ = setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// `CAP_IPC_LOCK`: the kernel does not count what such a process locks.
fn can_lock_without_limit() -> bool {
    const IPC_LOCK: u32 = 14;
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
            .is_some_and(|bits| bits & 1 << IPC_LOCK != 0)
    })
}

fn disabled_setting() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

fn human(bytes: u64) -> String {
    match bytes {
        u64::MAX => "unlimited".to_owned(),
        0 => "0".to_owned(),
        bytes if bytes < 1 << 20 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        bytes => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand { shards: 8, registered_bytes_per_shard: 64 << 20, connections: 10_000 };

    #[test]
    fn the_error_is_the_block_an_operator_knows() {
        let error = check_memlock(DEMAND, Some(8 << 20), Some(8 << 20)).unwrap();
        assert_eq!(
            error.to_string(),
            "error[E0203]: locked-memory limit too low for 8 shards\n\
             \x20 limit now      8 MiB  (RLIMIT_MEMLOCK)\n\
             \x20 needed       514 MiB  (8 x (192 KiB executor + 64 MiB log window), counted per user)\n\
             \x20 effect       buffers stay unregistered, or a shard does not start\n\
             \x20 fix          systemd: LimitMEMLOCK=infinity      shell: ulimit -l unlimited\n\
             \x20 more         ringmq tune explain memlock"
        );
    }

    #[test]
    fn locked_memory_suffices_from_the_first_byte_that_suffices() {
        let needed = 8 * (MEMLOCK_PER_SHARD + (64 << 20));
        assert!(check_memlock(DEMAND, Some(needed), Some(needed)).is_none());
        assert!(check_memlock(DEMAND, Some(needed - 1), Some(needed - 1)).is_some());
        assert!(check_memlock(DEMAND, None, None).is_none());
        assert!(check_memlock(DEMAND, Some(u64::MAX), Some(8 << 20)).is_none(), "CAP_IPC_LOCK");
        let small = Demand { shards: 1, registered_bytes_per_shard: 0, connections: 1 };
        assert!(
            check_memlock(small, Some(u64::MAX), Some(MEMLOCK_EXECUTOR_MIN - 1)).is_some(),
            "the executor's own look"
        );
    }

    #[test]
    fn kernels_are_compared_as_numbers() {
        for good in ["6.1.0", "6.18.44-fc-v669", "7.0", "6.10-rc1"] {
            assert!(check_kernel(good).is_none(), "{good}");
        }
        for bad in ["6.0.19", "5.15.0-105-generic", "5.99", "weird"] {
            assert_eq!(check_kernel(bad).unwrap().code, "E0201", "{bad}");
        }
    }

    #[test]
    fn a_switched_off_ring_names_the_switch() {
        assert!(check_io_uring(None, Some(2)).is_none(), "it works, whatever the switch says");
        let denied = io::Error::from_raw_os_error(libc::EPERM);
        assert!(check_io_uring(Some(&denied), Some(2)).unwrap().fix.contains("io_uring_disabled=0"));
        assert!(check_io_uring(Some(&denied), Some(1)).unwrap().fix.contains("io_uring_group"));
        assert!(check_io_uring(Some(&denied), Some(0)).unwrap().fix.contains("seccomp"));
    }

    #[test]
    fn descriptors_suffice_from_the_first_that_suffices() {
        assert!(check_descriptors(DEMAND, Some(11_024)).is_none());
        assert!(check_descriptors(DEMAND, None).is_none());
        assert_eq!(check_descriptors(DEMAND, Some(11_023)).unwrap().code, "E0204");
    }

    #[test]
    fn this_host_runs_one_small_shard() {
        let demand = Demand { shards: 1, registered_bytes_per_shard: 0, connections: 1 };
        assert_eq!(check_host(demand), Ok(()));
    }
}
