//! Reads of what has left memory: a gate that bounds them, and [`ColdCache`], a scan-resistant cache of log extents.
//!
//! The cache has a budget of its own, so that a backlog scan evicts neither the window nor what others read twice.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use rt::{Class, Env, SharedSlice};

mod gate;
mod held;
mod read_ahead;
#[cfg(test)]
mod tests;
mod two_queue;

pub use gate::{ReadGate, ReadPermit};
pub use held::Held;
use read_ahead::ReadAhead;
use two_queue::TwoQueue;

/// Bytes of an extent, the unit of reading and caching.
pub const EXTENT: u64 = 128 << 10;

/// Where extents come from: the commitlog.
pub trait ExtentSource: 'static {
    /// Reads `len` bytes at log offset `at`, a multiple of [`EXTENT`]; fewer only if the log ends before. `len` is a
    /// multiple of [`rt::BLOCK`].
    fn read(&self, at: u64, len: usize) -> impl Future<Output = io::Result<SharedSlice>>;
}

/// Settings of a cold cache.
#[derive(Clone, Debug)]
pub struct ColdConfig {
    /// Most bytes of extents kept. Two that were read together are given back together.
    pub bytes: usize,
    /// The shard's gate for reads.
    pub reads: Rc<ReadGate>,
    /// Extents read ahead of a reader that has been sequential for long; half and a quarter of them before.
    pub read_ahead: u64,
}

impl ColdConfig {
    /// A cache of `bytes` behind the gate `reads`.
    #[must_use]
    pub fn new(bytes: usize, reads: Rc<ReadGate>) -> Self {
        Self { bytes, reads, read_ahead: 8 }
    }
}

/// What a cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColdStatistics {
    /// Extents found.
    pub hits: u64,
    /// Extents that somebody had to wait for.
    pub misses: u64,
    /// Extents read ahead.
    pub read_ahead: u64,
    /// Reads given to the disk.
    pub reads: u64,
    /// Bytes held.
    pub bytes: usize,
}

/// Why a cold read failed; `C` is what the check found.
#[derive(Debug)]
pub enum ColdError<C> {
    /// The device refused, or the log ends before.
    Io(io::Error),
    /// The bytes are not what they should be. They have left the cache.
    Check(C),
}

impl<C: fmt::Display> fmt::Display for ColdError<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cold read failed: {error}"),
            Self::Check(found) => write!(f, "cold read: {found}"),
        }
    }
}

/// Extents of the log that were read lately. Clones share it.
pub struct ColdCache<E: Env, S: ExtentSource>(Rc<Shared<E, S>>);

impl<E: Env, S: ExtentSource> Clone for ColdCache<E, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<E: Env, S: ExtentSource> {
    env: E,
    source: S,
    config: ColdConfig,
    state: RefCell<State>,
}

struct State {
    extents: TwoQueue<Slot>,
    readers: ReadAhead,
    statistics: ColdStatistics,
}

#[derive(Clone)]
enum Slot {
    Loading(Rc<Load>),
    Held(SharedSlice),
}

/// One read in flight and everybody who waits for it.
struct Load {
    /// Where the log ended when it began.
    end: u64,
    outcome: RefCell<Option<Result<SharedSlice, Rc<io::Error>>>>,
    waiting: RefCell<Vec<Waker>>,
}

impl<E: Env, S: ExtentSource> ColdCache<E, S> {
    /// An empty cache of what `source` reads.
    pub fn new(env: E, source: S, config: ColdConfig) -> Self {
        let state = State {
            extents: TwoQueue::new((config.bytes / EXTENT as usize).max(4)),
            readers: ReadAhead::default(),
            statistics: ColdStatistics::default(),
        };
        Self(Rc::new(Shared { env, source, config, state: RefCell::new(state) }))
    }

    /// The `len` bytes at log offset `at`, after `check` has accepted them. `end` is how far the files may be read
    /// now. `reader` names a consumer that reads in order, for read-ahead. Bytes within one extent are not copied.
    ///
    /// Concurrent readers of an extent share one read. Cancelling is safe.
    ///
    /// # Errors
    /// [`ColdError::Io`], also if the range is not below `end`; [`ColdError::Check`].
    pub async fn read<C>(
        &self,
        at: u64,
        len: usize,
        end: u64,
        reader: Option<u64>,
        check: impl FnOnce(&[u8]) -> Result<(), C>,
    ) -> Result<SharedSlice, ColdError<C>> {
        let bytes = self.hold(at, len, end, reader).await.map_err(ColdError::Io)?.range(at, len);
        if let Err(found) = check(&bytes) {
            self.distrust(at, len);
            return Err(ColdError::Check(found));
        }
        Ok(bytes)
    }

    /// As [`ColdCache::read`], but with what came along, and unchecked: whoever reads on finds the next records in it
    /// without another look-up. Bytes that do not hold what they should are to be given to [`ColdCache::distrust`].
    ///
    /// # Errors
    /// As [`ColdError::Io`].
    pub async fn hold(&self, at: u64, len: usize, end: u64, reader: Option<u64>) -> io::Result<Held> {
        if len == 0 || at.checked_add(len as u64).is_none_or(|last| last > end) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let range = extents(at, len);
        if let Some(reader) = reader {
            self.read_ahead(reader, *range.end(), end);
        }
        let start = *range.start() * EXTENT;
        if range.start() == range.end() {
            let need = (at - start) as usize + len;
            return Ok(Held::new(start, self.extent(*range.start(), need, end).await?));
        }
        Ok(Held::new(at, self.gather(at, len, end).await?))
    }

