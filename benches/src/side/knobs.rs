//! B13: ours under each combination of I/O mode, flush method, chunk and interval, and what follows from it.

use std::fmt::Write;
use std::fs;
use std::io;

use ringmq::bench::plan::Kind as Load;

use crate::figures::Figures;

use super::report::number;
use super::scenario::Scenario;
use super::server::{Flush, Kind, Setup};
use super::{Side, set};

/// One combination and what it gave.
struct Cell {
    mode: &'static str,
    method: &'static str,
    chunk_kib: u32,
    interval_ms: u32,
    /// Open loop at 20,000/s, ASYNC_FLUSH.
    open: Figures,
    /// 256 in flight, SYNC_FLUSH; chunk and interval mean nothing to it.
    durable: Option<Figures>,
}

/// Measures the matrix and writes it beside the set's table.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    let (chunks, intervals): (&[u32], &[u32]) =
        if side.options.quick { (&[256], &[200]) } else { (&[64, 256, 1024], &[50, 200, 1000]) };
    let mut cells = Vec::new();
    for mode in ["direct", "buffered"] {
        for method in ["fdatasync", "dsync"] {
            let mut durable = match one(side, mode, method, (256, 200), Flush::Sync) {
                Ok(figures) => Some(figures),
                Err(error) => {
                    side.leave_out(&format!("B13 {mode}, {method}: {error}"));
                    continue;
                }
            };
            for chunk_kib in chunks.iter().copied() {
                for interval_ms in intervals.iter().copied() {
                    let open = one(side, mode, method, (chunk_kib, interval_ms), Flush::Async)?;
                    cells.push(Cell { mode, method, chunk_kib, interval_ms, open, durable: durable.take() });
                }
            }
        }
    }
    let dir = side.set.dir();
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(set::KNOBS), page(&cells))
}

fn one(
    side: &mut Side,
    mode: &str,
    method: &str,
    (chunk_kib, interval_ms): (u32, u32),
    flush: Flush,
) -> io::Result<Figures> {
    let mut setup = Setup::new(flush);
    setup.ours.extend([
        format!("store.io_mode={mode}"),
        format!("flush.method={method}"),
        format!("flush.chunk_kib={chunk_kib}"),
        format!("flush.interval_ms={interval_ms}"),
    ]);
    let server = side.workshop.start(Kind::Ours, &setup)?;
    let own: &[&str] = match flush {
        Flush::Async => &["--connections=4", "--inflight=1024", "--rate=20000/s"],
        Flush::Sync => &["--connections=4", "--inflight=64"],
    };
    let figures = super::scenario::load(Load::Produce, &server, side.run_of(Scenario::B13), own)?;
    server.stop()?;
    side.report
        .say(&format!("B13 {mode}, {method}, {chunk_kib} KiB, {interval_ms} ms, {flush:?}: {figures}"));
    side.judge(Kind::Ours, &figures);
    Ok(figures)
}

fn page(cells: &[Cell]) -> String {
    let mut text = String::from(
        "### B13: knobs of ours\n\n\
         Open loop at 20,000/s with ASYNC_FLUSH; beside it SYNC_FLUSH with 256 in flight, to which chunk and interval mean\n\
         nothing (once for each mode and method).\n\n\
         | I/O mode | flush method | chunk KiB | interval ms | p50 us | p99.9 us | worst us | CPU us/message | SYNC messages/s | SYNC p99.9 us |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for cell in cells {
        let [p50, _, p999, max] = cell.open.percentiles_us.map(number);
        let durable = cell.durable.as_ref().map_or(("".to_owned(), "".to_owned()), |durable| {
            (number(durable.rate()), number(durable.percentiles_us[2]))
        });
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {p50} | {p999} | {max} | {} | {} | {} |",
            cell.mode,
            cell.method,
            cell.chunk_kib,
            cell.interval_ms,
            number(cell.open.cpu_per_message_us().unwrap_or(f64::NAN)),
            durable.0,
            durable.1
        );
    }
    let _ = write!(text, "\n{}\n", advice(cells));
    text
}

