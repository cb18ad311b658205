//! The files of the commitlog: `commitlog/` and a 20-digit start offset each, all of one size.
//!
//! A segment is made before it is needed: created under another name, filled with zeros, flushed, renamed and its
//! directory flushed. Only then may the cursor enter it. A segment that retention gave up is renamed instead and not
//! zeroed again: its old records carry other physical offsets, and recovery compares.
//!
//! Nobody waits for the zeros of a whole segment at a start: the segment of the cursor may be *growing*. Its name then
//! ends in `.zeroing`, it has its full length and space, and only what lies below [`Segments::usable_end`] is zeroed,
//! flushed and open to the cursor. The housekeeping task moves that limit and takes the suffix away in the end. A
//! growing segment is always the last, and it alone needs proof after a crash: it is zeroed again behind the log.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rt::slice::aligned;
use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};

use super::Log;
use super::signal::Signal;
use crate::cold::ExtentSource;
use crate::config::{IoMode, StoreConfig};
use crate::{PhysicalOffset, Refusal, StoreError, Unusable};

mod preparing;

use preparing::Gait;
pub(crate) use preparing::keep_ready;

type File<E> = <<E as Env>::Disk as Disk>::File;

pub(crate) struct Segments<E: Env> {
    env: E,
    dir: PathBuf,
    direct: bool,
    segment_bytes: u64,
    ahead: u64,
    pause: Duration,
    part: u64,
    files: RefCell<Files<File<E>>>,
    /// While the last segment is growing: everything below is zeroed and flushed. A multiple of [`BLOCK`].
    zeroed_end: Cell<Option<u64>>,
    /// The housekeeping task is writing.
    busy: Cell<bool>,
    /// Rung when a segment was entered or is missing.
    wanted: Signal,
    /// What the filesystem said when the next segment could not be made.
    disk_full: RefCell<Option<String>>,
    /// The filesystem is above the mark where sends are refused.
    crowded: RefCell<Option<String>>,
    closing: Cell<bool>,
}

struct Files<F> {
    /// Start of the oldest segment; where the first one will start if there is none.
    first: u64,
    /// One slot per segment, opened on first use.
    slots: VecDeque<Option<F>>,
    /// Names of segments given up and not yet used again.
    recycled: Vec<String>,
}

impl<E: Env> Segments<E> {
    /// Looks at the directory, which exists. `empty_first`: where the log begins if there is no segment.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for segments of another size or a gap between them; nothing is changed then.
    pub(crate) async fn load(env: &E, config: &StoreConfig) -> Result<Self, StoreError> {
        let dir = config.dir.join(COMMITLOG_DIR);
        let io = |op, source| StoreError::Io { op, path: dir.clone(), source };
        // A process may have died between a rename and its flush: what is seen here must also survive the power.
        env.disk().sync_dir(&dir).await.map_err(|error| io("flush", error))?;
        let entries = env.disk().list(&dir).await.map_err(|error| io("list", error))?;
        let unusable = |reason| StoreError::Unusable { dir: config.dir.clone(), reason };
        let mut files = Files { first: 0, slots: VecDeque::new(), recycled: Vec::new() };
        let mut growing = None;
        for entry in entries {
            if entry.name.starts_with(RECYCLED_PREFIX) {
                files.recycled.push(entry.name);
                continue;
            }
            let (name, is_growing) = match entry.name.strip_suffix(GROWING_SUFFIX) {
                Some(name) => (name, true),
                None => (entry.name.as_str(), false),
            };
            let Some(start) = start_of(name) else { continue };
            if entry.bytes != config.segment_bytes || !start.is_multiple_of(config.segment_bytes) {
                return Err(unusable(Unusable::SegmentLength { name: entry.name, bytes: entry.bytes }));
            }
            if files.slots.is_empty() {
                files.first = start;
            }
            let expected = files.first + files.slots.len() as u64 * config.segment_bytes;
            // Only the last segment can be growing.
            if start != expected || growing.is_some() {
                return Err(unusable(Unusable::SegmentGap { at: PhysicalOffset::new(expected) }));
            }
            files.slots.push_back(None);
            growing = is_growing.then_some(start);
        }
        Ok(Self {
            env: env.clone(),
            dir,
            direct: config.io_mode == IoMode::Direct,
            segment_bytes: config.segment_bytes,
            ahead: u64::from(config.segments_ahead),
            pause: config.zeroing_pause,
            part: config.zeroing_part_bytes,
            files: RefCell::new(files),
            // Nothing of it is proven; `open_growing` goes on behind the log.
            zeroed_end: Cell::new(growing),
            busy: Cell::new(false),
            wanted: Signal::default(),
            disk_full: RefCell::default(),
            crowded: RefCell::default(),
            closing: Cell::new(false),
        })
    }

