//! The machine: what it is (for the record), what it did meanwhile (for validity), its clock and chance.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rt::real::cpus;
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Value, json};

use crate::tune;

/// 64 bits of real chance, for a seed that was not given.
#[must_use]
pub fn draw() -> u64 {
    let mut bytes = [0; 8];
    // Without chance there is still a run, only a repeated one.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// Cores this process may use.
#[must_use]
pub fn cores() -> usize {
    cpus::usable().map_or(1, |all| all.len())
}

/// Monotonic nanoseconds, on the clock of every shard and driver.
#[must_use]
pub fn mono_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).expect("monotonic time is not negative")
}

/// Waits, on the main thread.
#[expect(clippy::disallowed_methods, reason = "the orchestrating thread waits for its load threads")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// CPU time and disturbances at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of the brokers.
    pub broker: Option<Duration>,
    /// The same of this process.
    pub own: Duration,
    /// Time that all cores together were not idle.
    pub machine: Duration,
    /// Time a hypervisor gave to others.
    pub steal: Duration,
    /// Times this process's cgroup was throttled, and cores were for heat.
    pub throttled: u64,
}

impl Usage {
    /// Reads it now, with the time of one broker. One that is gone counts as unknown.
    #[must_use]
    pub fn now(broker: Option<u32>) -> Self {
        Self::beside(broker.as_slice())
    }

    /// Reads it now, with the time of all these brokers; none, or one that is gone, counts as unknown.
    #[must_use]
    pub fn beside(brokers: &[u32]) -> Self {
        let times: Option<Vec<Duration>> = brokers.iter().map(|pid| cpu_time(&pid.to_string())).collect();
        let machine = machine_ticks();
        let tick = |index: usize| machine.get(index).copied().unwrap_or(0);
        // user nice system idle iowait irq softirq steal
        let busy = [0, 1, 2, 5, 6].into_iter().map(tick).sum();
        Self {
            broker: times.filter(|times| !times.is_empty()).map(|times| times.iter().sum()),
            own: cpu_time("self").unwrap_or_default(),
            machine: ticks_to_time(busy),
            steal: ticks_to_time(tick(7)),
            throttled: throttled(),
        }
    }

    /// What was used between `earlier` and this moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            broker: self.broker.zip(earlier.broker).map(|(now, then)| now.saturating_sub(then)),
            own: self.own.saturating_sub(earlier.own),
            machine: self.machine.saturating_sub(earlier.machine),
            steal: self.steal.saturating_sub(earlier.steal),
            throttled: self.throttled.saturating_sub(earlier.throttled),
        }
    }
}

/// User and system time of a process, its ended threads included; a tick of 10 ms fine.
#[must_use]
pub fn cpu_time(pid: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, may contain anything but ends at the last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Some(ticks_to_time(ticks(14) + ticks(15)))
}

fn machine_ticks() -> Vec<u64> {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    first.split_whitespace().skip(1).filter_map(|text| text.parse().ok()).collect()
}

fn throttled() -> u64 {
    let group = fs::read_to_string("/sys/fs/cgroup/cpu.stat").unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse::<u64>().ok());
    let heat = (0..cores()).filter_map(|cpu| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count");
        fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    });
    group.unwrap_or(0) + heat.sum::<u64>()
}

fn ticks_to_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

/// The process that serves `port` on this host: by its listening socket, or else the only broker that runs here (an
/// io_uring broker's sockets are in its ring, where nobody sees them).
#[must_use]
pub fn process_at(port: u16) -> Option<u32> {
    let ours = std::process::id();
    let inodes = listening_inodes(port);
    let processes: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != ours)
        .collect();
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
    };
    if let Some(found) = processes.iter().find(|pid| holds(pid)) {
        return Some(*found);
    }
    let is_broker = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let program =
            words.first().and_then(|word| Path::new(std::str::from_utf8(word).ok()?).file_name()?.to_str());
        match program {
            Some("ringmq") => words.get(1).is_some_and(|word| [&b"broker"[..], b"dev"].contains(word)),
            Some("mqbroker") => true,
            _ => false,
        }
    };
    let mut brokers = processes.into_iter().filter(is_broker);
    brokers.next().filter(|_| brokers.next().is_none())
}

