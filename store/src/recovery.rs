//! From a directory of possibly torn files and a possible window of a killed process to a log that ends in a known
//! place. Run twice it does the same as once: whatever it writes is what it would find.
//!
//! Order: walk the files from the checkpoint; replay the window behind them; decide between torn tail and damage; write
//! the replayed bytes; zero what lost writes could have touched; flush; note a new checkpoint. Only then is the window
//! replaced. Damage stops all writing.

mod walk;

use rt::slice::aligned;
use rt::window::Leftover;
use rt::{BLOCK, Env, SharedSlice};

use crate::commitlog::COMMIT_BYTES_MAX;
use crate::commitlog::segments::Segments;
use crate::record::{Cover, Damage, MAGIC_V1, MAGIC_V2, Parsed, Record, parse};
use crate::superblock::Checkpoint;
use crate::{FlushMode, PhysicalOffset, RecoveryReport, StoreConfig, StoreError};
use walk::{Bounds, Source, Stop, walk};

/// The log after recovery.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) end: u64,
    /// Newest store time met, Unix milliseconds.
    pub(crate) stored_at_ms: i64,
    /// Every record that a reader may have seen is there.
    pub(crate) whole: bool,
    pub(crate) damage: Option<(u64, Damage)>,
}

/// What is known before the first record is read.
pub(crate) struct Known<'a> {
    pub(crate) checkpoint: Checkpoint,
    /// Records at or above are wanted by the queues or the index.
    pub(crate) queues_from: u64,
    /// What a killed process left in this store's window.
    pub(crate) leftover: Option<&'a Leftover>,
}

/// Hands every whole record from `from` to `to`, which the files hold, to `found`, oldest first; ends at the first that
/// is not whole. Returns where it ended.
pub(crate) async fn scan<E: Env>(
    env: &E,
    config: &StoreConfig,
    segments: &Segments<E>,
    (from, to): (u64, u64),
    found: &mut dyn FnMut(&Record<'_>),
) -> Result<u64, StoreError> {
    let bounds =
        Bounds { from, to, segment_bytes: config.segment_bytes, record_bytes_max: config.segment_bytes };
    walk(env, &Source::Files(segments), bounds, found).await.map(|stop| stop.at)
}

/// Finds the end of the log and makes it durable; hands the records that the queues want to `found`.
pub(crate) async fn recover<E: Env>(
    env: &E,
    config: &StoreConfig,
    segments: &Segments<E>,
    known: Known<'_>,
    report: &mut RecoveryReport,
    found: &mut dyn FnMut(&Record<'_>),
) -> Result<Recovered, StoreError> {
    let Known { checkpoint, queues_from, leftover } = known;
    let recovery = Recovery { env, config, segments, checkpoint };
    let from = checkpoint.boundary.min(queues_from).max(segments.first());
    let mut seen = Seen { queues_from, records: 0, stored_at_ms: checkpoint.stored_at_ms, found };

    if checkpoint.clean {
        return recovery.after_clean_stop(from, &mut seen, report).await;
    }
    let stop = recovery.walk_files(from, segments.ready_end(), &mut seen).await?;
    let (end, replayed, whole) = match leftover.filter(|window| window.end() > stop.at) {
        Some(window) if window.start() <= stop.at => {
            let end = recovery.walk_window(window, stop.at, &mut seen).await?;
            (end, end.at - stop.at, end.damage.is_none())
        }
        // The process had declared bytes safe that the files do not have.
        Some(_) => (Stop { at: stop.at, damage: Some(stop.damage.unwrap_or(Damage::Short)) }, 0, false),
        None => (stop, 0, leftover.is_some()),
    };
    report.scanned_bytes = end.at - from;
    report.scanned_records = seen.records;
    let stored_at_ms = seen.stored_at_ms;

    let kept_more = leftover.is_some_and(|window| window.end() > end.at);
    let damage = recovery.damage(end, kept_more, whole).await?;
    if let Some(damage) = damage {
        let end = end.at.max(checkpoint.boundary);
        return Ok(Recovered { end, stored_at_ms, whole: false, damage: Some(damage) });
    }
    report.replayed_bytes = replayed;
    if replayed > 0 {
        let window = leftover.expect("bytes were taken from it");
        recovery.write_replayed(window, stop.at, end.at).await?;
    }
    let zeroed = recovery.zero_behind(end.at, !whole).await?;
    if !whole && (end.damage.is_some_and(|damage| !matches!(damage, Damage::Magic(0))) || zeroed > 0) {
        report.cut_at = Some(PhysicalOffset::new(end.at));
    }
    report.zeroed_bytes = zeroed;
    recovery.flush_all(from, end.at).await?;
    Ok(Recovered { end: end.at, stored_at_ms, whole, damage: None })
}

struct Recovery<'a, E: Env> {
    env: &'a E,
    config: &'a StoreConfig,
    segments: &'a Segments<E>,
    checkpoint: Checkpoint,
}

/// What the walks met.
struct Seen<'a> {
    queues_from: u64,
    records: u64,
    stored_at_ms: i64,
    found: &'a mut dyn FnMut(&Record<'_>),
}

