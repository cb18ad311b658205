//! The probe itself: cells run over [`rt::Disk`], on the real machine and on a simulated one.
//!
//! Bounded in time and in bytes written: what is left of both is shared among the cells that are left. The files exist
//! as long as the measurement; whatever ends it, an error or Ctrl-C, they are removed before it is told. The operations of
//! one cell are a [`Job`].

use std::cell::Cell as Place;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rt::{Disk, DiskFile, Env, Mono, OpenMode};

use super::error::ProbeError;
use super::plan::{Area, Cell, Op, Scope, Series};
use super::sample::Sample;

mod job;
mod segment;
mod steady;

use job::{Job, Places, Share};
pub(crate) use segment::Segment;
pub(crate) use steady::{Course, Steady};

/// How much may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Time, in ns.
    pub(crate) time_ns: u64,
    /// Bytes written, in all.
    pub(crate) bytes: u64,
    /// How much is measured with them.
    pub(crate) scope: Scope,
}

impl Limits {
    /// What is spent by default.
    pub(crate) fn of(scope: Scope) -> Self {
        let (seconds, gib) = match scope {
            Scope::Usual => (20, 4),
            Scope::Full => (60, 16),
        };
        Self { time_ns: seconds * 1_000_000_000, bytes: gib << 30, scope }
    }

    /// Bytes of the file that is written to. A second one may be there beside it.
    pub(crate) fn file_bytes(self) -> u64 {
        let most = if self.scope == Scope::Full { 4 * FILE_BYTES_MOST } else { FILE_BYTES_MOST };
        (self.bytes / 16).clamp(FILE_BYTES_LEAST, most) & !(FILL_STEP - 1)
    }

    /// What the cells may use: a part is kept for what comes behind them.
    fn of_cells(self) -> Self {
        let (time_ns, bytes) = match self.scope {
            Scope::Usual => (self.time_ns - self.time_ns / 16, self.bytes - self.bytes / 32),
            Scope::Full => (self.time_ns / 16 * 10, self.bytes / 32 * 19),
        };
        Self { time_ns, bytes, ..self }
    }

    /// Room that the probe needs on the filesystem.
    pub(crate) fn room(self) -> u64 {
        2 * self.file_bytes() + PIECE
    }
}

/// Fewest bytes to write that a probe makes sense with.
pub(crate) const BYTES_LEAST: u64 = 64 << 20;
const FILE_BYTES_LEAST: u64 = 4 << 20;
const FILE_BYTES_MOST: u64 = 256 << 20;
/// Of filling with zeros; no cell writes larger ones.
const PIECE: u64 = 1 << 20;
/// Pieces of zeros in flight.
const FILL_DEPTH: u32 = 4;
const FILL_STEP: u64 = FILL_DEPTH as u64 * PIECE;
const _: () = assert!(FILE_BYTES_LEAST.is_multiple_of(FILL_STEP) && FILL_STEP.is_power_of_two());
/// A slow disk gets a smaller file rather than no measurement: at most this part of the time goes into zeros.
const FILL_TIME_PART: u64 = 4;

/// Who looks on.
pub(crate) trait Watch {
    /// `label` begins; of the time allowed, `spent_ns` are gone.
    fn begin(&self, label: &str, spent_ns: u64);
    /// Whether to give up. Asked before each operation.
    fn stop(&self) -> bool;
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// One for each cell that there was room for, in their order.
    pub(crate) samples: Vec<Sample>,
    /// Cells left out because the bytes were spent.
    pub(crate) left_out: Vec<Cell>,
    /// MiB/s of filling with zeros, flush included.
    pub(crate) zeros_mib_s: f64,
    /// Bytes written in all.
    pub(crate) written: u64,
    /// Bytes of the file.
    pub(crate) file_bytes: u64,
    /// The life of a file of this size.
    pub(crate) segment: Option<Segment>,
    /// The long run, if there was one.
    pub(crate) steady: Option<Steady>,
}

