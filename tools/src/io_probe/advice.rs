//! What follows from the samples: figures that `rt` decides with, its decisions, and what else is worth a sentence.

use rt::real::device::{CHUNKS, Facts, FlushMethod, Measured, WriteCache};

use super::measure::Findings;
use super::plan::{Area, BUFFERED_KIB, CHUNK_DEPTH, Cell, DEPTHS, Op, SMALL_KIB, Series};
use super::sample::Sample;

mod notes;

pub(crate) use notes::best;

/// A setting and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Advice {
    /// Key of the broker's configuration.
    pub(crate) key: &'static str,
    /// Value.
    pub(crate) value: String,
    /// Why.
    pub(crate) why: String,
}

/// Everything that is concluded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conclusions {
    /// What the broker takes when its keys are `auto` and these figures are recorded.
    pub(crate) advice: Vec<Advice>,
    /// Sentences.
    pub(crate) notes: Vec<String>,
    /// What the advice was drawn from.
    pub(crate) measured: Measured,
}

/// Concludes, by the code that the broker decides with.
pub(crate) fn conclude(facts: &Facts, findings: &Findings) -> Conclusions {
    let samples = &findings.samples;
    let measured = measured(samples);
    let (io_mode, io_why) = facts.io_mode(Some(&measured));
    let (method, method_why) = facts.flush_method(io_mode, Some(&measured));
    let (chunk, chunk_why) = facts.flush_chunk_kib(Some(&measured));
    let advice = vec![
        Advice { key: "store.io_mode", value: io_mode.word().to_owned(), why: io_why },
        Advice { key: "flush.method", value: method.word().to_owned(), why: method_why },
        Advice { key: "flush.chunk_kib", value: chunk.to_string(), why: chunk_why },
    ];
    let mut notes: Vec<String> = doubtful_filesystem(&facts.filesystem).into_iter().collect();
    notes.extend(commits(samples, method));
    notes.extend(suspicious_flush(facts, samples));
    notes.extend(preparation(samples));
    notes.extend(longest_stall(samples));
    notes.extend(read_depth(samples));
    notes.extend(notes::all(facts, findings));
    if !findings.left_out.is_empty() {
        notes.push(format!(
            "{} of the measurements were left out: the bytes were spent (--bytes)",
            findings.left_out.len()
        ));
    }
    Conclusions { advice, notes, measured }
}

/// What to know of a filesystem that a store should not lie on, if it is one.
fn doubtful_filesystem(name: &str) -> Option<String> {
    let why = match name {
        _ if name.starts_with("fuse") => {
            "a daemon in user space stands between a flush and the device: what it promises, only it knows"
        }
        "overlayfs" | "overlay" => "a container's layer: give the store a volume of its own",
        "btrfs" | "zfs" => {
            "it copies on write: prepared segments do not stay prepared, and direct writes cost more"
        }
        "tmpfs" | "ramfs" => "memory: nothing here survives a restart",
        _ => return None,
    };
    Some(format!("{name} is no filesystem for a store: {why}; ext4 and XFS are"))
}

/// The sample of a cell, whatever its area (a series has one).
pub(crate) fn find(samples: &[Sample], series: Series, op: Op, kib: u32, depth: u32) -> Option<&Sample> {
    let wanted =
        |cell: &Cell| cell.series == series && cell.op == op && cell.kib == kib && cell.depth == depth;
    samples.iter().find(|sample| wanted(&sample.cell) && sample.count() > 0)
}

fn measured(samples: &[Sample]) -> Measured {
    let median = |op| {
        let sample = find(samples, Series::Flush, op, SMALL_KIB, 1)?;
        sample.cell.direct.then(|| sample.quantile_us(0.5)).flatten()
    };
    let rate = |kib| {
        let sample = find(samples, Series::Size, Op::Write, kib, CHUNK_DEPTH)?;
        sample.cell.direct.then(|| sample.mib_per_second())
    };
    Measured {
        fdatasync_us: median(Op::Fdatasync),
        dsync_us: median(Op::Dsync),
        direct_mib_s: CHUNKS.map(rate),
        buffered_mib_s: find(samples, Series::Buffered, Op::Write, BUFFERED_KIB, 1)
            .map(Sample::mib_per_second),
    }
}

