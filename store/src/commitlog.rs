//! The commitlog: records appended in the turn into the log window, written and flushed behind it.
//!
//! Invariants: `flushed <= written <= issued <= window end`; every byte below `written` is readable in its segment,
//! every byte below `flushed` is on the medium; a record never crosses a segment; bytes are appended only where the
//! segment is durable as a file, zeroed and flushed ([`Segments::usable_end`]); after the first failed write or flush nothing more is written.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use rt::{BLOCK, DiskFile, Env, Mono, Window};

use crate::cold::{ColdCache, ColdConfig, ReadGate};
use crate::config::{FlushMethod, FlushMode, StoreConfig, WindowBacking};
use crate::record::{BLANK_BYTES, write_blank};
use crate::{Canary, PhysicalOffset, Refusal, StoreError};

pub(crate) mod committer;
mod reading;
pub(crate) mod segments;
pub(crate) mod signal;

use segments::{SegmentExtents, Segments};
use signal::Signal;

/// The log as it is shared between the shard's turn and its tasks. All methods are synchronous unless they read.
pub(crate) struct Log<E: Env> {
    pub(crate) env: E,
    pub(crate) config: StoreConfig,
    pub(crate) window: Rc<Window>,
    pub(crate) segments: Rc<Segments<E>>,
    cold: ColdCache<E, SegmentExtents<E>>,
    /// Given to the disk.
    issued: Cell<u64>,
    written: Cell<u64>,
    flushed: Cell<u64>,
    writes: RefCell<VecDeque<InFlight>>,
    /// When the oldest byte behind `issued` was appended, as far as turns tell.
    pending_since: Cell<Option<Mono>>,
    /// Batches (start, end) that reach beyond what was promised last, oldest first.
    batches: RefCell<VecDeque<(u64, u64)>>,
    flushed_at: Cell<Mono>,
    /// Write and flush everything now, without waiting for chunks or timers.
    draining: Cell<bool>,
    failed: OnceCell<Failure>,
    /// Bytes per millisecond that the disk took lately.
    pace: Cell<u64>,
    counters: Counters,
    /// Newest store time given to a record, Unix milliseconds.
    pub(crate) stored_at_ms: Cell<i64>,
    /// Rung when `flushed` moved or the log failed.
    pub(crate) progress: Signal,
}

#[derive(Default)]
struct Counters {
    writes: Cell<u64>,
    written_bytes: Cell<u64>,
    commits: Cell<u64>,
}

struct Failure {
    refusal: Refusal,
    /// Nothing that ends above may be answered any more.
    from: u64,
}

struct InFlight {
    to: u64,
    done: bool,
}

/// One disk write: log bytes `from..to` of one segment; `from` is a whole block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    from: u64,
    to: u64,
}

/// Figures for statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogFigures {
    pub(crate) writes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) commits: u64,
}

impl<E: Env> Log<E> {
    /// A log whose bytes below the window's cursor are all written and flushed.
    pub(crate) fn new(
        env: E,
        config: StoreConfig,
        window: Rc<Window>,
        segments: Rc<Segments<E>>,
        reads: Rc<ReadGate>,
        stored_at_ms: i64,
    ) -> Self {
        let end = window.end();
        let flushed_at = Cell::new(env.now().mono);
        let settings = ColdConfig::new(config.cold_cache_bytes, reads);
        let cold = ColdCache::new(env.clone(), SegmentExtents(segments.clone()), settings);
        Self {
            env,
            config,
            window,
            segments,
            cold,
            issued: Cell::new(end),
            written: Cell::new(end),
            flushed: Cell::new(end),
            writes: RefCell::default(),
            pending_since: Cell::new(None),
            batches: RefCell::default(),
            flushed_at,
            draining: Cell::new(false),
            failed: OnceCell::new(),
            pace: Cell::new(PACE_AT_START),
            counters: Counters::default(),
            stored_at_ms: Cell::new(stored_at_ms),
            progress: Signal::default(),
        }
    }

    /// First byte not yet appended.
    pub(crate) fn end(&self) -> u64 {
        self.window.end()
    }

    /// Everything below is readable in its segment.
    pub(crate) fn written(&self) -> u64 {
        self.written.get()
    }