    /// Forgets the extents of these bytes: they are not what was written.
    pub fn distrust(&self, at: u64, len: usize) {
        let mut state = self.0.state.borrow_mut();
        for extent in extents(at, len) {
            state.extents.remove(extent);
        }
    }

    /// Forgets extents that begin before `log_min`.
    pub fn forget_below(&self, log_min: u64) {
        self.0.state.borrow_mut().extents.retain(|extent| (extent + 1) * EXTENT > log_min);
    }

    /// Figures.
    #[must_use]
    pub fn statistics(&self) -> ColdStatistics {
        let state = self.0.state.borrow();
        let bytes = state.extents.values().map(|slot| match slot {
            Slot::Held(bytes) => bytes.len(),
            Slot::Loading(_) => 0,
        });
        ColdStatistics { bytes: bytes.sum(), ..state.statistics }
    }

    /// A copy of bytes of several extents.
    async fn gather(&self, at: u64, len: usize, end: u64) -> io::Result<SharedSlice> {
        let mut pieces = Vec::new();
        for extent in extents(at, len) {
            let start = extent * EXTENT;
            let from = (at.max(start) - start) as usize;
            let to = ((at + len as u64).min(start + EXTENT) - start) as usize;
            pieces.push(self.extent(extent, to, end).await?.range(from, to));
        }
        Ok(rt::slice::aligned(len, |mut memory| {
            for piece in &pieces {
                let (head, rest) = memory.split_at_mut(piece.len());
                head.copy_from_slice(piece);
                memory = rest;
            }
        }))
    }

    /// At least the first `need` bytes of an extent.
    async fn extent(&self, extent: u64, need: usize, end: u64) -> io::Result<SharedSlice> {
        loop {
            let load = {
                let mut state = self.0.state.borrow_mut();
                let State { extents, statistics, .. } = &mut *state;
                match extents.get(extent) {
                    Some(Slot::Held(bytes)) if bytes.len() >= need => {
                        statistics.hits += 1;
                        return Ok(bytes.clone());
                    }
                    Some(Slot::Loading(load)) => load.clone(),
                    Some(Slot::Held(_)) | None => {
                        statistics.misses += 1;
                        drop(state);
                        self.start(extent, 1, end)
                    }
                }
            };
            let bytes = load.wait().await?;
            if bytes.len() >= need {
                return Ok(bytes);
            }
            if load.end >= end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Starts one read of `count` extents in a task of its own, so that it does not matter who goes away. Gives the
    /// first of them. All begin below `end`.
    fn start(&self, first: u64, count: u64, end: u64) -> Rc<Load> {
        let load = || Rc::new(Load { end, outcome: RefCell::default(), waiting: RefCell::default() });
        let loads: Vec<_> = (0..count).map(|_| load()).collect();
        {
            let mut state = self.0.state.borrow_mut();
            for (extent, load) in (first..).zip(&loads) {
                state.extents.insert(extent, Slot::Loading(load.clone()));
            }
            state.statistics.reads += 1;
        }
        let (shared, load) = (self.0.clone(), loads[0].clone());
        self.0.env.spawn(Class::ColdRead, async move {
            let at = first * EXTENT;
            let valid = usize::try_from((count * EXTENT).min(end - at)).expect("some extents are small");
            let permit = shared.config.reads.enter().await;
            let read = shared.source.read(at, valid.next_multiple_of(rt::BLOCK)).await.map_err(Rc::new);
            drop(permit);
            for (index, (extent, load)) in (first..).zip(loads).enumerate() {
                let outcome = read.as_ref().map_err(Rc::clone).map(|bytes| {
                    // Behind `end` the file still changes.
                    let within = |offset: usize| offset.min(bytes.len()).min(valid);
                    bytes.range(within(index * EXTENT as usize), within((index + 1) * EXTENT as usize))
                });
                match &outcome {
                    Ok(bytes) => {
                        shared.state.borrow_mut().extents.replace(extent, Slot::Held(bytes.clone()));
                    }
                    Err(_) => shared.state.borrow_mut().extents.remove(extent),
                }
                *load.outcome.borrow_mut() = Some(outcome);
                for waker in load.waiting.take() {
                    waker.wake();
                }
            }
        });
        load
    }

    /// Two neighbours are one read: a reader who is ahead of his own waits until there are two to fetch.
    fn read_ahead(&self, reader: u64, last: u64, end: u64) {
        let most = self.0.config.read_ahead;
        let ahead = self.0.state.borrow_mut().readers.ahead(reader, last, most);
        let is_missing = |extent: u64| {
            ahead.contains(&extent)
                && extent * EXTENT < end
                && !self.0.state.borrow().extents.contains(extent)
        };
        for extent in ahead.clone() {
            // Whoever waits for a read goes first.
            if !is_missing(extent) || !self.0.config.reads.is_open() {
                continue;
            }
            let count = 1 + u64::from(is_missing(extent + 1));
            if count == 1 && extent > last + 1 && extent + 1 == ahead.end && (extent + 1) * EXTENT < end {
                continue;
            }
            self.0.state.borrow_mut().statistics.read_ahead += count;
            self.start(extent, count, end);
        }
    }
}

impl Load {
    async fn wait(&self) -> io::Result<SharedSlice> {
        poll_fn(|context| match &*self.outcome.borrow() {
            Some(Ok(bytes)) => Poll::Ready(Ok(bytes.clone())),
            Some(Err(error)) => Poll::Ready(Err(match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            })),
            None => {
                self.waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

fn extents(at: u64, len: usize) -> std::ops::RangeInclusive<u64> {
    at / EXTENT..=(at + len as u64 - 1) / EXTENT
}