    /// Start of the oldest segment.
    pub(crate) fn first(&self) -> u64 {
        self.files.borrow().first
    }

    /// Segments below this offset exist and are durable as files.
    pub(crate) fn ready_end(&self) -> u64 {
        let files = self.files.borrow();
        files.first + files.slots.len() as u64 * self.segment_bytes
    }

    /// The cursor never passes this: everything below is zeroed (or older data) and flushed.
    pub(crate) fn usable_end(&self) -> u64 {
        self.zeroed_end.get().unwrap_or_else(|| self.ready_end())
    }

    /// Bytes that may be appended at `end` before the cursor meets what is not prepared.
    pub(crate) fn room(&self, end: u64) -> u64 {
        self.usable_end().saturating_sub(end)
    }

    /// Whether the last segment is not zeroed to its end.
    pub(crate) fn is_growing(&self) -> bool {
        self.zeroed_end.get().is_some()
    }

    pub(crate) fn count(&self) -> u64 {
        self.files.borrow().slots.len() as u64
    }

    /// Why the cursor cannot enter the next segment.
    pub(crate) fn refusal(&self) -> Refusal {
        self.disk_full().unwrap_or(Refusal::SegmentNotReady)
    }

    /// Set while the filesystem has no room for the next segment or is above the mark.
    pub(crate) fn disk_full(&self) -> Option<Refusal> {
        let what = self.disk_full.borrow().clone().or_else(|| self.crowded.borrow().clone());
        what.map(|what| Refusal::DiskFull { what })
    }

