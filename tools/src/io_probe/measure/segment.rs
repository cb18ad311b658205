//! The life of a segment: how long it takes to make a file and to remove it, and what its removal does to commits.

use std::rc::Rc;
use std::time::Duration;

use rt::{Disk, DiskFile, Env, Mono, OpenMode};

use crate::io_probe::error::ProbeError;
use crate::io_probe::plan::{Area, Cell, Op, SMALL_KIB, Series};
use crate::io_probe::sample::Sample;

use super::{Job, PIECE, Places, Probe, Share};

/// What became of a file of `bytes` bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) bytes: u64,
    /// To make it and allocate its space; none where a filesystem cannot allocate.
    pub(crate) create_us: Option<f64>,
    /// To fill it with zeros and flush them.
    pub(crate) zeros_us: f64,
    /// To remove it, full.
    pub(crate) unlink_us: f64,
    /// Durable 4 KiB writes to another file, from the removal on.
    pub(crate) commits: Sample,
}

impl<E: Env> Probe<E> {
    /// Makes one, and removes the file that the cells were measured on.
    pub(super) async fn segment(
        &self,
        direct: bool,
        bytes: u64,
        zeros_mib_s: f64,
    ) -> Result<Segment, ProbeError> {
        self.watch.begin("a segment's life", self.spent_ns());
        let create_us = self.create(direct, bytes).await?;
        let (unlink_us, commits) = self.unlink(direct).await?;
        let zeros_us = bytes as f64 / f64::from(1 << 20) / zeros_mib_s * 1e6;
        Ok(Segment { bytes, create_us, zeros_us, unlink_us, commits })
    }

    async fn create(&self, direct: bool, bytes: u64) -> Result<Option<f64>, ProbeError> {
        let began = self.env.now().mono;
        let file = self.open(&self.grown, OpenMode::CreateNew { direct }).await?;
        let allocated = file.allocate(bytes).await;
        let took_us = self.env.now().mono.since(began) as f64 / 1e3;
        drop(file);
        self.remove_grown().await?;
        match allocated {
            Ok(()) => Ok(Some(took_us)),
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(None),
            Err(source) => Err(ProbeError::io("allocate", &self.grown, source)),
        }
    }

    /// A second file takes durable writes while the first goes, and for as long behind as its blocks may be freed.
    async fn unlink(&self, direct: bool) -> Result<(f64, Sample), ProbeError> {
        let file = self.open(&self.grown, OpenMode::CreateNew { direct }).await?;
        let written = file.write_at(0, self.noise(PIECE), true).await;
        written.map_err(|source| ProbeError::io("durable write", &self.grown, source))?;
        let began = self.env.now().mono;
        let window_ns = AFTER_NS.min(self.limits.time_ns / 32);
        let share =
            Share { ends: Mono(began.0 + window_ns), bytes: COMMITS_BYTES.min(self.limits.bytes / 64) };
        let job = Rc::new(Job::new(self, 0, share));
        let cell = COMMIT.with(direct);
        job.start(&file, cell, Places::Around(PIECE), &self.noise(cell.bytes()));
        // The first commit is in flight when the file goes.
        self.env.sleep(Duration::ZERO).await;
        let at = self.env.now().mono;
        let removed = self.env.disk().remove(&self.file).await;
        let unlink_us = self.env.now().mono.since(at) as f64 / 1e3;
        let ended = job.finished().await;
        let elapsed_ns = self.env.now().mono.since(began);
        self.written.set(self.written.get() + PIECE + job.issued.get());
        removed.map_err(|source| ProbeError::io("remove", &self.file, source))?;
        ended?;
        drop(file);
        self.remove_grown().await?;
        Ok((unlink_us, Sample::new(cell, job.latencies_ns.take(), elapsed_ns)))
    }

    async fn remove_grown(&self) -> Result<(), ProbeError> {
        let removed = self.env.disk().remove(&self.grown).await;
        removed.map_err(|source| ProbeError::io("remove", &self.grown, source))
    }
}

impl Cell {
    fn with(self, direct: bool) -> Self {
        Self { direct, ..self }
    }
}

const COMMIT: Cell = Cell {
    series: Series::Flush,
    op: Op::Fdatasync,
    direct: true,
    area: Area::Zeroed,
    kib: SMALL_KIB,
    depth: 1,
};
/// How long commits are watched.
const AFTER_NS: u64 = 600_000_000;
/// Their bytes at most.
const COMMITS_BYTES: u64 = 32 << 20;
