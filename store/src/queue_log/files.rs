//! [`LogFiles`]: the files that hold the pages, 64 MiB each, named after their first page.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};

/// Pages of one file.
pub(crate) const SEGMENT_PAGES: u64 = if cfg!(test) { 512 } else { 16_384 };
const _: () = assert!(SEGMENT_PAGES.is_multiple_of(super::recent::CHUNK_PAGES));

type FileOf<E> = <<E as Env>::Disk as Disk>::File;

/// The files of one queue log.
pub(crate) struct LogFiles<E: Env> {
    env: E,
    directory: PathBuf,
    direct: bool,
    open: RefCell<BTreeMap<u64, FileOf<E>>>,
    /// Segments written since the last flush.
    unflushed: RefCell<BTreeSet<u64>>,
    /// A file was made since the last flush.
    names_changed: RefCell<bool>,
}

impl<E: Env> LogFiles<E> {
    /// The files in `directory`, which is made if missing; returns the segments found.
    pub(crate) async fn open(
        env: E,
        directory: PathBuf,
        direct: bool,
    ) -> Result<(Self, BTreeSet<u64>), (&'static str, io::Error)> {
        let disk = env.disk().clone();
        disk.create_dir(&directory).await.map_err(|error| ("create", error))?;
        if let Some(parent) = directory.parent() {
            disk.sync_dir(parent).await.map_err(|error| ("sync", error))?;
        }
        // Files that a dead process made must not go with the power while checkpoints name them.
        disk.sync_dir(&directory).await.map_err(|error| ("sync", error))?;
        let names = disk.list(&directory).await.map_err(|error| ("list", error))?;
        let segments = names.iter().filter_map(|entry| segment_of(&entry.name)).collect();
        let files = Self {
            env,
            directory,
            direct,
            open: RefCell::default(),
            unflushed: RefCell::default(),
            names_changed: RefCell::new(false),
        };
        Ok((files, segments))
    }

    /// Writes `pages` from `location` on, all of them in one segment. Not yet durable on return.
    pub(crate) async fn write(&self, location: u64, pages: SharedSlice) -> io::Result<()> {
        let segment = location / SEGMENT_PAGES;
        let file = self.file(segment, true).await?;
        self.unflushed.borrow_mut().insert(segment);
        file.write_at(location % SEGMENT_PAGES * BLOCK as u64, pages, false).await
    }

    /// Reads up to `count` pages of one segment; fewer at its end.
    pub(crate) async fn read(&self, location: u64, count: u64) -> io::Result<SharedSlice> {
        let file = self.file(location / SEGMENT_PAGES, false).await?;
        let count = count.min(SEGMENT_PAGES - location % SEGMENT_PAGES);
        file.read_at(location % SEGMENT_PAGES * BLOCK as u64, count as usize * BLOCK).await
    }

    /// Makes every write that has returned durable, and the names of the files.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        let segments = std::mem::take(&mut *self.unflushed.borrow_mut());
        for segment in segments {
            self.file(segment, false).await?.flush().await?;
        }
        if self.names_changed.replace(false) {
            self.env.disk().sync_dir(&self.directory).await?;
        }
        Ok(())
    }

    /// Unlinks a segment.
    pub(crate) async fn remove(&self, segment: u64) -> io::Result<()> {
        self.open.borrow_mut().remove(&segment);
        self.unflushed.borrow_mut().remove(&segment);
        self.env.disk().remove(&self.path(segment)).await
    }

    async fn file(&self, segment: u64, may_create: bool) -> io::Result<FileOf<E>> {
        if let Some(file) = self.open.borrow().get(&segment) {
            return Ok(file.clone());
        }
        let (disk, path, direct) = (self.env.disk(), self.path(segment), self.direct);
        let file = match disk.open(&path, OpenMode::Write { direct }).await {
            Err(error) if may_create && error.kind() == io::ErrorKind::NotFound => {
                let file = disk.open(&path, OpenMode::CreateNew { direct }).await?;
                *self.names_changed.borrow_mut() = true;
                file
            }
            other => other?,
        };
        let mut open = self.open.borrow_mut();
        // A few descriptors are enough: the newest files and those being read.
        if open.len() >= OPEN_FILES_MAX {
            open.pop_first();
        }
        open.insert(segment, file.clone());
        Ok(file)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.directory.join(format!("{segment:020}{NAME}"))
    }
}

fn segment_of(name: &str) -> Option<u64> {
    name.strip_suffix(NAME).filter(|digits| digits.len() == 20)?.parse().ok()
}

const NAME: &str = ".queuelog";
const OPEN_FILES_MAX: usize = 64;
