//! What a store directory says about itself: the superblock, written once at format, and the checkpoint, two slots
//! written in turn. FORMAT.md, "Superblock" and "Checkpoint".
//!
//! A checkpoint is written only after everything it vouches for is flushed.

use std::io;
use std::path::{Path, PathBuf};

use rt::slice::aligned;
use rt::{BLOCK, Disk, DiskFile, Env, OpenMode};

use crate::commitlog::segments::COMMITLOG_DIR;
use crate::{StoreConfig, StoreError, Unusable};

/// Written once; never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) store_id: [u8; 16],
    pub(crate) shards: u16,
    pub(crate) shard: u16,
    pub(crate) segment_bytes: u64,
}

impl Superblock {
    fn encode(&self) -> [u8; SUPERBLOCK_BYTES] {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        bytes[0..8].copy_from_slice(SUPERBLOCK_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes[16..32].copy_from_slice(&self.store_id);
        bytes[32..34].copy_from_slice(&self.shards.to_be_bytes());
        bytes[34..36].copy_from_slice(&self.shard.to_be_bytes());
        bytes[40..48].copy_from_slice(&self.segment_bytes.to_be_bytes());
        seal(&mut bytes);
        bytes
    }

    /// # Errors
    /// [`Unusable::Newer`] only if the copy is ours and newer; anything else that is wrong is a damaged copy.
    fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        if bytes.len() < SUPERBLOCK_BYTES || !bytes.starts_with(SUPERBLOCK_MAGIC) {
            return Err(Unusable::Superblock);
        }
        let version = u32::from_be_bytes(field(bytes, 8));
        if version > FORMAT_VERSION {
            return Err(Unusable::Newer { version, known: FORMAT_VERSION });
        }
        if version == 0 || !is_sealed(&bytes[..SUPERBLOCK_BYTES]) {
            return Err(Unusable::Superblock);
        }
        Ok(Self {
            store_id: field(bytes, 16),
            shards: u16::from_be_bytes(field(bytes, 32)),
            shard: u16::from_be_bytes(field(bytes, 34)),
            segment_bytes: u64::from_be_bytes(field(bytes, 40)),
        })
    }

    /// The superblock of a formatted directory; `None` if the directory is empty or holds only what an interrupted
    /// format left. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if the directory belongs to somebody else or does not fit `config`.
    pub(crate) async fn find<E: Env>(env: &E, config: &StoreConfig) -> Result<Option<Self>, StoreError> {
        let unusable = |reason| StoreError::Unusable { dir: config.dir.clone(), reason };
        let names = file_names(env, &config.dir).await?;
        if !names.iter().any(|name| name == SUPERBLOCK) {
            let ours = [SUPERBLOCK_NEW, CHECKPOINT, LOCK];
            let foreign = names.into_iter().find(|name| !ours.contains(&name.as_str()));
            let log = config.dir.join(COMMITLOG_DIR);
            let in_log = file_names(env, &log).await?.into_iter().next();
            let found = foreign.or(in_log.map(|name| format!("{COMMITLOG_DIR}/{name}")));
            return found.map_or(Ok(None), |found| Err(unusable(Unusable::Foreign { found })));
        }
        let path = config.dir.join(SUPERBLOCK);
        let io = |op, source| StoreError::Io { op, path: path.clone(), source };
        let file = env.disk().open(&path, OpenMode::Read { direct: false }).await;
        let bytes =
            file.map_err(|e| io("open", e))?.read_at(0, 2 * BLOCK).await.map_err(|e| io("read", e))?;
        let copies = bytes.chunks(BLOCK).map(Self::decode);
        let mut verdict = Err(Unusable::Superblock);
        for copy in copies {
            match copy {
                Ok(found) => {
                    verdict = Ok(found);
                    break;
                }
                Err(Unusable::Superblock) => {}
                Err(other) => verdict = Err(other),
            }
        }
        let found = verdict.map_err(unusable)?;
        found.check(config).map_err(unusable)?;
        Ok(Some(found))
    }

