//! Sentences about what no setting of the broker follows from: groups, neighbours, the life of a segment, the long run.

use rt::real::device::Facts;

use crate::io_probe::measure::{Course, Findings, Segment, Steady};
use crate::io_probe::plan::{BESIDE, GROUPS, Op, SMALL_KIB, Series};
use crate::io_probe::sample::Sample;
use crate::size;

use super::find;

/// All that there is something to say about.
pub(super) fn all(facts: &Facts, findings: &Findings) -> Vec<String> {
    let samples = &findings.samples;
    let steady = findings.steady.as_ref();
    [
        groups(samples),
        neighbours(samples),
        findings.segment.as_ref().map(life),
        // Memory is not written back, and of an unknown device nothing is said.
        facts.device.as_ref().and_then(|_| dirty_bytes(samples)),
        steady.and_then(course),
        steady.map(|_| reach(findings.file_bytes)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Several writes that share a flush, against one write of the same bytes.
fn groups(samples: &[Sample]) -> Option<String> {
    let most = GROUPS[GROUPS.len() - 1];
    let median = |op, kib, depth, series| find(samples, series, op, kib, depth)?.quantile_us(0.5);
    let group = median(Op::Group, SMALL_KIB, most, Series::Group)?;
    let one = median(Op::Fdatasync, SMALL_KIB, 1, Series::Flush)?;
    let whole = median(Op::Fdatasync, SMALL_KIB * most, 1, Series::Size)?;
    Some(format!(
        "group commit: {most} writes of {SMALL_KIB} KiB and one fdatasync take {group:.0} us, one such write with its own {one:.0} us, \
         one write of {} KiB {whole:.0} us",
        SMALL_KIB * most
    ))
}

fn neighbours(samples: &[Sample]) -> Option<String> {
    let [read, commit] = BESIDE;
    let median = |series, op, kib, depth| find(samples, series, op, kib, depth)?.quantile_us(0.5);
    let pair = |alone: Series, cell: crate::io_probe::plan::Cell| {
        let beside = median(Series::Beside, cell.op, cell.kib, cell.depth)?;
        Some((median(alone, cell.op, cell.kib, cell.depth)?, beside))
    };
    let ((reads, reads_beside), (commits, commits_beside)) =
        (pair(Series::Read, read)?, pair(Series::Size, commit)?);
    Some(format!(
        "beside each other: reads of {} KiB, {} in flight, {reads_beside:.0} us instead of {reads:.0}; commits of {} KiB \
         {commits_beside:.0} us instead of {commits:.0} (medians)",
        read.kib, read.depth, commit.kib
    ))
}

fn life(segment: &Segment) -> String {
    let created = match segment.create_us {
        Some(us) => format!("made and allocated in {:.1} ms", us / 1e3),
        None => "not to be allocated on this filesystem".to_owned(),
    };
    let commits = match (segment.commits.quantile_us(0.5), segment.commits.longest_us()) {
        (Some(median), Some(longest)) => format!(
            "; from then on durable writes of 4 KiB beside it took {median:.0} us, the longest {:.1} ms",
            longest / 1e3
        ),
        _ => String::new(),
    };
    format!(
        "a segment of {}: {created}, filled with zeros in {:.0} ms, removed in {:.1} ms{commits}",
        size::show(segment.bytes),
        segment.zeros_us / 1e3,
        segment.unlink_us / 1e3
    )
}

/// For what goes through the page cache, ours and others': 1 s of the disk before writeback begins, 3.5 s before it
/// blocks.
fn dirty_bytes(samples: &[Sample]) -> Option<String> {
    let mib_s = best(samples, |sample| sample.cell.op == Op::Write, Sample::mib_per_second)?;
    let bytes =
        |seconds: f64, least: f64, most: f64| ((mib_s * seconds).clamp(least, most).round() as u64) << 20;
    Some(format!(
        "page cache: vm.dirty_background_bytes = {}, vm.dirty_bytes = {} (1 s and 3.5 s of this disk at {mib_s:.0} MiB/s, \
         within 64 MiB to 4 GiB; needs root, nothing was changed)",
        bytes(1.0, 64.0, 1_024.0),
        bytes(3.5, 256.0, 4_096.0)
    ))
}

/// The best of the direct ones (of all, where nothing is direct).
pub(crate) fn best(
    samples: &[Sample],
    wanted: impl Fn(&Sample) -> bool,
    figure: impl Fn(&Sample) -> f64,
) -> Option<f64> {
    let direct = samples.iter().any(|sample| sample.cell.direct);
    let fitting =
        samples.iter().filter(|sample| sample.cell.direct == direct && sample.count() > 0 && wanted(sample));
    fitting.map(figure).max_by(f64::total_cmp)
}

fn course(steady: &Steady) -> Option<String> {
    let second = |window: usize| if window == 0 { 0.0 } else { steady.until_s[window - 1] };
    let windows = steady.mib_s.len();
    Some(match steady.course()? {
        Course::Steady { from, mib_s } => format!(
            "steady state: {mib_s:.0} MiB/s within 3 % from second {:.1} on, up to second {:.1}",
            second(from),
            second(windows)
        ),
        Course::Cliff { at, before, after } => format!(
            "CACHE CLIFF: after {:.1} s of writing the rate fell from {before:.0} to {after:.0} MiB/s and stayed there: a cache \
             of the device (or a budget of the cloud) was used up, and the figures above are those of the cache",
            second(at)
        ),
        Course::Restless { mib_s, stray } => format!(
            "no steady state within {:.1} s of writing: the last windows stray {:.0} % from {mib_s:.0} MiB/s; other load, or \
             too little time and bytes (--seconds, --bytes)",
            second(windows),
            stray * 100.0
        ),
    })
}

/// What this cannot see.
fn reach(file_bytes: u64) -> String {
    format!(
        "the long run wrote over a file of {} again and again: a cache that holds all of it is not seen to end (--bytes makes \
         it larger, 1 GiB at most; more would need the raw device and root, which io-probe never touches)",
        size::show(file_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts { filesystem: "tmpfs".into(), direct: true, direct_alignment: None, device: None }
    }

    fn steady(mib_s: &[f64]) -> Findings {
        let until_s = (1..=mib_s.len()).map(|window| 2.0 * window as f64).collect();
        let steady = Steady { kib: 256, until_s, mib_s: mib_s.to_vec(), bytes: 1 };
        Findings { steady: Some(steady), file_bytes: 1 << 30, ..Findings::default() }
    }

    #[test]
    fn the_end_of_a_cache_is_told_with_both_rates() {
        let notes = all(&facts(), &steady(&[900.0, 900.0, 900.0, 300.0, 300.0, 300.0]));
        assert!(
            notes[0].starts_with("CACHE CLIFF: after 6.0 s") && notes[0].contains("from 900 to 300 MiB/s"),
            "{notes:?}"
        );
        assert!(notes[1].contains("a file of 1 GiB"), "{notes:?}");
        let notes = all(&facts(), &steady(&[900.0, 500.0, 500.0, 505.0, 500.0, 495.0]));
        assert!(notes[0].contains("500 MiB/s within 3 % from second 2.0 on, up to second 12.0"), "{notes:?}");
    }

    #[test]
    fn nothing_measured_says_nothing() {
        assert_eq!(all(&facts(), &Findings::default()), [""; 0]);
    }
}