    /// Whether sends are refused because the filesystem is too full.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.borrow().is_some()
    }

    /// Refuses sends for this reason, or no longer.
    pub(crate) fn set_crowded(&self, why: Option<String>) {
        *self.crowded.borrow_mut() = why;
    }

    /// Whether sends are refused for lack of disk space; cheap, asked for each message.
    pub(crate) fn is_full_or_crowded(&self) -> bool {
        self.disk_full.borrow().is_some() || self.crowded.borrow().is_some()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The cursor stands in the segment that starts at `_start`: another one may be needed ahead.
    pub(crate) fn entered(&self, _start: u64) {
        self.want();
    }

    pub(crate) fn want(&self) {
        self.wanted.ring();
    }

    /// Lets the keeper task end.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.wanted.ring();
    }

    /// Whether the keeper task may still write zeros; after [`Segments::close`] it soon does not.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    /// The file of the segment with byte `at`.
    pub(crate) async fn file(&self, at: u64) -> io::Result<File<E>> {
        let (index, start) = {
            let files = self.files.borrow();
            let index = at.checked_sub(files.first).map(|into| (into / self.segment_bytes) as usize);
            let Some(index) = index.filter(|index| *index < files.slots.len()) else {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("no segment holds offset {at}")));
            };
            if let Some(file) = &files.slots[index] {
                return Ok(file.clone());
            }
            (index, files.first + index as u64 * self.segment_bytes)
        };
        let path = self.path_of(start);
        let file = self.env.disk().open(&path, OpenMode::Write { direct: self.direct }).await?;
        let mut files = self.files.borrow_mut();
        // Retention may have moved the slots while the file was opened.
        if start >= files.first {
            let index = ((start - files.first) / self.segment_bytes) as usize;
            files.slots[index] = Some(file.clone());
        }
        let _stale_after_retention = index;
        Ok(file)
    }

    /// Reads log bytes `at..at + len`, all in one segment.
    pub(crate) async fn read(&self, at: u64, len: usize) -> Result<SharedSlice, StoreError> {
        let io = |op, source| StoreError::Io { op, path: self.path_of(at), source };
        let file = self.file(at).await.map_err(|error| io("open", error))?;
        let offset = at % self.segment_bytes;
        let from = offset - offset % BLOCK as u64;
        let skip = (offset - from) as usize;
        let whole = (skip + len).next_multiple_of(BLOCK);
        let bytes = file.read_at(from, whole).await.map_err(|error| io("read", error))?;
        if bytes.len() < skip + len {
            return Err(io("read", io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes.range(skip, skip + len))
    }

    /// Reads whole blocks of one segment.
    async fn read_blocks(&self, at: u64, len: usize) -> io::Result<SharedSlice> {
        self.file(at).await?.read_at(at % self.segment_bytes, len).await
    }

    /// Names of segments waiting to be used again.
    pub(crate) fn spares(&self) -> usize {
        self.files.borrow().recycled.len()
    }

    /// Writes whole blocks of one segment at a block of the log. For recovery.
    pub(crate) async fn write(&self, at: u64, blocks: SharedSlice) -> Result<(), StoreError> {
        let io = |op, source| StoreError::Io { op, path: self.path_of(at), source };
        let file = self.file(at).await.map_err(|error| io("open", error))?;
        file.write_at(at % self.segment_bytes, blocks, false).await.map_err(|error| io("write", error))
    }

    /// Flushes the segment with byte `at`.
    pub(crate) async fn flush(&self, at: u64) -> Result<(), StoreError> {
        let io = |op, source| StoreError::Io { op, path: self.path_of(at), source };
        let file = self.file(at).await.map_err(|error| io("open", error))?;
        file.flush().await.map_err(|error| io("flush", error))
    }

    /// Makes the next segment durable and adds it; `gait` tells how fast, by the bytes of it that are zeroed.
    async fn prepare_next(&self, gait: impl Fn(u64) -> Gait) -> Result<(), StoreError> {
        let start = self.ready_end();
        let path = self.dir.join(segment_name(start));
        let recycled = self.files.borrow_mut().recycled.pop();
        let made = match recycled {
            Some(name) => self.take_recycled(&name, &path).await,
            None => self.make_zeroed(&path, self.segment_bytes, gait).await,
        };
        let file = made.map_err(|source| StoreError::Io { op: "prepare", path, source })?;
        self.files.borrow_mut().slots.push_back(Some(file));
        Ok(())
    }

    /// Makes room for the cursor at `end`, before anybody is served: the first part of a new segment, or the next part
    /// of one that was growing when the store stopped.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the next start tries again.
    pub(crate) async fn make_room(&self, end: u64) -> Result<(), StoreError> {
        if self.is_growing() {
            return self.open_growing(end).await;
        }
        let start = self.ready_end();
        if start > end {
            return Ok(());
        }
        if self.part >= self.segment_bytes || !self.files.borrow().recycled.is_empty() {
            return self.prepare_next(|_| Gait::RUN).await;
        }
        let path = self.dir.join(growing_name(start));
        let made = self.make_zeroed(&path, self.part, |_| Gait::RUN).await;
        let file = made.map_err(|source| StoreError::Io { op: "prepare", path, source })?;
        self.files.borrow_mut().slots.push_back(Some(file));
        self.zeroed_end.set(Some(start + self.part));
        Ok(())
    }

    /// Goes on with the segment that was growing: nothing behind the log counts as zeroed.
    async fn open_growing(&self, end: u64) -> Result<(), StoreError> {
        let start = self.ready_end() - self.segment_bytes;
        let io = |op, source| StoreError::Io { op, path: self.path_of(start), source };
        let file = self.file(start).await.map_err(|error| io("open", error))?;
        // The space is there already. To allocate also waits for direct writes that a killed process had in flight:
        // none of its zeros may land behind our back.
        match file.allocate(self.segment_bytes).await {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(io("allocate", error)),
            _ => {}
        }
        self.zeroed_end.set(Some(end.max(start).next_multiple_of(BLOCK as u64)));
        self.grow(self.part, |_| Gait::RUN).await
    }

    /// The next part in the background: as much as is zeroed already, because each part costs a flush and the log may
    /// not wait for it.
    async fn grow_on(&self, gait: impl Fn(u64) -> Gait) -> Result<(), StoreError> {
        let zeroed = self.usable_end() - (self.ready_end() - self.segment_bytes);
        self.grow(zeroed.max(self.part).min(GROWTH_BYTES_MAX.max(self.part)), gait).await
    }

    /// Zeroes and flushes the next `part` of the growing segment, then opens it to the cursor.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the limit is where it was.
    async fn grow(&self, part: u64, gait: impl Fn(u64) -> Gait) -> Result<(), StoreError> {
        let from = self.usable_end();
        let segment_end = self.ready_end();
        let start = segment_end - self.segment_bytes;
        let growing = self.path_of(start);
        let io = |op, source| StoreError::Io { op, path: growing.clone(), source };
        let to = segment_end.min(from + part);
        if from < to {
            let file = self.file(start).await.map_err(|error| io("open", error))?;
            let zeroed = self.zero(&file, from - start, to - start, gait).await;
            zeroed.map_err(|error| io("prepare", error))?;
            file.flush().await.map_err(|error| io("flush", error))?;
            self.zeroed_end.set(Some(to));
        }
        if to == segment_end {
            // Whoever reads has the file open: `grow` opened it at the latest.
            let disk = self.env.disk();
            let renamed = disk.rename(&growing, &self.dir.join(segment_name(start))).await;
            renamed.map_err(|error| io("rename", error))?;
            self.zeroed_end.set(None);
            disk.sync_dir(&self.dir).await.map_err(|error| io("flush", error))?;
        }
        Ok(())
    }

    /// Gives up the oldest segment: it is renamed for reuse, or removed.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the segment is then still there under one of both names and recovery finds it.
    pub(crate) async fn retire_first(&self, keep: bool) -> Result<(), StoreError> {
        let start = {
            let files = self.files.borrow();
            assert!(files.slots.len() > 1, "the segment of the cursor stays");
            files.first
        };
        let path = self.dir.join(segment_name(start));
        let spare = format!("{RECYCLED_PREFIX}{}", segment_name(start));
        let disk = self.env.disk();
        let gone =
            if keep { disk.rename(&path, &self.dir.join(&spare)).await } else { disk.remove(&path).await };
        gone.map_err(|source| StoreError::Io { op: "retire", path, source })?;
        {
            let mut files = self.files.borrow_mut();
            files.slots.pop_front();
            files.first += self.segment_bytes;
        }
        let synced = disk.sync_dir(&self.dir).await;
        synced.map_err(|source| StoreError::Io { op: "flush", path: self.dir.clone(), source })?;
        if keep {
            self.files.borrow_mut().recycled.push(spare);
        }
        Ok(())
    }

    pub(crate) fn path_of(&self, at: u64) -> PathBuf {
        let start = at - at % self.segment_bytes;
        let is_growing = self.is_growing() && start + self.segment_bytes == self.ready_end();
        self.dir.join(if is_growing { growing_name(start) } else { segment_name(start) })
    }
}

/// The segments as the cold cache reads them.
pub(crate) struct SegmentExtents<E: Env>(pub(crate) Rc<Segments<E>>);

impl<E: Env> ExtentSource for SegmentExtents<E> {
    async fn read(&self, at: u64, len: usize) -> io::Result<SharedSlice> {
        let segments = &self.0;
        let end = segments.ready_end().min(at + len as u64);
        let from = at.max(segments.first());
        let in_one = from / segments.segment_bytes == end.saturating_sub(1) / segments.segment_bytes;
        if from == at && in_one {
            return segments.read_blocks(at, (end - at) as usize).await;
        }
        // Only where segments are no multiple of an extent; what retention has taken reads as zeros.
        let mut pieces = Vec::new();
        let mut next = from;
        while next < end {
            let to = end.min(next - next % segments.segment_bytes + segments.segment_bytes);
            pieces.push((next, segments.read_blocks(next, (to - next) as usize).await?));
            next = to;
        }
        Ok(aligned(end.saturating_sub(at) as usize, |memory| {
            for (start, piece) in &pieces {
                let into = (start - at) as usize;
                memory[into..into + piece.len()].copy_from_slice(piece);
            }
        }))
    }
}

pub(crate) fn segment_name(start: u64) -> String {
    format!("{start:020}")
}

fn growing_name(start: u64) -> String {
    format!("{start:020}{GROWING_SUFFIX}")
}

fn start_of(name: &str) -> Option<u64> {
    (name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok()).flatten()
}

pub(crate) const COMMITLOG_DIR: &str = "commitlog";
/// Ends the name of a segment that is not zeroed to its end.
const GROWING_SUFFIX: &str = ".zeroing";
const RECYCLED_PREFIX: &str = "recycled-";
/// Largest part of a growing segment: what the log may have used up before the next one is ready.
const GROWTH_BYTES_MAX: u64 = 256 << 20;