    fn check(&self, config: &StoreConfig) -> Result<(), Unusable> {
        if self.shards != config.shards {
            Err(Unusable::Shards { formatted: self.shards, configured: config.shards })
        } else if self.shard != config.shard {
            Err(Unusable::Shard { formatted: self.shard, configured: config.shard })
        } else if self.segment_bytes != config.segment_bytes {
            let (formatted, configured) = (self.segment_bytes, config.segment_bytes);
            Err(Unusable::SegmentBytes { formatted, configured })
        } else {
            Ok(())
        }
    }

    /// Formats an empty directory. The superblock comes last: before it there is no store.
    pub(crate) async fn format<E: Env>(env: &E, config: &StoreConfig) -> Result<Self, StoreError> {
        let disk = env.disk();
        let log = config.dir.join(COMMITLOG_DIR);
        let io = |op, path: &Path, source| StoreError::Io { op, path: path.to_owned(), source };
        disk.create_dir(&log).await.map_err(|e| io("create", &log, e))?;
        for name in [SUPERBLOCK_NEW, CHECKPOINT] {
            let path = config.dir.join(name);
            match disk.remove(&path).await {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io("remove", &path, e)),
                _ => {}
            }
        }
        // The directory may be as new as what it will hold: its name, and those above it, must last too. Above the
        // parent they are usually old and perhaps not ours to open.
        for (level, above) in config.dir.ancestors().skip(1).enumerate() {
            match disk.sync_dir(above).await {
                Err(e) if level == 0 && !above.as_os_str().is_empty() => return Err(io("flush", above, e)),
                Ok(()) | Err(_) => {}
            }
        }
        let mut store_id = [0; 16];
        store_id[..8].copy_from_slice(&env.random().to_be_bytes());
        store_id[8..].copy_from_slice(&env.random().to_be_bytes());
        let made = Self {
            store_id,
            shards: config.shards,
            shard: config.shard,
            segment_bytes: config.segment_bytes,
        };
        let copy = made.encode();
        let blocks = aligned(2 * BLOCK, |memory| {
            memory[..copy.len()].copy_from_slice(&copy);
            memory[BLOCK..BLOCK + copy.len()].copy_from_slice(&copy);
        });
        let slots = aligned(2 * BLOCK, |_| {});
        for (name, bytes) in [(CHECKPOINT, slots), (SUPERBLOCK_NEW, blocks)] {
            let path = config.dir.join(name);
            let file = disk.open(&path, OpenMode::CreateNew { direct: false }).await;
            let file = file.map_err(|e| io("create", &path, e))?;
            file.write_at(0, bytes, false).await.map_err(|e| io("write", &path, e))?;
            file.flush().await.map_err(|e| io("flush", &path, e))?;
        }
        // The names of the log directory and the checkpoint are durable before the name that makes them a store.
        disk.sync_dir(&config.dir).await.map_err(|e| io("flush", &config.dir, e))?;
        let path = config.dir.join(SUPERBLOCK);
        let renamed = disk.rename(&config.dir.join(SUPERBLOCK_NEW), &path).await;
        renamed.map_err(|e| io("rename", &path, e))?;
        disk.sync_dir(&config.dir).await.map_err(|e| io("flush", &config.dir, e))?;
        Ok(made)
    }
}

/// How much of the log needs no proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// A record starts (or will start) here and everything below is flushed.
    pub(crate) boundary: u64,
    /// The store was closed: `boundary` is its end, the queues are complete.
    pub(crate) clean: bool,
    /// Newest store time below `boundary`, Unix milliseconds.
    pub(crate) stored_at_ms: i64,
}

/// The checkpoint file and what was last written to it.
pub(crate) struct CheckpointFile<E: Env> {
    file: <E::Disk as Disk>::File,
    path: PathBuf,
    store_id: [u8; 16],
    sequence: u64,
    last: Checkpoint,
}