impl Seen<'_> {
    fn note(&mut self, record: &Record<'_>) {
        self.records += 1;
        self.stored_at_ms = self.stored_at_ms.max(record.stored_at_ms());
        if record.physical_offset().get() >= self.queues_from {
            (self.found)(record);
        }
    }
}

impl<E: Env> Recovery<'_, E> {
    fn bounds(&self, from: u64, to: u64) -> Bounds {
        let segment_bytes = self.config.segment_bytes;
        Bounds { from, to, segment_bytes, record_bytes_max: self.config.segment_bytes }
    }

    /// The end is known and flushed; only entries that the queues miss are taken from the log.
    async fn after_clean_stop(
        &self,
        from: u64,
        seen: &mut Seen<'_>,
        report: &mut RecoveryReport,
    ) -> Result<Recovered, StoreError> {
        let end = self.checkpoint.boundary;
        let stop = self.walk_files(from, end, seen).await?;
        report.clean = true;
        report.scanned_bytes = stop.at - from;
        report.scanned_records = seen.records;
        let damage = (stop.at < end).then(|| (stop.at, stop.damage.unwrap_or(Damage::Short)));
        Ok(Recovered { end, stored_at_ms: seen.stored_at_ms, whole: damage.is_none(), damage })
    }

    async fn walk_files(&self, from: u64, to: u64, seen: &mut Seen<'_>) -> Result<Stop, StoreError> {
        let bounds = self.bounds(from, to);
        let source = Source::Files(self.segments);
        walk(self.env, &source, bounds, &mut |record| seen.note(record)).await
    }

    async fn walk_window(
        &self,
        window: &Leftover,
        from: u64,
        seen: &mut Seen<'_>,
    ) -> Result<Stop, StoreError> {
        let to = window.end().min(self.segments.ready_end());
        let source = Source::Window(window);
        let stop = walk(self.env, &source, self.bounds(from, to), &mut |record| seen.note(record)).await?;
        // The cursor never enters a segment that is not there.
        let missing = (stop.damage.is_none() && window.end() > to).then_some(Damage::Short);
        Ok(Stop { at: stop.at, damage: stop.damage.or(missing) })
    }

    /// Tells damage from a torn tail: below the checkpoint or below a window's cursor everything was whole once; and in
    /// a sync mode nothing valid can lie more than a commit behind the first bad record.
    async fn damage(
        &self,
        end: Stop,
        kept_more: bool,
        whole: bool,
    ) -> Result<Option<(u64, Damage)>, StoreError> {
        let what = end.damage.unwrap_or(Damage::Short);
        if end.at < self.checkpoint.boundary || kept_more {
            return Ok(Some((end.at, what)));
        }
        if !whole && self.config.flush_mode == FlushMode::Sync && end.damage.is_some() {
            let beyond = end.at + self.config.record_bytes_max() + COMMIT_BYTES_MAX;
            if self.valid_record_in(beyond, self.search_end(end.at)).await? {
                return Ok(Some((end.at, what)));
            }
        }
        Ok(None)
    }

    /// Behind this no lost write can have landed.
    fn search_end(&self, end: u64) -> u64 {
        let reach = end + self.config.unflushed_bytes_max + self.config.record_bytes_max();
        reach.next_multiple_of(BLOCK as u64).min(self.segments.ready_end())
    }

    /// Whether a record that belongs to its place starts in `from..to`.
    async fn valid_record_in(&self, from: u64, to: u64) -> Result<bool, StoreError> {
        let mut at = from - from % BLOCK as u64;
        while at < to {
            let piece = self.piece(at, to).await?;
            for into in magics(&piece) {
                let start = at + into as u64;
                if start >= from && self.is_valid(start).await? {
                    return Ok(true);
                }
            }
            at += piece.len() as u64;
        }
        Ok(false)
    }

    async fn is_valid(&self, at: u64) -> Result<bool, StoreError> {
        let left = self.config.segment_bytes - at % self.config.segment_bytes;
        let len = left.min(self.config.record_bytes_max());
        let bytes = self.segments.read(at, usize::try_from(len).expect("a record")).await?;
        Ok(match parse(&bytes) {
            Ok(Parsed::Record(record)) => record.verify(PhysicalOffset::new(at), Cover::Whole).is_ok(),
            Ok(Parsed::Blank { .. }) | Err(_) => false,
        })
    }

    /// Whole blocks from `at`, up to 1 MiB, in one segment.
    async fn piece(&self, at: u64, to: u64) -> Result<SharedSlice, StoreError> {
        let left = self.config.segment_bytes - at % self.config.segment_bytes;
        let len = left.min(PIECE).min((to - at).next_multiple_of(BLOCK as u64));
        self.segments.read(at, usize::try_from(len).expect("a piece")).await
    }

    /// Writes the window's bytes `from..to` behind what the files have.
    async fn write_replayed(&self, window: &Leftover, from: u64, to: u64) -> Result<(), StoreError> {
        let mut at = from;
        while at < to {
            let block = at - at % BLOCK as u64;
            let segment_left = self.config.segment_bytes - block % self.config.segment_bytes;
            let upto = to.min(block + PIECE.min(segment_left));
            let head = self.segments.read(block, (at - block) as usize).await?;
            let bytes = window.bytes(at, (upto - at) as usize).expect("just walked over them");
            let len = (upto - block).next_multiple_of(BLOCK as u64) as usize;
            let blocks = aligned(len, |memory| {
                memory[..head.len()].copy_from_slice(&head);
                memory[head.len()..head.len() + bytes.len()].copy_from_slice(&bytes);
            });
            self.segments.write(block, blocks).await?;
            at = upto;
        }
        Ok(())
    }

    /// Zeroes the rest of the tail block and, if writes may have been lost, everything they could have touched. Blocks
    /// that are zero already are not written.
    async fn zero_behind(&self, end: u64, lost_writes: bool) -> Result<u64, StoreError> {
        let tail = end - end % BLOCK as u64;
        let to = if lost_writes {
            self.search_end(end)
        } else {
            (tail + BLOCK as u64).min(self.segments.ready_end())
        };
        let mut zeroed = 0;
        let mut at = tail;
        while at < to {
            let piece = self.piece(at, to).await?;
            let keep = usize::try_from(end.saturating_sub(at)).expect("less than a block").min(piece.len());
            if piece[keep..].iter().any(|byte| *byte != 0) {
                let blocks = aligned(piece.len(), |memory| memory[..keep].copy_from_slice(&piece[..keep]));
                self.segments.write(at, blocks).await?;
                zeroed += (piece.len() - keep) as u64;
            }
            at += piece.len() as u64;
            self.env.yield_now().await;
        }
        Ok(zeroed)
    }

    /// Flushes every segment that was walked or written, older first.
    async fn flush_all(&self, from: u64, end: u64) -> Result<(), StoreError> {
        let segment_bytes = self.config.segment_bytes;
        let mut at = from - from % segment_bytes;
        let to = self.search_end(end);
        while at < to {
            self.segments.flush(at).await?;
            at += segment_bytes;
        }
        Ok(())
    }
}

/// Where a record could start, judged by its second word.
fn magics(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(4).enumerate().filter_map(|(into, word)| {
        let word = u32::from_be_bytes(*word.first_chunk().expect("four bytes"));
        (word == MAGIC_V1 || word == MAGIC_V2).then(|| into.checked_sub(4)).flatten()
    })
}

const PIECE: u64 = 1 << 20;
