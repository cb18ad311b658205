//! [`Run`]: one immutable file of keys sorted by hash. FORMAT.md, "Key index".
//!
//! Pages of 170 keys, then fence pages with the first hash of every page, then a footer. A look-up reads one fence page
//! and then one page of keys, rarely a second.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};

use super::{IndexConfig, IndexError, KeyEntry};

type FileOf<E> = <<E as Env>::Disk as Disk>::File;

/// Keys of a page.
pub(super) const PAGE_KEYS: usize = (BLOCK - PAGE_HEADER) / KeyEntry::LEN;
/// Hashes of a fence page.
pub(super) const FENCE_HASHES: usize = (BLOCK - PAGE_HEADER) / 8;
const PAGE_HEADER: usize = 16;
const CRC: Range<usize> = 0..4;
const COUNT: Range<usize> = 4..8;
const NUMBER: Range<usize> = 8..16;

/// What the last page of a run says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) keys: u64,
    pub(super) pages: u64,
    pub(super) fence_pages: u64,
    /// The run holds the keys of the records from here ...
    pub(super) covers_from: u64,
    /// ... up to here.
    pub(super) covers_to: u64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    /// How often its keys have been merged.
    pub(super) level: u64,
}

const MAGIC: u64 = u64::from_be_bytes(*b"RMQRUN\0\x01");

impl Footer {
    /// The footer as a page; its number is that of the page.
    pub(super) fn encode(&self, page: &mut [u8]) {
        let fields = [
            MAGIC,
            self.keys,
            self.pages,
            self.fence_pages,
            self.covers_from,
            self.covers_to,
            self.first_ms as u64,
            self.last_ms as u64,
            self.level,
        ];
        for (slot, field) in page[PAGE_HEADER..].chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_be_bytes());
        }
        seal(page, fields.len(), self.pages + self.fence_pages);
    }

    fn decode(page: &[u8], number: u64) -> Option<Self> {
        if verified(page, number)? != 9 {
            return None;
        }
        let (words, _) = page[PAGE_HEADER..].as_chunks::<8>();
        let word = |index: usize| u64::from_be_bytes(words[index]);
        let footer = Self {
            keys: word(1),
            pages: word(2),
            fence_pages: word(3),
            covers_from: word(4),
            covers_to: word(5),
            first_ms: word(6) as i64,
            last_ms: word(7) as i64,
            level: word(8),
        };
        let fits = word(0) == MAGIC && footer.pages.checked_add(footer.fence_pages) == Some(number);
        fits.then_some(footer)
    }
}

/// Completes a page that holds `count` items.
pub(super) fn seal(page: &mut [u8], count: usize, number: u64) {
    page[COUNT].copy_from_slice(&(count as u32).to_be_bytes());
    page[NUMBER].copy_from_slice(&number.to_be_bytes());
    let crc = rt::crc32::hash(&page[CRC.end..]);
    page[CRC].copy_from_slice(&crc.to_be_bytes());
}

/// Items of a page if it is whole and has this number.
fn verified(page: &[u8], number: u64) -> Option<usize> {
    let word = |range: Range<usize>| u32::from_be_bytes(page[range].try_into().expect("4 bytes"));
    let is_ours = page.len() == BLOCK
        && word(CRC) == rt::crc32::hash(&page[CRC.end..])
        && page[NUMBER] == number.to_be_bytes();
    is_ours.then(|| word(COUNT) as usize)
}

/// The keys of a verified page.
fn keys_of(page: &[u8], count: usize) -> &[[u8; KeyEntry::LEN]] {
    let (keys, _) = page[PAGE_HEADER..].as_chunks();
    &keys[..count.min(keys.len())]
}

/// One run on disk.
pub(super) struct Run<E: Env> {
    pub(super) footer: Footer,
    pub(super) path: PathBuf,
    file: FileOf<E>,
    /// First hash of each fence page.
    root: Vec<u64>,
}

impl<E: Env> Run<E> {
    pub(super) async fn open(env: &E, path: PathBuf, direct: bool) -> Result<Self, IndexError> {
        let file = env.disk().open(&path, OpenMode::Read { direct }).await.map_err(io("open"))?;
        let last = (file.len().await.map_err(io("length"))? / BLOCK as u64).checked_sub(1);
        let damaged = |page| IndexError::Corrupt { path: path.clone(), page };
        let last = last.ok_or_else(|| damaged(0))?;
        let page = file.read_at(last * BLOCK as u64, BLOCK).await.map_err(io("read"))?;
        let footer = Footer::decode(&page, last).ok_or_else(|| damaged(last))?;
        let mut root = Vec::new();
        for number in footer.pages..last {
            let page = file.read_at(number * BLOCK as u64, BLOCK).await.map_err(io("read"))?;
            verified(&page, number).ok_or_else(|| damaged(number))?;
            let (hashes, _) = page[PAGE_HEADER..].as_chunks();
            root.push(u64::from_be_bytes(hashes[0]));
            env.yield_now().await;
        }
        Ok(Self { footer, path, file, root })
    }

    /// A run just written.
    pub(super) fn written(footer: Footer, path: PathBuf, file: FileOf<E>, root: Vec<u64>) -> Self {
        Self { footer, path, file, root }
    }