/// A paragraph drawn from the figures alone.
fn advice(cells: &[Cell]) -> String {
    let tail = |cell: &&Cell| cell.open.percentiles_us[2];
    let finite = || cells.iter().filter(|cell| tail(cell).is_finite());
    let by_tail = |a: &&Cell, b: &&Cell| tail(a).total_cmp(&tail(b));
    let (Some(best), Some(worst)) = (finite().min_by(by_tail), finite().max_by(by_tail)) else {
        return "Too little was measured for advice.".to_owned();
    };
    let name = |cell: &Cell| {
        format!("{} with {}, {} KiB, {} ms", cell.mode, cell.method, cell.chunk_kib, cell.interval_ms)
    };
    let mut text = format!(
        "Advice for a machine like this: {} holds the lowest p99.9 at 20,000/s ({} us), {} the highest ({} us). ",
        name(best),
        number(tail(&best)),
        name(worst),
        number(tail(&worst))
    );
    let durable = || cells.iter().filter_map(|cell| Some((cell, cell.durable.as_ref()?)));
    let by_rate = |a: &(&Cell, &Figures), b: &(&Cell, &Figures)| a.1.rate().total_cmp(&b.1.rate());
    if let (Some(most), Some(least)) = (durable().max_by(by_rate), durable().min_by(by_rate)) {
        let _ = write!(
            text,
            "For SYNC_FLUSH take {} with {}: {} messages/s, where {} with {} gives {}. ",
            most.0.mode,
            most.0.method,
            number(most.1.rate()),
            least.0.mode,
            least.0.method,
            number(least.1.rate())
        );
    }
    let of = |mode: &str| middle(finite().filter(|cell| cell.mode == mode).map(|cell| tail(&cell)).collect());
    let (direct, buffered) = (of("direct"), of("buffered"));
    let (better, share) =
        if direct <= buffered { ("direct", buffered / direct) } else { ("buffered", direct / buffered) };
    let _ = write!(
        text,
        "Over all settings the middle p99.9 is {} us direct and {} us buffered: {better} I/O is {share:.1} times better. ",
        number(direct),
        number(buffered)
    );
    let interval =
        |ms: u32| middle(finite().filter(|cell| cell.interval_ms == ms).map(|cell| tail(&cell)).collect());
    let mut intervals: Vec<u32> = cells.iter().map(|cell| cell.interval_ms).collect();
    intervals.sort_unstable();
    intervals.dedup();
    if intervals.len() > 1 {
        let each: Vec<String> =
            intervals.iter().map(|ms| format!("{} us at {ms} ms", number(interval(*ms)))).collect();
        let _ = write!(
            text,
            "The interval, which bounds what a power cut takes under ASYNC_FLUSH, costs this: {}.",
            each.join(", ")
        );
    }
    text
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_follows_the_figures() {
        let figures = |p999: f64, messages| Figures {
            seconds: 1.0,
            messages,
            percentiles_us: [1.0, 2.0, p999, 9_000.0],
            ..Figures::default()
        };
        let cell = |mode, method, interval_ms, p999, durable: Option<u64>| Cell {
            mode,
            method,
            chunk_kib: 256,
            interval_ms,
            open: figures(p999, 20_000),
            durable: durable.map(|rate| figures(5_000.0, rate)),
        };
        let cells = [
            cell("direct", "fdatasync", 50, 400.0, Some(300_000)),
            cell("direct", "fdatasync", 200, 200.0, None),
            cell("buffered", "dsync", 50, 1_000.0, Some(100_000)),
        ];
        let advice = advice(&cells);
        assert!(advice.contains("direct with fdatasync, 256 KiB, 200 ms holds the lowest p99.9"), "{advice}");
        assert!(advice.contains("take direct with fdatasync: 300,000 messages/s"), "{advice}");
        assert!(advice.contains("direct I/O is 2.5 times better"), "{advice}");
        assert!(page(&cells).contains("| buffered | dsync | 256 | 50 | 1.00 | 1,000 |"), "{}", page(&cells));
    }
}