    /// Everything below is on the medium.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed.get()
    }

    /// Everything below is where the death of the process cannot lose it.
    pub(crate) fn kept(&self) -> u64 {
        match self.config.window {
            WindowBacking::Named(_) => self.end(),
            WindowBacking::Private => self.written(),
        }
    }

    /// Everything below keeps the promise of the mode and may be shown to readers.
    ///
    /// It never lies inside a batch: recovery drops a batch of which anything is missing, so nobody may see a part.
    pub(crate) fn promised(&self) -> u64 {
        let bytes = self.promised_bytes();
        let batches = self.batches.borrow();
        match batches.iter().find(|(_, end)| *end > bytes) {
            Some((start, _)) => bytes.min(*start),
            None => bytes,
        }
    }

    fn promised_bytes(&self) -> u64 {
        match self.config.flush_mode {
            _ if self.config.canary == Some(Canary::AnswerBeforeKept) => self.end(),
            FlushMode::Async => self.kept(),
            FlushMode::Sync => self.flushed(),
        }
    }

    /// Everything below may be answered.
    pub(crate) fn acknowledgeable(&self) -> u64 {
        self.failed.get().map_or(self.promised(), |failure| failure.from.min(self.promised()))
    }

    /// Why nothing will ever be taken again, if so.
    pub(crate) fn failure(&self) -> Option<&Refusal> {
        self.failed.get().map(|failure| &failure.refusal)
    }

    /// Latches the first failure. Whatever ends above `from` is never answered.
    pub(crate) fn fail(&self, from: u64, what: String) {
        if self.failed.get().is_none() {
            tracing::error!(shard = self.config.shard, phys_offset = from, "commitlog: {what}");
        }
        self.failed.get_or_init(|| Failure { refusal: Refusal::Failed { what }, from });
        self.progress.ring();
    }

    pub(crate) fn figures(&self) -> LogFigures {
        LogFigures {
            writes: self.counters.writes.get(),
            written_bytes: self.counters.written_bytes.get(),
            commits: self.counters.commits.get(),
        }
    }

    /// Appends `bytes` bytes that `fill` encodes for their place; ends the segment first if they do not fit in it.
    pub(crate) fn append(
        &self,
        bytes: usize,
        fill: impl FnOnce(PhysicalOffset, &mut [u8]),
    ) -> Result<PhysicalOffset, StoreError> {
        if let Some(refusal) = self.failure() {
            return Err(StoreError::Refused(refusal.clone()));
        }
        if self.segments.is_full_or_crowded() {
            return Err(StoreError::Refused(self.segments.refusal()));
        }
        self.roll_if_needed(bytes as u64)?;
        let at = PhysicalOffset::new(self.end());
        match self.window.append(bytes, |out| fill(at, out)) {
            Some(_) => Ok(at),
            None => Err(StoreError::Refused(self.window_full())),
        }
    }

    /// The records `start..end` just appended are visible whole or not at all.
    pub(crate) fn note_batch(&self, start: u64, end: u64) {
        if end > self.promised_bytes() {
            self.batches.borrow_mut().push_back((start, end));
        }
    }

    /// Forgets batches that are whole on the right side of the mark; it never goes back.
    fn settle_batches(&self) {
        let bytes = self.promised_bytes();
        let mut batches = self.batches.borrow_mut();
        while batches.front().is_some_and(|(_, end)| *end <= bytes) {
            batches.pop_front();
        }
    }

    /// Makes sure that `bytes` and a filler fit in the segment of the cursor.
    fn roll_if_needed(&self, bytes: u64) -> Result<(), StoreError> {
        let end = self.end();
        let segment_end = self.segment_end(end);
        let usable = self.segments.usable_end();
        let fits = bytes + BLANK_BYTES <= segment_end - end;
        if fits && end + bytes <= usable {
            return Ok(());
        }
        // What fits and is not usable yet will be: that is no reason to end the segment.
        if fits || segment_end + self.config.segment_bytes > usable {
            self.segments.want();
            return Err(StoreError::Refused(self.segments.refusal()));
        }
        let left = segment_end - end;
        let filler = usize::try_from(left).expect("less than a record");
        let small = u32::try_from(left).expect("less than a record");
        if self.window.append(filler, |out| write_blank(out, small)).is_none() {
            return Err(StoreError::Refused(self.window_full()));
        }
        self.segments.entered(segment_end);
        Ok(())
    }

    /// The refusal for a full window, with its present figures.
    pub(crate) fn window_full(&self) -> Refusal {
        let waiting_bytes = self.end() - self.window.released();
        let wait = waiting_bytes / self.pace.get().max(1);
        Refusal::WindowFull { waiting_bytes, estimated_wait: Duration::from_millis(wait.max(1)) }
    }

    /// First byte behind the segment that byte `at` belongs to.
    pub(crate) fn segment_end(&self, at: u64) -> u64 {
        at - at % self.config.segment_bytes + self.config.segment_bytes
    }

    /// Asks for everything to be written and flushed without delay.
    pub(crate) fn drain(&self, on: bool) {
        self.draining.set(on);
    }

    /// Notes the time of this turn's appends; returns when a write or flush falls due.
    fn note_turn(&self, now: Mono) -> Option<Mono> {
        if self.failed.get().is_some() {
            return None;
        }
        if self.pending_since.get().is_none() && self.end() > self.issued.get() {
            self.pending_since.set(Some(now));
        }
        let write = self.pending_since.get().map(|since| after(since, self.config.write_delay));
        let flush = (self.written() > self.flushed())
            .then(|| after(self.flushed_at.get(), self.config.flush_interval));
        match (write, flush) {
            (Some(write), Some(flush)) => Some(write.min(flush)),
            (one, other) => one.or(other),
        }
    }

    /// The next write that may be issued now.
    fn next_write(&self, now: Mono) -> Option<Write> {
        let (issued, end) = (self.issued.get(), self.end());
        if issued == end || self.failed.get().is_some() {
            return None;
        }
        let from = issued - issued % BLOCK as u64;
        let writes = self.writes.borrow();
        // The tail block is written again only when its last write is done: two writes of a block have no order.
        if writes.back().is_some_and(|last| last.to > from) {
            return None;
        }
        let most = end.min(from + WRITE_BYTES_MAX).min(self.segment_end(issued));
        match self.config.flush_mode {
            FlushMode::Sync => writes.is_empty().then_some(Write { from, to: most }),
            FlushMode::Async => {
                if writes.len() >= WRITES_IN_FLIGHT_MAX
                    || issued - self.flushed() >= self.config.unflushed_bytes_max
                {
                    return None;
                }
                let to = self.async_reach(now, issued, end, most, writes.is_empty())?;
                Some(Write { from, to })
            }
        }
    }

    /// ASYNC_FLUSH: how far to write now. Everything when it is due, whole blocks when a chunk is there.
    fn async_reach(&self, now: Mono, issued: u64, end: u64, most: u64, idle: bool) -> Option<u64> {
        let due = self.pending_since.get().is_some_and(|since| after(since, self.config.write_delay) <= now);
        // From private memory every answer waits for the write, so there is nothing to wait for.
        let eager = idle && self.config.window == WindowBacking::Private;
        if due || eager || self.draining.get() {
            return Some(most);
        }
        let whole = if most == end { most - most % BLOCK as u64 } else { most };
        (end - issued >= self.config.flush_chunk_bytes as u64 && whole > issued).then_some(whole)
    }

    fn write_issued(&self, write: Write, now: Mono) {
        assert!(self.issued.get() < write.to, "a write brings something new");
        self.issued.set(write.to);
        self.writes.borrow_mut().push_back(InFlight { to: write.to, done: false });
        self.pending_since.set((write.to < self.end()).then_some(now));
    }

    /// A write is done: moves `written` over everything that is done in order.
    fn write_done(&self, write: Write, took_ns: u64) {
        let mut writes = self.writes.borrow_mut();
        let this = writes.iter_mut().find(|one| one.to == write.to).expect("it is in flight");
        this.done = true;
        while writes.front().is_some_and(|first| first.done) {
            let first = writes.pop_front().expect("just seen");
            self.written.set(first.to);
        }
        self.window.release(self.written());
        self.counters.writes.set(self.counters.writes.get() + 1);
        let bytes = (write.to - write.from).next_multiple_of(BLOCK as u64);
        self.counters.written_bytes.set(self.counters.written_bytes.get() + bytes);
        let pace = bytes * 1_000_000 / took_ns.max(1);
        self.pace.set((self.pace.get() * 7 + pace) / 8);
        if self.config.flush_method == FlushMethod::WriteThrough {
            self.flush_done(self.written());
        }
    }

    /// Everything below `to` is on the medium.
    fn flush_done(&self, to: u64) {
        assert!(to <= self.written(), "flushed {to} beyond written {}", self.written());
        // Another flush of the same file may have failed meanwhile and taken this one's bytes with it.
        if to > self.flushed() && self.failed.get().is_none() {
            self.flushed.set(to);
            self.counters.commits.set(self.counters.commits.get() + 1);
            self.progress.ring();
        }
    }

    /// ASYNC_FLUSH: whether it is time for an fdatasync.
    fn flush_due(&self, now: Mono) -> bool {
        let (written, flushed) = (self.written(), self.flushed());
        written > flushed
            && self.failed.get().is_none()
            && (self.draining.get()
                || after(self.flushed_at.get(), self.config.flush_interval) <= now
                || written - flushed >= self.config.unflushed_bytes_max / 2)
    }

    /// `fdatasync` of one segment file, with the defects that a test may have ordered.
    async fn flush_file(&self, file: &impl DiskFile) -> io::Result<()> {
        match self.config.canary {
            Some(Canary::SkipFlush) => Ok(()),
            Some(Canary::RetryFailedFlush) => match file.flush().await {
                Ok(()) => Ok(()),
                Err(_) => file.flush().await,
            },
            _ => file.flush().await,
        }
    }
}

fn after(at: Mono, pause: Duration) -> Mono {
    Mono(at.0 + u64::try_from(pause.as_nanos()).expect("pauses are short"))
}

/// Larger writes only queue inside the device (performance.md 1).
const WRITE_BYTES_MAX: u64 = 1 << 20;
/// Deep enough to fill an NVMe device with 256 KiB writes (performance.md 1).
pub(crate) const WRITES_IN_FLIGHT_MAX: usize = 4;
/// Bytes per millisecond assumed before anything was measured.
const PACE_AT_START: u64 = 256 << 10;

/// Most log bytes that one commit of SYNC_FLUSH leaves unflushed.
pub(crate) const COMMIT_BYTES_MAX: u64 = WRITE_BYTES_MAX;
