//! Sorted inputs into one run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};

use super::run::{self, FENCE_HASHES, Footer, PAGE_KEYS, PAGE_START, Run, io};
use super::{IndexConfig, IndexError, KeyEntry};

/// One sorted input: keys in memory, and perhaps more pages of a run behind them.
pub(super) struct Input<E: Env> {
    keys: Rc<Vec<KeyEntry>>,
    next: usize,
    more: Option<(Rc<Run<E>>, u64)>,
}

impl<E: Env> Input<E> {
    pub(super) fn block(keys: Rc<Vec<KeyEntry>>) -> Self {
        Self { keys, next: 0, more: None }
    }

    pub(super) fn run(run: Rc<Run<E>>) -> Self {
        Self { keys: Rc::default(), next: 0, more: Some((run, 0)) }
    }

    fn is_dry(&self) -> bool {
        self.next == self.keys.len() && self.more.as_ref().is_some_and(|(run, page)| *page < run.footer.pages)
    }

    async fn refill(&mut self, config: &IndexConfig) -> Result<(), IndexError> {
        while self.is_dry() {
            let (run, page) = self.more.as_mut().expect("dry inputs have more");
            let (keys, next) = run.keys(config, *page).await?;
            *page = next;
            (self.keys, self.next) = (Rc::new(keys), 0);
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<KeyEntry> {
        let key = self.keys.get(self.next).copied();
        self.next += usize::from(key.is_some());
        key
    }
}

/// Writes the keys of `inputs`, without those of records before `log_min`, as the run called `name`.
pub(super) async fn write<E: Env>(
    env: &E,
    config: &IndexConfig,
    name: u64,
    mut inputs: Vec<Input<E>>,
    covers: std::ops::Range<u64>,
    level: u64,
    log_min: u64,
) -> Result<Run<E>, IndexError> {
    let mut writer = Writer::create(env, config, name).await?;
    let mut heap = BinaryHeap::new();
    for (index, input) in inputs.iter_mut().enumerate() {
        input.refill(config).await?;
        heap.extend(input.pop().map(|key| Reverse((key, index))));
    }
    let (mut first_ms, mut last_ms) = (i64::MAX, i64::MIN);
    let mut in_slice = 0;
    while let Some(Reverse((key, index))) = heap.pop() {
        if key.at >= log_min {
            first_ms = first_ms.min(key.stored_at_ms);
            last_ms = last_ms.max(key.stored_at_ms);
            writer.push(key);
            writer.write_full_pieces().await?;
        }
        if inputs[index].is_dry() {
            inputs[index].refill(config).await?;
        }
        heap.extend(inputs[index].pop().map(|key| Reverse((key, index))));
        in_slice += 1;
        if in_slice == KEYS_PER_SLICE {
            in_slice = 0;
            env.yield_now().await;
        }
    }
    let footer = Footer {
        covers_from: covers.start,
        covers_to: covers.end,
        first_ms,
        last_ms,
        level,
        ..Footer::default()
    };
    writer.finish(env, config, name, footer).await
}

struct Writer<F> {
    file: F,
    /// Whole pages that are not written yet, and the open one.
    buffer: Vec<u8>,
    /// Pages written.
    written: u64,
    /// Pages begun.
    pages: u64,
    /// Keys in the open page; 0: there is none.
    in_page: usize,
    keys: u64,
    fence: Vec<u64>,
}

impl<F: DiskFile> Writer<F> {
    async fn create<E>(env: &E, config: &IndexConfig, name: u64) -> Result<Self, IndexError>
    where
        E: Env,
        E::Disk: Disk<File = F>,
    {
        let path = run::temporary_path(&config.directory, name);
        let mode = OpenMode::CreateNew { direct: config.direct };
        let file = env.disk().open(&path, mode).await.map_err(io("create"))?;
        Ok(Self { file, buffer: Vec::new(), written: 0, pages: 0, in_page: 0, keys: 0, fence: Vec::new() })
    }

    fn push(&mut self, key: KeyEntry) {
        if self.in_page == 0 {
            self.begin_page();
            self.fence.push(key.hash);
        }
        let start = self.buffer.len() - BLOCK + PAGE_START + self.in_page * KeyEntry::LEN;
        key.encode(&mut self.buffer[start..start + KeyEntry::LEN]);
        self.keys += 1;
        self.in_page += 1;
        if self.in_page == PAGE_KEYS {
            self.end_page(PAGE_KEYS);
        }
    }

    fn begin_page(&mut self) {
        self.buffer.resize(self.buffer.len() + BLOCK, 0);
        self.pages += 1;
    }

    fn end_page(&mut self, count: usize) {
        let start = self.buffer.len() - BLOCK;
        run::seal(&mut self.buffer[start..], count, self.pages - 1);
        self.in_page = 0;
    }

    async fn write_full_pieces(&mut self) -> Result<(), IndexError> {
        if self.in_page == 0 && self.buffer.len() >= PIECE_BYTES {
            self.write_all().await?;
        }
        Ok(())
    }

    async fn write_all(&mut self) -> Result<(), IndexError> {
        if !self.buffer.is_empty() {
            let piece = SharedSlice::copied(&self.buffer);
            self.file.write_at(self.written * BLOCK as u64, piece, false).await.map_err(io("write"))?;
            self.written += (self.buffer.len() / BLOCK) as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    async fn finish<E>(
        mut self,
        env: &E,
        config: &IndexConfig,
        name: u64,
        footer: Footer,
    ) -> Result<Run<E>, IndexError>
    where
        E: Env,
        E::Disk: Disk<File = F>,
    {
        if self.in_page > 0 {
            self.end_page(self.in_page);
        }
        let fence = std::mem::take(&mut self.fence);
        let mut footer = Footer { keys: self.keys, pages: self.pages, ..footer };
        assert_eq!(fence.len() as u64, footer.pages);
        let mut root = Vec::new();
        for hashes in fence.chunks(FENCE_HASHES) {
            root.push(hashes[0]);
            self.begin_page();
            let start = self.buffer.len() - BLOCK + PAGE_START;
            for (slot, hash) in self.buffer[start..].chunks_exact_mut(8).zip(hashes) {
                slot.copy_from_slice(&hash.to_be_bytes());
            }
            self.end_page(hashes.len());
            self.write_full_pieces().await?;
        }
        footer.fence_pages = root.len() as u64;
        self.begin_page();
        let start = self.buffer.len() - BLOCK;
        footer.encode(&mut self.buffer[start..]);
        self.write_all().await?;
        self.file.flush().await.map_err(io("flush"))?;
        let (from, to) =
            (run::temporary_path(&config.directory, name), run::path_of(&config.directory, name));
        env.disk().rename(&from, &to).await.map_err(io("rename"))?;
        env.disk().sync_dir(&config.directory).await.map_err(io("sync"))?;
        Ok(Run::written(footer, to, self.file, root))
    }
}

/// What is written at once.
const PIECE_BYTES: usize = 256 << 10;
/// What a heap does in a slice of 50 us.
const KEYS_PER_SLICE: u32 = 256;
