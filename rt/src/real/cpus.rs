//! Which cores there are, and which shard runs where.

use std::fmt;
use std::io;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Shards of a node at most, when the number is ours to choose (design.md 2).
const SHARDS_MAX: usize = 16;

/// The cores this thread may run on, ascending.
///
/// # Errors
/// When the kernel refuses to tell.
pub fn usable() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// The cores this process may use, as found at the first call: before any of its threads is pinned.
pub(crate) fn of_process() -> &'static [usize] {
    static CPUS: OnceLock<Vec<usize>> = OnceLock::new();
    CPUS.get_or_init(|| usable().unwrap_or_else(|_| vec![0]))
}

/// Leaves the core that the calling thread inherited from the pinned one that started it: moves it to the process's
/// other cores, or to all of them if there is no other.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn leave_inherited() -> io::Result<()> {
    let inherited = usable()?;
    let others: Vec<_> = of_process().iter().copied().filter(|cpu| !inherited.contains(cpu)).collect();
    pin_thread(if others.is_empty() { of_process() } else { &others })
}

/// Parses a list of cores in the kernel's notation, such as `1-8,10`. The result is ascending and free of doubles.
///
/// # Errors
/// [`CpuListError`] names the part that is no number or range.
pub fn parse(list: &str) -> Result<Vec<usize>, CpuListError> {
    let mut cpus = Vec::new();
    for part in list.split(',').map(str::trim) {
        let bad = || CpuListError { part: part.to_owned() };
        let number =
            |text: &str| text.trim().parse().ok().filter(|cpu| *cpu < CpuSet::MAX_CPU).ok_or_else(bad);
        match part.split_once('-') {
            None => cpus.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(bad());
                }
                cpus.extend(first..=last);
            }
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

/// A part of a core list that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuListError {
    /// As written.
    pub part: String,
}

impl fmt::Display for CpuListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is neither a core below {} nor a range of them like 1-8", self.part, CpuSet::MAX_CPU)
    }
}

impl std::error::Error for CpuListError {}

/// Who runs where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The core of each shard, by shard number.
    pub shards: Vec<usize>,
    /// The core for everything that is not a shard (`aux`, name server, HTTP); `None` if every core has a shard.
    pub aux: Option<usize>,
}

impl Layout {
    /// Places `shards` shards on `cpus` (ascending, not empty). `None`: one per core but the last, at most 16.
    ///
    /// Shards take the first cores, one each; the last core stays free for aux as long as there is a core too many.
    /// With fewer cores than shards, all cores are used in turn.
    ///
    /// # Panics
    /// If there is no core, or no shard is asked for.
    #[must_use]
    pub fn place(shards: Option<usize>, cpus: &[usize]) -> Self {
        let last = *cpus.last().expect("a process runs somewhere");
        let count = shards.unwrap_or((cpus.len() - 1).clamp(1, SHARDS_MAX));
        assert!(count > 0);
        let shards = cpus.iter().copied().cycle().take(count).collect();
        Self { shards, aux: (count < cpus.len()).then_some(last) }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_list_is_read_as_the_kernel_writes_it() {
        assert_eq!(parse("1-3,10").unwrap(), [1, 2, 3, 10]);
        assert_eq!(parse(" 7 , 0-1, 1").unwrap(), [0, 1, 7]);
        for bad in ["", "a", "3-1", "1-", "-1", "1,,2", "99999"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse("0,4-x").unwrap_err().part, "4-x");
    }

    #[test]
    fn shards_leave_the_last_core_to_aux_while_there_is_one() {
        let place = |shards, cpus: &[usize]| {
            let layout = Layout::place(shards, cpus);
            (layout.shards, layout.aux)
        };
        assert_eq!(place(None, &[0]), (vec![0], None));
        assert_eq!(place(None, &[0, 1]), (vec![0], Some(1)));
        assert_eq!(place(None, &[2, 3, 5, 7]), (vec![2, 3, 5], Some(7)));
        assert_eq!(place(None, &(0..64).collect::<Vec<_>>()), ((0..16).collect(), Some(63)));
        assert_eq!(place(Some(4), &[0, 1]), (vec![0, 1, 0, 1], None));
        assert_eq!(place(Some(2), &[0, 1]), (vec![0, 1], None));
        assert_eq!(place(Some(1), &[0, 1, 2]), (vec![0], Some(2)));
    }

    #[test]
    fn a_thread_is_pinned_to_a_usable_core() {
        let cpus = usable().unwrap();
        let last = *cpus.last().unwrap();
        let seen = std::thread::Builder::new()
            .spawn(move || {
                pin_thread(&[last]).unwrap();
                usable().unwrap()
            })
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(seen, [last]);
    }

    #[test]
    fn a_thread_leaves_the_core_it_inherited_if_there_is_another() {
        let all = of_process();
        let inherited = all[0];
        let shard = move || {
            pin_thread(&[inherited]).unwrap();
            let helper = || {
                leave_inherited().unwrap();
                usable().unwrap()
            };
            std::thread::Builder::new().spawn(helper).unwrap().join().unwrap()
        };
        let left = std::thread::Builder::new().spawn(shard).unwrap().join().unwrap();
        assert_eq!(left, if all.len() > 1 { &all[1..] } else { all });
    }
}