impl<E: Env> CheckpointFile<E> {
    /// Opens it and reads the newest whole slot. Without one everything has to be proved.
    pub(crate) async fn open(env: &E, dir: &Path, superblock: &Superblock) -> Result<Self, StoreError> {
        let path = dir.join(CHECKPOINT);
        let io = |op, source| StoreError::Io { op, path: path.clone(), source };
        let file = env.disk().open(&path, OpenMode::Write { direct: false }).await;
        let file = file.map_err(|e| io("open", e))?;
        let bytes = file.read_at(0, 2 * BLOCK).await.map_err(|e| io("read", e))?;
        let newest = bytes
            .chunks(BLOCK)
            .filter_map(|slot| decode_slot(slot, &superblock.store_id))
            .max_by_key(|(sequence, _)| *sequence);
        let (sequence, last) = newest.unwrap_or_default();
        Ok(Self { file, path, store_id: superblock.store_id, sequence, last })
    }

    pub(crate) fn last(&self) -> Checkpoint {
        self.last
    }

    /// Writes and flushes the other slot.
    pub(crate) async fn write(&mut self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let io = |op, source| StoreError::Io { op, path: self.path.clone(), source };
        let sequence = self.sequence + 1;
        let slot = encode_slot(sequence, &checkpoint, &self.store_id);
        let block = aligned(BLOCK, |memory| memory[..slot.len()].copy_from_slice(&slot));
        let at = (sequence % 2) * BLOCK as u64;
        self.file.write_at(at, block, false).await.map_err(|e| io("write", e))?;
        self.file.flush().await.map_err(|e| io("flush", e))?;
        self.sequence = sequence;
        self.last = checkpoint;
        Ok(())
    }
}

fn encode_slot(sequence: u64, checkpoint: &Checkpoint, store_id: &[u8; 16]) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[0..8].copy_from_slice(CHECKPOINT_MAGIC);
    bytes[8..24].copy_from_slice(store_id);
    bytes[24..32].copy_from_slice(&sequence.to_be_bytes());
    bytes[32..40].copy_from_slice(&checkpoint.boundary.to_be_bytes());
    bytes[40..48].copy_from_slice(&checkpoint.stored_at_ms.to_be_bytes());
    bytes[48] = u8::from(checkpoint.clean);
    seal(&mut bytes);
    bytes
}

fn decode_slot(bytes: &[u8], store_id: &[u8; 16]) -> Option<(u64, Checkpoint)> {
    let bytes = bytes.get(..SLOT_BYTES)?;
    if !bytes.starts_with(CHECKPOINT_MAGIC) || !is_sealed(bytes) || bytes[8..24] != store_id[..] {
        return None;
    }
    let checkpoint = Checkpoint {
        boundary: u64::from_be_bytes(field(bytes, 32)),
        stored_at_ms: i64::from_be_bytes(field(bytes, 40)),
        clean: bytes[48] == 1,
    };
    Some((u64::from_be_bytes(field(bytes, 24)), checkpoint))
}

/// The last four bytes are the CRC of those before.
fn seal(bytes: &mut [u8]) {
    let (content, crc) = bytes.split_at_mut(bytes.len() - 4);
    crc.copy_from_slice(&rt::crc32::hash(content).to_be_bytes());
}

fn is_sealed(bytes: &[u8]) -> bool {
    let (content, crc) = bytes.split_at(bytes.len() - 4);
    crc == rt::crc32::hash(content).to_be_bytes()
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("inside a checked length")
}

/// Names in a directory; none if it does not exist.
async fn file_names<E: Env>(env: &E, dir: &Path) -> Result<Vec<String>, StoreError> {
    match env.disk().list(dir).await {
        Ok(entries) => Ok(entries.into_iter().map(|entry| entry.name).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(StoreError::Io { op: "list", path: dir.to_owned(), source }),
    }
}

pub(crate) const LOCK: &str = "store.lock";
const SUPERBLOCK: &str = "store.superblock";
const SUPERBLOCK_NEW: &str = "store.superblock.new";
const CHECKPOINT: &str = "store.checkpoint";
const SUPERBLOCK_MAGIC: &[u8; 8] = b"RINGMQSB";
const CHECKPOINT_MAGIC: &[u8; 8] = b"RINGMQCP";
const FORMAT_VERSION: u32 = 1;
const SUPERBLOCK_BYTES: usize = 64;
const SLOT_BYTES: usize = 64;
const _: () = assert!(SUPERBLOCK_BYTES <= BLOCK && SLOT_BYTES <= BLOCK);
