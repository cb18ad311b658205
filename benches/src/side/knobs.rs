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

/// A knob, and how a cell has it.
type Knob<'f> = (&'f str, &'f dyn Fn(&Cell) -> String);

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

/// A paragraph drawn from the figures alone. One run of a cell says little about a tail, so each value of a knob is judged
/// by the middle of all cells that have it, and what differs by less than [`TOLD_APART`] is called equal.
fn advice(cells: &[Cell]) -> String {
    let usable: Vec<&Cell> = cells.iter().filter(|cell| tail(cell).is_finite()).collect();
    if usable.is_empty() {
        return "Too little was measured for advice.".to_owned();
    }
    let mut text = "Advice for a machine like this. ".to_owned();
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
    let knobs: [Knob<'_>; 4] = [
        ("I/O mode", &|cell| cell.mode.to_owned()),
        ("flush method", &|cell| cell.method.to_owned()),
        ("chunk", &|cell| format!("{} KiB", cell.chunk_kib)),
        ("interval", &|cell| format!("{} ms", cell.interval_ms)),
    ];
    text.push_str("For the p99.9 of ASYNC_FLUSH at 20,000/s: ");
    let sentences: Vec<String> = knobs.into_iter().filter_map(|knob| compared(&usable, knob)).collect();
    text.push_str(&sentences.join("; "));
    let usual = middle(usable.iter().map(|cell| tail(cell)).collect());
    let mut stalled: Vec<&str> =
        usable.iter().filter(|cell| tail(cell) > usual * STALL).map(|cell| cell.mode).collect();
    stalled.sort_unstable();
    let of = |mode: &str| stalled.iter().filter(|one| **one == mode).count();
    let _ = write!(
        text,
        ". A stall of over {STALL} times the usual {} us was met by {} cells with direct I/O and {} with buffered.",
        number(usual),
        of("direct"),
        of("buffered")
    );
    text
}

/// What one knob does; nothing if it had one value.
fn compared(cells: &[&Cell], (name, of): Knob<'_>) -> Option<String> {
    let mut values: Vec<(String, Vec<f64>)> = Vec::new();
    for cell in cells {
        let value = of(cell);
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, tails)) => tails.push(tail(cell)),
            None => values.push((value, vec![tail(cell)])),
        }
    }
    let mut middles: Vec<(String, f64)> =
        values.into_iter().map(|(value, tails)| (value, middle(tails))).collect();
    middles.sort_by(|a, b| a.1.total_cmp(&b.1));
    let [best, .., worst] = &middles[..] else { return None };
    let all: Vec<String> = middles.iter().map(|(value, us)| format!("{value} {} us", number(*us))).collect();
    let verdict = if worst.1 < best.1 * TOLD_APART {
        "makes no difference that could be told apart".to_owned()
    } else {
        format!("{} is {:.1} times better than {}", best.0, worst.1 / best.1, worst.0)
    };
    Some(format!("{name}: {verdict} ({})", all.join(", ")))
}

fn tail(cell: &Cell) -> f64 {
    cell.open.percentiles_us[2]
}

/// Middles that differ by less are equal on a machine whose equal runs differ by as much.
const TOLD_APART: f64 = 1.5;
/// How much worse than usual a stall is.
const STALL: f64 = 5.0;

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
        assert!(advice.contains("take direct with fdatasync: 300,000 messages/s"), "{advice}");
        assert!(advice.contains("I/O mode: direct is 2.5 times better than buffered"), "{advice}");
        assert!(advice.contains("interval: 200 ms is 5.0 times better than 50 ms"), "{advice}");
        assert!(!advice.contains("chunk"), "it had one value: {advice}");
        assert!(advice.contains("met by 0 cells with direct I/O and 0 with buffered"), "{advice}");
        assert!(page(&cells).contains("| buffered | dsync | 256 | 50 | 1.00 | 1,000 |"), "{}", page(&cells));
    }
}