/// The ceiling of SYNC_FLUSH: one commit in flight at a time.
fn commits(samples: &[Sample], method: FlushMethod) -> Option<String> {
    let op = match method {
        FlushMethod::WriteThrough => Op::Write,
        FlushMethod::Dsync => Op::Dsync,
        FlushMethod::Fdatasync => Op::Fdatasync,
    };
    let small = find(samples, Series::Flush, op, SMALL_KIB, 1)?.quantile_us(0.5)?;
    let large = find(samples, Series::Size, op, 64, 1).and_then(|sample| sample.quantile_us(0.5));
    let mut text = format!(
        "SYNC_FLUSH: a commit takes {small:.0} us, so a shard makes {:.0} commits a second",
        1e6 / small
    );
    if let Some(large) = large {
        text += &format!(
            "; with 64 messages of 1 KiB waiting, {large:.0} us, which is {:.0} k messages a second",
            64e3 / large
        );
    }
    Some(text)
}

/// A volatile cache that is flushed for free is protected, or is not flushed.
fn suspicious_flush(facts: &Facts, samples: &[Sample]) -> Option<String> {
    let device = facts.device.as_ref().filter(|device| device.write_cache == WriteCache::Back)?;
    let plain = find(samples, Series::Flush, Op::Write, SMALL_KIB, 1)?.quantile_us(0.5)?;
    let flushed = find(samples, Series::Flush, Op::Fdatasync, SMALL_KIB, 1)?.quantile_us(0.5)?;
    (flushed < plain * 1.15).then(|| {
        format!(
            "{}: fdatasync costs nothing over a write ({flushed:.0} against {plain:.0} us). Either the cache survives a \
             power cut (capacitors, battery), or flushes are ignored: ask its maker, or the owner of the hypervisor",
            device.name
        )
    })
}

fn preparation(samples: &[Sample]) -> Option<String> {
    let of = |area| {
        let cell = |sample: &&Sample| {
            let cell = sample.cell;
            cell.series == Series::Area && cell.area == area && cell.op == Op::Fdatasync
        };
        samples.iter().find(cell)?.quantile_us(0.5)
    };
    let (extended, allocated, zeroed) = (of(Area::Extended)?, of(Area::Allocated)?, of(Area::Zeroed)?);
    let follows = if zeroed < 0.9 * extended {
        "which is why segments are prepared"
    } else {
        "so preparing buys little here"
    };
    Some(format!(
        "a durable 4 KiB write takes {extended:.0} us at the end of a growing file, {allocated:.0} in space that was only \
         allocated, {zeroed:.0} in zeros, {follows}"
    ))
}

fn longest_stall(samples: &[Sample]) -> Option<String> {
    let buffered = find(samples, Series::Buffered, Op::Write, BUFFERED_KIB, 1)?;
    let stall_ms = buffered.longest_us()? / 1e3;
    Some(format!(
        "the longest of {} buffered writes of {BUFFERED_KIB} KiB took {stall_ms:.1} ms",
        buffered.count()
    ))
}