/// The processes that serve `ports` on this host; none if one of them is not known.
#[must_use]
pub fn processes_at(ports: impl Iterator<Item = u16>) -> Vec<u32> {
    let mut found: Vec<u32> = ports.map(process_at).collect::<Option<_>>().unwrap_or_default();
    found.sort_unstable();
    found.dedup();
    found
}

/// `socket:[INODE]` of the sockets that listen on `port`.
fn listening_inodes(port: u16) -> Vec<String> {
    const LISTENING: &str = "0A";
    let suffix = format!(":{port:04X}");
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, local, _, state, ..] = fields[..]
                && state == LISTENING
                && local.ends_with(&suffix)
                && let Some(inode) = fields.get(9)
            {
                found.push(format!("socket:[{inode}]"));
            }
        }
    }
    found
}

/// Cores of a process: those that threads of it are pinned to, one each (its shards), or else all that it may use.
/// On two cores a thread that keeps away from its shard is pinned as well: it does not count.
#[must_use]
pub fn cores_of(pid: u32) -> Vec<usize> {
    let allowed = |task: &Path| {
        let status = fs::read_to_string(task.join("status")).unwrap_or_default();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        list.and_then(|list| cpus::parse(list).ok()).unwrap_or_default()
    };
    let is_shard = |task: &Path| {
        let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
        name.trim_end() != rt::window::HUGE_THREAD_NAME
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut pinned: Vec<usize> = tasks
        .filter(|task| is_shard(&task.path()))
        .map(|task| allowed(&task.path()))
        .filter(|cores| cores.len() == 1)
        .map(|cores| cores[0])
        .collect();
    pinned.sort_unstable();
    pinned.dedup();
    if pinned.is_empty() { allowed(Path::new(&format!("/proc/{pid}"))) } else { pinned }
}

/// What the result was measured on, with the filesystem of `store` (the result's directory, if the broker's is not known).
#[must_use]
pub fn facts(store: &Path) -> Value {
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find_map(|line| line.strip_prefix(name));
        line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let disks: BTreeMap<String, Value> = fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|disk| disk.path().join("device").exists())
        .map(|disk| {
            let fact = |name: &str| read(&disk.path().join("queue").join(name).display().to_string());
            let facts = json!({
                "write_cache": fact("write_cache"), "fua": fact("fua"), "rotational": fact("rotational"),
                "scheduler": fact("scheduler"), "logical_block": fact("logical_block_size"), "physical_block": fact("physical_block_size"),
            });
            (disk.file_name().display().to_string(), facts)
        })
        .collect();
    json!({
        "cpu": field("model name"),
        "cores": cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        "memory": read("/proc/meminfo").lines().next().map(|line| line.trim_start_matches("MemTotal:").trim().to_owned()),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "command_line": read("/proc/cmdline"),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "transparent_huge_pages": read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "clock_source": read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "mitigations": fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten()
            .map(|entry| (entry.file_name().display().to_string(), Value::from(read(&entry.path().display().to_string()))))
            .collect::<serde_json::Map<_, _>>(),
        "devices": disks,
        "filesystem": mount_of(store),
        "tune": tune::for_the_record(Path::new("/"), Some(store)),
    })
}

/// Load averages, for the record.
#[must_use]
pub fn load_average() -> String {
    read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The commit this program was built from, with `-dirty` when its sources differed from it; none if its build could not
/// tell.
#[must_use]
pub fn commit() -> Option<String> {
    Some(env!("BUILT_FROM")).filter(|commit| !commit.is_empty()).map(str::to_owned)
}

fn mount_of(path: &Path) -> Value {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mounts = read("/proc/self/mounts");
    let best = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (device, at, kind, options) =
                (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            path.starts_with(at)
                .then_some((at.len(), json!({ "of": path.display().to_string(), "device": device, "type": kind, "options": options })))
        })
        .max_by_key(|(length, _)| *length);
    best.map_or(Value::Null, |(_, mount)| mount)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_several_brokers_is_added_and_of_one_that_is_gone_unknown() {
        let ours = std::process::id();
        let once = Usage::beside(&[ours]).broker.unwrap();
        assert!(Usage::beside(&[ours, ours]).broker.unwrap() >= 2 * once);
        assert_eq!(Usage::beside(&[]).broker, None);
        assert_eq!(Usage::beside(&[ours, u32::MAX]).broker, None);
    }
}
