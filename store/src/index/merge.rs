//! Many keys into one run: of buckets in memory, or of runs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, binary_heap::PeekMut};
use std::ops::Range;
use std::rc::Rc;

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};

use super::buckets::{self, Buckets};
use super::even::EvenSort;
use super::run::{self, FENCE_HASHES, Footer, PAGE_KEYS, PAGE_START, Run, io};
use super::{IndexConfig, IndexError, KeyEntry};

/// What the new run is.
pub(super) struct Plan {
    /// Its number.
    pub(super) name: u64,
    /// The range of the log whose keys it holds.
    pub(super) covers: Range<u64>,
    /// How often its keys have been merged.
    pub(super) level: u64,
    /// Keys of records before are left out.
    pub(super) log_min: u64,
}

/// Writes the keys of `generations` as a run, bucket by bucket. `breathe` is called once per slice.
pub(super) async fn write_young<E: Env>(
    env: &E,
    config: &IndexConfig,
    plan: Plan,
    generations: &[Rc<Buckets>],
    mut breathe: impl FnMut(),
) -> Result<Run<E>, IndexError> {
    let mut writer = Writer::create(env, config, &plan).await?;
    let mut keys = Vec::new();
    let mut even = EvenSort::default();
    for bucket in 0..buckets::COUNT {
        let count: usize = generations.iter().map(|generation| generation.keys_of(bucket)).sum();
        if count == 0 {
            continue;
        }
        let pieces = generations.iter().flat_map(|generation| generation.pieces(bucket));
        if count <= BUCKET_KEYS_MAX {
            keys.clear();
            pieces.for_each(|piece| keys.extend_from_slice(piece));
            even.sort(&mut keys, buckets::BITS);
            env.yield_now().await;
            keys.iter().for_each(|key| writer.push(*key));
        } else {
            // Many records with one key are in one bucket, however many; rare enough for a heap.
            let sorted = sort_in_slices(env, pieces, &mut breathe).await;
            let mut next = vec![0; sorted.len()];
            let mut heap: BinaryHeap<_> =
                sorted.iter().enumerate().map(|(index, keys)| Reverse((keys[0], index))).collect();
            while take_some(&sorted, &mut next, &mut heap, |key| writer.push(key)) {
                writer.write_full_pieces().await?;
                breathe();
                env.yield_now().await;
            }
        }
        writer.write_full_pieces().await?;
        breathe();
        env.yield_now().await;
    }
    writer.finish(env, config, plan).await
}

/// Copies of `pieces`, joined to what sorts in a slice, and sorted. None is empty.
async fn sort_in_slices<'k, E: Env>(
    env: &E,
    pieces: impl Iterator<Item = &'k [KeyEntry]>,
    breathe: &mut impl FnMut(),
) -> Vec<Vec<KeyEntry>> {
    let mut sorted: Vec<Vec<KeyEntry>> = Vec::new();
    for piece in pieces {
        match sorted.last_mut().filter(|last| last.len() < SORTED_KEYS) {
            Some(last) => last.extend_from_slice(piece),
            None => {
                if let Some(last) = sorted.last_mut() {
                    last.sort_unstable();
                    breathe();
                    env.yield_now().await;
                }
                sorted.push(piece.to_vec());
            }
        }
    }
    if let Some(last) = sorted.last_mut() {
        last.sort_unstable();
    }
    sorted
}

/// Hands the keys of one slice to `push`, in order; false when there are no more.
fn take_some(
    sorted: &[Vec<KeyEntry>],
    next: &mut [usize],
    heap: &mut Heads,
    mut push: impl FnMut(KeyEntry),
) -> bool {
    for _ in 0..KEYS_PER_SLICE {
        let Some(&Reverse((key, index))) = heap.peek() else { return false };
        push(key);
        next[index] += 1;
        replace_first(heap, sorted[index].get(next[index]).copied());
    }
    true
}

/// The next key of each input that has one, the first of all on top.
type Heads = BinaryHeap<Reverse<(KeyEntry, usize)>>;

/// The input of the first key goes on with `key`. One way down the heap instead of one down and two up.
fn replace_first(heads: &mut Heads, key: Option<KeyEntry>) {
    let Some(mut first) = heads.peek_mut() else { return };
    match key {
        Some(key) => first.0.0 = key,
        None => drop(PeekMut::pop(first)),
    }
}

/// One run being read in order.
struct Input<E: Env> {
    run: Rc<Run<E>>,
    page: u64,
    keys: Vec<KeyEntry>,
    next: usize,
}

impl<E: Env> Input<E> {
    fn is_dry(&self) -> bool {
        self.next == self.keys.len() && self.page < self.run.footer.pages
    }