/// The least depth that gives nine tenths of the best rate.
fn read_depth(samples: &[Sample]) -> Option<String> {
    let rate = |depth| find(samples, Series::Read, Op::Read, SMALL_KIB, depth).map(Sample::per_second);
    let best = DEPTHS.into_iter().filter_map(rate).max_by(f64::total_cmp)?;
    let depth = DEPTHS.into_iter().find(|depth| rate(*depth).is_some_and(|rate| rate >= 0.9 * best))?;
    Some(format!(
        "random reads of 4 KiB: {:.0} k/s with {depth} in flight, {best_k:.0} k/s at best",
        rate(depth)? / 1e3,
        best_k = best / 1e3
    ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn filesystems_that_promise_less_are_named() {
        for name in ["fuse", "fuse.sshfs", "overlayfs", "btrfs", "zfs", "tmpfs"] {
            assert!(doubtful_filesystem(name).is_some_and(|note| note.contains(name)), "{name}");
        }
        assert!(["ext4", "xfs"].iter().all(|name| doubtful_filesystem(name).is_none()));
    }

    use rt::real::device::BlockDevice;

    use super::super::plan::{Scope, plan};
    use super::*;

    fn facts(write_cache: WriteCache, fua: bool) -> Facts {
        let device = BlockDevice {
            name: "nvme0n1".into(),
            below: Vec::new(),
            write_cache,
            fua,
            logical_block: 512,
            physical_block: 4096,
            rotational: false,
        };
        Facts { filesystem: "ext4".into(), direct: true, direct_alignment: None, device: Some(device) }
    }

    /// Findings in which each cell's operations all take what `us` says.
    fn synthetic(facts: &Facts, us: impl Fn(&Cell) -> f64) -> Findings {
        let sample = |cell: Cell| {
            let ns = (us(&cell) * 1e3) as u64;
            Sample::new(cell, vec![ns; 1000], 1000 * ns / u64::from(cell.depth))
        };
        let samples = plan(facts, Scope::Usual).into_iter().map(sample).collect();
        Findings { samples, zeros_mib_s: 1000.0, ..Findings::default() }
    }

    /// A device of `plain` us for a write, `flush` for a flush, `fua` for a DSYNC write, and a bus of 2 GiB/s.
    fn device(plain: f64, flush: f64, dsync: f64) -> impl Fn(&Cell) -> f64 {
        move |cell| {
            let transfer = f64::from(cell.kib) * f64::from(cell.depth) / 2.1;
            let fixed = match cell.op {
                Op::Write | Op::Read => plain,
                Op::Dsync => dsync,
                Op::Fdatasync | Op::Group => plain + flush,
            };
            (fixed + transfer) * if cell.direct { 1.0 } else { 1.5 }
        }
    }

    fn value<'a>(conclusions: &'a Conclusions, key: &str) -> &'a str {
        &conclusions.advice.iter().find(|advice| advice.key == key).unwrap().value
    }

    #[test]
    fn the_advice_follows_from_what_was_measured() {
        use WriteCache::{Back, Through};
        for (what, facts, device, method, chunk) in [
            ("nvme with capacitors", facts(Through, true), device(10.0, 1.0, 12.0), "plain", "64"),
            ("nvme with FUA", facts(Back, true), device(60.0, 900.0, 100.0), "dsync", "256"),
            ("FUA slower than a flush", facts(Back, true), device(60.0, 40.0, 900.0), "fdatasync", "256"),
            ("virtio", facts(Back, false), device(60.0, 70.0, 90.0), "fdatasync", "256"),
            ("slow to start a write", facts(Back, false), device(2000.0, 70.0, 90.0), "fdatasync", "1024"),
        ] {
            let conclusions = conclude(&facts, &synthetic(&facts, device));
            assert_eq!(value(&conclusions, "flush.method"), method, "{what}: {conclusions:?}");
            assert_eq!(value(&conclusions, "flush.chunk_kib"), chunk, "{what}: {conclusions:?}");
            assert_eq!(value(&conclusions, "store.io_mode"), "direct", "{what}: {conclusions:?}");
        }
    }

    #[test]
    fn direct_writes_that_are_much_slower_than_the_page_cache_are_not_advised() {
        let facts = facts(WriteCache::Back, true);
        let findings =
            synthetic(&facts, |cell| if cell.direct { 8000.0 * f64::from(cell.depth) } else { 300.0 });
        let conclusions = conclude(&facts, &findings);
        assert_eq!(value(&conclusions, "store.io_mode"), "buffered", "{conclusions:?}");
        assert_eq!(value(&conclusions, "flush.method"), "fdatasync");
    }

    #[test]
    fn a_flush_that_costs_nothing_is_told() {
        let told = |flush: f64, cache| {
            let facts = facts(cache, false);
            let conclusions = conclude(&facts, &synthetic(&facts, device(60.0, flush, 60.0)));
            conclusions.notes.iter().any(|note| note.contains("flushes are ignored"))
        };
        assert!(told(2.0, WriteCache::Back));
        assert!(!told(60.0, WriteCache::Back));
        assert!(!told(2.0, WriteCache::Through), "nobody expects a flush there");
    }

    #[test]
    fn nothing_measured_gives_the_advice_of_the_facts_alone() {
        let facts = facts(WriteCache::Back, true);
        let left_out = plan(&facts, Scope::Usual);
        let findings = Findings { left_out, ..Findings::default() };
        let conclusions = conclude(&facts, &findings);
        assert_eq!(conclusions.measured, Measured::default());
        assert_eq!(value(&conclusions, "flush.method"), "dsync");
        assert_eq!(value(&conclusions, "flush.chunk_kib"), "256");
        assert_eq!(conclusions.notes.len(), 1, "{conclusions:?}");
    }
}