/// Runs `cells` in the directory `dir`.
///
/// # Errors
/// The first operation that fails ends it. Its files are removed in any case.
pub(crate) async fn measure<E: Env>(
    env: &E,
    dir: &Path,
    cells: &[Cell],
    limits: Limits,
    watch: Rc<dyn Watch>,
) -> Result<Findings, ProbeError> {
    let disk = env.disk();
    let lock = dir.join(LOCK);
    let held = match disk.lock(&lock) {
        Ok(Some(held)) => held,
        Ok(None) => return Err(ProbeError::ProbeRuns { lock }),
        Err(source) => return Err(ProbeError::NotWritable { path: dir.to_owned(), source }),
    };
    // A killed probe could not clean up.
    let swept = sweep(disk, dir, &FILES).await;
    let probe = Probe {
        env: env.clone(),
        file: dir.join(FILE),
        grown: dir.join(GROWN),
        limits,
        watch,
        started: env.now().mono,
        written: Place::new(0),
    };
    let outcome = match swept {
        Ok(()) => probe.run(cells).await,
        Err(error) => Err(error),
    };
    let swept = sweep(disk, dir, &FILES).await;
    let unlocked = sweep(disk, dir, &[LOCK]).await;
    drop(held);
    let findings = outcome?;
    swept.and(unlocked)?;
    Ok(findings)
}

async fn sweep<D: Disk>(disk: &D, dir: &Path, names: &[&str]) -> Result<(), ProbeError> {
    let present = disk.list(dir).await.map_err(|source| ProbeError::io("list", dir, source))?;
    for entry in present.iter().filter(|entry| names.contains(&entry.name.as_str())) {
        let path = dir.join(&entry.name);
        disk.remove(&path).await.map_err(|source| ProbeError::io("remove", path, source))?;
    }
    Ok(())
}

const FILE: &str = "ringmq-io-probe.tmp";
const GROWN: &str = "ringmq-io-probe-grown.tmp";
const LOCK: &str = "ringmq-io-probe.lock";
const FILES: [&str; 2] = [FILE, GROWN];

struct Probe<E: Env> {
    env: E,
    file: PathBuf,
    grown: PathBuf,
    limits: Limits,
    watch: Rc<dyn Watch>,
    started: Mono,
    written: Place<u64>,
}

impl<E: Env> Probe<E> {
    async fn run(&self, cells: &[Cell]) -> Result<Findings, ProbeError> {
        let direct = cells.iter().any(|cell| cell.direct);
        let (file_bytes, zeros_mib_s) = self.fill(direct).await?;
        let (mut samples, mut left_out) = (Vec::new(), Vec::new());
        for (index, cell) in cells.iter().enumerate() {
            let left = &cells[index..];
            let Some(share) = self.share(cell, left) else {
                left_out.push(*cell);
                continue;
            };
            self.watch.begin(&cell.label(), self.spent_ns());
            samples.push(self.cell(*cell, share, file_bytes).await?);
        }
        let steady = match self.limits.scope {
            Scope::Usual => None,
            Scope::Full => Some(self.steady(direct, file_bytes).await?),
        };
        let segment = Some(self.segment(direct, file_bytes, zeros_mib_s).await?);
        Ok(Findings {
            samples,
            left_out,
            zeros_mib_s,
            written: self.written.get(),
            file_bytes,
            segment,
            steady,
        })
    }

    fn spent_ns(&self) -> u64 {
        self.env.now().mono.since(self.started)
    }

    /// What the first of the cells `left` may use: the end of its time, and bytes. `None` if there are too few.
    fn share(&self, cell: &Cell, left: &[Cell]) -> Option<Share> {
        let limits = self.limits.of_cells();
        let parts = left.iter().map(Cell::weight).sum::<u64>();
        let time_ns = limits.time_ns.saturating_sub(self.spent_ns()) / parts * cell.weight();
        let ends = Mono(self.env.now().mono.0 + time_ns);
        if !cell.writes() {
            return Some(Share { ends, bytes: u64::MAX });
        }
        let bytes_left = limits.bytes.saturating_sub(self.written.get());
        let writing = left.iter().filter(|cell| cell.writes()).map(Cell::weight).sum::<u64>();
        let least = cell.bytes() * u64::from(cell.depth);
        (bytes_left >= least)
            .then(|| Share { ends, bytes: (bytes_left / writing * cell.weight()).max(least) })
    }