    async fn refill(&mut self, config: &IndexConfig) -> Result<(), IndexError> {
        while self.is_dry() {
            (self.keys, self.page) = self.run.keys(config, self.page).await?;
            self.next = 0;
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<KeyEntry> {
        let key = self.keys.get(self.next).copied();
        self.next += usize::from(key.is_some());
        key
    }
}

/// Writes the keys of `runs` as one run.
pub(super) async fn write_runs<E: Env>(
    env: &E,
    config: &IndexConfig,
    plan: Plan,
    runs: &[Rc<Run<E>>],
) -> Result<Run<E>, IndexError> {
    let mut writer = Writer::create(env, config, &plan).await?;
    let input = |run: &Rc<Run<E>>| Input { run: run.clone(), page: 0, keys: Vec::new(), next: 0 };
    let mut inputs: Vec<_> = runs.iter().map(input).collect();
    let mut heap = BinaryHeap::new();
    for (index, input) in inputs.iter_mut().enumerate() {
        input.refill(config).await?;
        heap.extend(input.pop().map(|key| Reverse((key, index))));
    }
    let mut in_slice = 0;
    while let Some(&Reverse((key, index))) = heap.peek() {
        writer.push(key);
        if inputs[index].is_dry() {
            inputs[index].refill(config).await?;
        }
        replace_first(&mut heap, inputs[index].pop());
        in_slice += 1;
        if in_slice == KEYS_PER_SLICE {
            in_slice = 0;
            writer.write_full_pieces().await?;
            env.yield_now().await;
        }
    }
    writer.finish(env, config, plan).await
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
    log_min: u64,
    first_ms: i64,
    last_ms: i64,
}

impl<F: DiskFile> Writer<F> {
    async fn create<E>(env: &E, config: &IndexConfig, plan: &Plan) -> Result<Self, IndexError>
    where
        E: Env,
        E::Disk: Disk<File = F>,
    {
        let path = run::temporary_path(&config.directory, plan.name);
        let mode = OpenMode::CreateNew { direct: config.direct };
        let file = env.disk().open(&path, mode).await.map_err(io("create"))?;
        Ok(Self {
            file,
            buffer: Vec::with_capacity(2 * PIECE_BYTES),
            written: 0,
            pages: 0,
            in_page: 0,
            keys: 0,
            fence: Vec::new(),
            log_min: plan.log_min,
            first_ms: i64::MAX,
            last_ms: i64::MIN,
        })
    }

    /// Adds the next key, unless its record is gone.
    fn push(&mut self, key: KeyEntry) {
        if key.at < self.log_min {
            return;
        }
        self.first_ms = self.first_ms.min(key.stored_at_ms);
        self.last_ms = self.last_ms.max(key.stored_at_ms);
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

    /// Writes the whole pages, if they are enough.
    async fn write_full_pieces(&mut self) -> Result<(), IndexError> {
        let open = if self.in_page > 0 { BLOCK } else { 0 };
        let whole = self.buffer.len() - open;
        if whole >= PIECE_BYTES { self.write(whole).await } else { Ok(()) }
    }

    async fn write(&mut self, bytes: usize) -> Result<(), IndexError> {
        if bytes > 0 {
            let piece = SharedSlice::copied(&self.buffer[..bytes]);
            self.file.write_at(self.written * BLOCK as u64, piece, false).await.map_err(io("write"))?;
            self.written += (bytes / BLOCK) as u64;
            self.buffer.drain(..bytes);
        }
        Ok(())
    }

    async fn finish<E>(mut self, env: &E, config: &IndexConfig, plan: Plan) -> Result<Run<E>, IndexError>
    where
        E: Env,
        E::Disk: Disk<File = F>,
    {
        if self.in_page > 0 {
            self.end_page(self.in_page);
        }
        let fence = std::mem::take(&mut self.fence);
        let mut footer = Footer {
            keys: self.keys,
            pages: self.pages,
            fence_pages: 0,
            covers_from: plan.covers.start,
            covers_to: plan.covers.end,
            first_ms: self.first_ms,
            last_ms: self.last_ms,
            level: plan.level,
        };
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
        self.write(self.buffer.len()).await?;
        self.file.flush().await.map_err(io("flush"))?;
        let from = run::temporary_path(&config.directory, plan.name);
        let to = run::path_of(&config.directory, plan.name);
        env.disk().rename(&from, &to).await.map_err(io("rename"))?;
        env.disk().sync_dir(&config.directory).await.map_err(io("sync"))?;
        Ok(Run::written(footer, to, self.file, root))
    }
}

/// What is written at once.
const PIECE_BYTES: usize = 256 << 10;
/// Evenly spread hashes never fill a bucket that much.
const BUCKET_KEYS_MAX: usize = 16 << 10;
/// Keys that sort in a slice of 50 us although many are alike.
const SORTED_KEYS: usize = 1024;
/// What a heap does in a slice of 50 us.
const KEYS_PER_SLICE: u32 = 256;