    /// Hands the entries with `hash` to `visit`, in order of position.
    pub(super) async fn find(
        &self,
        config: &IndexConfig,
        hash: u64,
        mut visit: impl FnMut(KeyEntry),
    ) -> Result<(), IndexError> {
        if self.footer.pages == 0 {
            return Ok(());
        }
        // The last page that begins below the hash may hold it too.
        let fence = self.root.partition_point(|first| *first < hash).saturating_sub(1);
        let bytes = self.page(config, self.footer.pages + fence as u64).await?;
        let count = self.count(&bytes, self.footer.pages + fence as u64)?.min(FENCE_HASHES);
        let (hashes, _) = bytes[PAGE_HEADER..].as_chunks();
        let before = hashes[..count].partition_point(|first| u64::from_be_bytes(*first) < hash);
        let mut number = (fence * FENCE_HASHES + before.saturating_sub(1)) as u64;
        while number < self.footer.pages {
            let bytes = self.page(config, number).await?;
            let keys = keys_of(&bytes, self.count(&bytes, number)?);
            let start = keys.partition_point(|key| KeyEntry::decode(key).hash < hash);
            for key in &keys[start..] {
                let entry = KeyEntry::decode(key);
                if entry.hash > hash {
                    return Ok(());
                }
                visit(entry);
            }
            number += 1;
        }
        Ok(())
    }

    /// The keys of the pages from `first` on, about [`PIECE_PAGES`] of them, and the page to go on with.
    pub(super) async fn keys(
        &self,
        config: &IndexConfig,
        first: u64,
    ) -> Result<(Vec<KeyEntry>, u64), IndexError> {
        let count = PIECE_PAGES.min(self.footer.pages - first);
        let permit = config.reads.enter().await;
        let read = self.file.read_at(first * BLOCK as u64, count as usize * BLOCK).await;
        drop(permit);
        let bytes = read.map_err(io("read"))?;
        let mut keys = Vec::with_capacity(count as usize * PAGE_KEYS);
        for (page, number) in bytes.chunks_exact(BLOCK).zip(first..) {
            keys.extend(keys_of(page, self.count(page, number)?).iter().map(KeyEntry::decode));
        }
        Ok((keys, first + count))
    }

    async fn page(&self, config: &IndexConfig, number: u64) -> Result<SharedSlice, IndexError> {
        let permit = config.reads.enter().await;
        let read = self.file.read_at(number * BLOCK as u64, BLOCK).await;
        drop(permit);
        read.map_err(io("read"))
    }

    fn count(&self, page: &[u8], number: u64) -> Result<usize, IndexError> {
        verified(page, number).ok_or_else(|| IndexError::Corrupt { path: self.path.clone(), page: number })
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.root.capacity() * size_of::<u64>()
    }
}

/// The runs of a directory, oldest first, and a number for the next name. What does not continue the runs before it is
/// removed: leftovers of merges, and everything behind a damaged run.
pub(super) async fn open_all<E: Env>(
    env: &E,
    config: &IndexConfig,
) -> Result<(Vec<Run<E>>, u64), IndexError> {
    let (disk, directory) = (env.disk(), &config.directory);
    disk.create_dir(directory).await.map_err(io("create"))?;
    if let Some(parent) = directory.parent() {
        disk.sync_dir(parent).await.map_err(io("sync"))?;
    }
    // A run that a dead process renamed must not go with the power while later ones continue it.
    disk.sync_dir(directory).await.map_err(io("sync"))?;
    let (mut found, mut unwanted, mut next_name) = (Vec::new(), Vec::new(), 1);
    for entry in disk.list(directory).await.map_err(io("list"))? {
        let path = directory.join(&entry.name);
        let Some(number) = number_of(&entry.name) else {
            if entry.name.ends_with(TEMPORARY) {
                unwanted.push(path);
            }
            continue;
        };
        next_name = next_name.max(number + 1);
        match Run::open(env, path.clone(), config.direct).await {
            Ok(run) => found.push(run),
            Err(error @ IndexError::Corrupt { .. }) => {
                tracing::warn!(%error, "keys behind this run are built again");
                unwanted.push(path);
            }
            Err(error) => return Err(error),
        }
    }
    // Of two that begin at the same place the larger is a merge that has the other in it.
    found.sort_by_key(|run| (run.footer.covers_from, std::cmp::Reverse(run.footer.covers_to)));
    let mut runs: Vec<Run<E>> = Vec::new();
    let mut gap = false;
    for run in found {
        let end = runs.last().map_or(run.footer.covers_from, |last| last.footer.covers_to);
        gap |= run.footer.covers_from > end;
        if gap || run.footer.covers_from < end {
            unwanted.push(run.path);
        } else {
            runs.push(run);
        }
    }
    for path in unwanted {
        disk.remove(&path).await.map_err(io("remove"))?;
    }
    Ok((runs, next_name))
}

pub(super) fn io(op: &'static str) -> impl FnOnce(io::Error) -> IndexError {
    move |source| IndexError::Io { op, source }
}

pub(super) fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}{NAME}"))
}

pub(super) fn temporary_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}{TEMPORARY}"))
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(NAME).filter(|digits| digits.len() == 20)?.parse().ok()
}

pub(super) const PAGE_START: usize = PAGE_HEADER;
const NAME: &str = ".run";
const TEMPORARY: &str = ".run.tmp";
/// Pages that a merge reads at once.
const PIECE_PAGES: u64 = 32;
