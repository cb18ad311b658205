//! Sorted inputs into one run: young blocks (many and short, in memory), or runs (few and long).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::rc::Rc;

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};

use super::even::EvenSort;
use super::run::{self, FENCE_HASHES, Footer, PAGE_KEYS, PAGE_START, Run, io};
use super::young::{BLOCK_KEYS, Block};
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

/// Writes the keys of sorted `blocks` as a run. `breathe` is called once per slice.
///
/// A heap over a thousand blocks would cost ten comparisons in cold memory per key. Hashes spread evenly, so the keys
/// with the same leading bits are a few of each block, next to each other: they are gathered and sorted, bits by bits.
pub(super) async fn write_blocks<E: Env>(
    env: &E,
    config: &IndexConfig,
    plan: Plan,
    blocks: &[Block],
    mut breathe: impl FnMut(),
) -> Result<Run<E>, IndexError> {
    let mut writer = Writer::create(env, config, &plan).await?;
    let keys: usize = blocks.iter().map(|block| block.len()).sum();
    let bits = (keys / BUCKET_KEYS).next_power_of_two().ilog2();
    let mut next = vec![0; blocks.len()];
    let mut bucket = Vec::with_capacity(BUCKET_KEYS_MAX + BLOCK_KEYS);
    let mut taken = vec![0; blocks.len()];
    let mut even = EvenSort::with_capacity(BUCKET_KEYS_MAX + BLOCK_KEYS);
    for number in 0..1_u64 << bits {
        // All further bits are set.
        let last = (number << (u64::BITS - 1 - bits) << 1) | (u64::MAX >> bits);
        let before = |key: &KeyEntry| key.hash <= last;
        let whole = gather(blocks, (&mut next, &mut taken), &mut bucket, before);
        env.yield_now().await;
        even.sort(&mut bucket, bits);
        bucket.iter().for_each(|key| writer.push(*key));
        if !whole {
            // Many records with one key are one bucket, however large; rare enough for a heap.
            let mut heap: BinaryHeap<_> = heads(blocks, &next, before).collect();
            env.yield_now().await;
            while take_some(blocks, &mut next, &mut heap, before, |key| writer.push(key)) {
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

/// Collects into `bucket` the keys of `blocks`, from `next` on, for which `before` holds, and moves `next` behind them.
/// False if they are too many: then nothing was taken. `taken` is memory to use.
fn gather(
    blocks: &[Block],
    (next, taken): (&mut [usize], &mut [usize]),
    bucket: &mut Vec<KeyEntry>,
    before: impl Fn(&KeyEntry) -> bool + Copy,
) -> bool {
    bucket.clear();
    for ((block, next), taken) in blocks.iter().zip(next.iter()).zip(taken.iter_mut()) {
        let held = bucket.len();
        for key in block[*next..].iter().take_while(|key| before(key)) {
            bucket.push(*key);
        }
        *taken = bucket.len() - held;
        if bucket.len() > BUCKET_KEYS_MAX {
            bucket.clear();
            return false;
        }
    }
    for (next, taken) in next.iter_mut().zip(taken) {
        *next += *taken;
    }
    true
}

/// The first key of each block that is `before`, the least on top.
fn heads(
    blocks: &[Block],
    next: &[usize],
    before: impl Fn(&KeyEntry) -> bool + Copy,
) -> impl Iterator<Item = Reverse<(KeyEntry, usize)>> {
    let firsts = blocks.iter().zip(next).enumerate();
    firsts.filter_map(move |(index, (block, next))| {
        block.get(*next).filter(|key| before(key)).map(|key| Reverse((*key, index)))
    })
}

/// Hands the keys of one slice to `push`, in order; false when there are no more.
fn take_some(
    blocks: &[Block],
    next: &mut [usize],
    heap: &mut BinaryHeap<Reverse<(KeyEntry, usize)>>,
    before: impl Fn(&KeyEntry) -> bool + Copy,
    mut push: impl FnMut(KeyEntry),
) -> bool {
    for _ in 0..KEYS_PER_SLICE {
        let Some(Reverse((key, index))) = heap.pop() else { return false };
        push(key);
        next[index] += 1;
        let following = blocks[index].get(next[index]).filter(|key| before(key));
        heap.extend(following.map(|key| Reverse((*key, index))));
    }
    true
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
    while let Some(Reverse((key, index))) = heap.pop() {
        writer.push(key);
        if inputs[index].is_dry() {
            inputs[index].refill(config).await?;
        }
        heap.extend(inputs[index].pop().map(|key| Reverse((key, index))));
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
/// Keys gathered at a time: what is gathered, sorted and written in slices of 50 us.
const BUCKET_KEYS: usize = 1024;
/// Evenly spread hashes never fill a bucket that much.
const BUCKET_KEYS_MAX: usize = 4 * BUCKET_KEYS;
/// What a heap does in a slice of 50 us.
const KEYS_PER_SLICE: u32 = 256;