    /// Makes the file: zeros written and flushed, as a prepared segment has them.
    async fn fill(&self, direct: bool) -> Result<(u64, f64), ProbeError> {
        self.watch.begin("filling a file with zeros", 0);
        let file = self.open(&self.file, OpenMode::CreateNew { direct }).await?;
        let limit = Mono(self.started.0 + self.limits.time_ns / FILL_TIME_PART);
        let mut bytes = 0;
        let zeros = rt::slice::aligned(PIECE as usize, |_| {});
        while bytes < self.limits.file_bytes() && (bytes < FILE_BYTES_LEAST || self.env.now().mono < limit) {
            let job = Rc::new(Job::new(self, bytes, Share { ends: Mono(u64::MAX), bytes: FILL_STEP }));
            let pieces = Cell { kib: (PIECE >> 10) as u32, depth: FILL_DEPTH, ..FILLING };
            job.clone().all(&file, pieces, Places::Forward(u64::MAX), &zeros).await?;
            bytes += FILL_STEP;
        }
        self.written.set(bytes);
        file.flush().await.map_err(|source| ProbeError::io("flush", &self.file, source))?;
        Ok((bytes, bytes as f64 / f64::from(1 << 20) * 1e9 / self.spent_ns().max(1) as f64))
    }

    async fn cell(&self, cell: Cell, share: Share, file_bytes: u64) -> Result<Sample, ProbeError> {
        let (direct, disk) = (cell.direct, self.env.disk());
        let (file, places) = match cell.area {
            Area::Zeroed if cell.op == Op::Read => {
                (self.open(&self.file, OpenMode::Read { direct }).await?, Places::Random(file_bytes))
            }
            Area::Zeroed => {
                (self.open(&self.file, OpenMode::Write { direct }).await?, Places::Around(file_bytes))
            }
            Area::Allocated | Area::Extended => {
                let file = self.open(&self.grown, OpenMode::CreateNew { direct }).await?;
                if cell.area == Area::Allocated {
                    let allocated = file.allocate(file_bytes).await;
                    allocated.map_err(|source| ProbeError::io("allocate", &self.grown, source))?;
                }
                (file, Places::Forward(file_bytes))
            }
        };
        let data = self.noise(cell.bytes());
        let began = self.env.now().mono;
        let job = Rc::new(Job::new(self, 0, share));
        match cell.companion() {
            None => job.clone().all(&file, cell, places, &data).await?,
            Some(other) => {
                let (background, beside) = self.start_beside(other, file_bytes, share).await?;
                job.runs_beside(background.clone());
                let outcome = job.clone().all(&file, cell, places, &data).await;
                background.stop();
                let ended = background.finished().await;
                drop(beside);
                let issued = if other.op == Op::Read { 0 } else { background.issued.get() };
                self.written.set(self.written.get() + issued);
                outcome.and(ended)?;
            }
        }
        if !direct && cell.op == Op::Write {
            // The page cache took them; they count when they are on the device.
            file.flush().await.map_err(|source| ProbeError::io("flush", &self.file, source))?;
        }
        let elapsed_ns = self.env.now().mono.since(began);
        self.written.set(self.written.get() + if cell.op == Op::Read { 0 } else { job.issued.get() });
        drop(file);
        if cell.area != Area::Zeroed {
            let removed = disk.remove(&self.grown).await;
            removed.map_err(|source| ProbeError::io("remove", &self.grown, source))?;
        }
        Ok(Sample::new(cell, job.latencies_ns.take(), elapsed_ns))
    }

    /// Puts the operations of `cell` to work in the background.
    async fn start_beside(
        &self,
        cell: Cell,
        file_bytes: u64,
        share: Share,
    ) -> Result<(Rc<Job<E>>, <E::Disk as Disk>::File), ProbeError> {
        let direct = cell.direct;
        let (mode, places) = match cell.op {
            Op::Read => (OpenMode::Read { direct }, Places::Random(file_bytes)),
            _ => (OpenMode::Write { direct }, Places::Around(file_bytes)),
        };
        let file = self.open(&self.file, mode).await?;
        let job = Rc::new(Job::new(self, 0, share));
        job.start(&file, cell, places, &self.noise(cell.bytes()));
        Ok((job, file))
    }

    /// Not zeros, which some devices do not store.
    fn noise(&self, bytes: u64) -> rt::SharedSlice {
        let mut state = self.env.random() | 1;
        rt::slice::aligned(bytes as usize, |bytes| {
            for word in bytes.chunks_exact_mut(8) {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                word.copy_from_slice(&state.to_le_bytes());
            }
        })
    }

    async fn open(&self, path: &Path, mode: OpenMode) -> Result<<E::Disk as Disk>::File, ProbeError> {
        self.env.disk().open(path, mode).await.map_err(|source| ProbeError::io("open", path, source))
    }
}

/// Its series and area mean nothing: the zeros themselves.
const FILLING: Cell =
    Cell { series: Series::Area, op: Op::Write, direct: true, area: Area::Zeroed, kib: 0, depth: 0 };

#[cfg(test)]
mod tests;
