//! Opening: from a directory to a running store, or a refusal before anything was changed.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rt::window::{Backing, Leftover, Window, WindowIdentity};
use rt::{BLOCK, Class, Disk, Env};

use super::Store;
use super::checkpoints::{Checkpoints, keep_noting};
use super::hints::{self, Hints};
use super::retiring::retire_expired;
use super::spreading::entries_of;
use crate::cold::ReadGate;
use crate::commitlog::Log;
use crate::commitlog::committer::Committer;
use crate::commitlog::segments::{Segments, keep_ready};
use crate::consume_queue::{ConsumeQueues, LogPositions, QueueConfig, QueueRecovery, Replayed};
use crate::index::{IndexConfig, KeyIndex};
use crate::record::{Record, property, sys_flag};
use crate::recovery::{Known, Recovered, recover};
use crate::superblock::{Checkpoint, CheckpointFile, LOCK, Superblock};
use crate::tables::{Tables, TablesConfig};
use crate::{
    Canary, IoMode, PhysicalOffset, RecoveryReport, Refusal, StoreConfig, StoreError, Unusable, WindowBacking,
};

impl<E: Env> Store<E> {
    /// Opens the store in `config.dir`, formats it if the directory is empty, and recovers it if the last stop was not
    /// clean. On return everything that is readable is flushed.
    ///
    /// Damage below what was flushed or kept does not fail: the store opens for reading only, see
    /// [`RecoveryReport::damage`] and [`Store::refusal`].
    ///
    /// # Errors
    /// [`StoreError::Unusable`] before a byte is written; [`StoreError::Io`] where the disk said no.
    pub async fn open(env: E, config: StoreConfig) -> Result<(Self, RecoveryReport), StoreError> {
        if let Some(contradiction) = config.contradiction() {
            return Err(StoreError::Config(contradiction));
        }
        let disk = env.disk();
        let made = disk.create_dir(&config.dir).await;
        made.map_err(|source| StoreError::Io { op: "create", path: config.dir.clone(), source })?;
        let lock = take_lock::<E>(disk, &config.dir)?;

        let mut report = RecoveryReport::default();
        let superblock = match Superblock::find(&env, &config).await? {
            Some(found) => found,
            None => {
                report.formatted = true;
                Superblock::format(&env, &config).await?
            }
        };
        let segments = Rc::new(Segments::load(&env, &config).await?);
        let mut checkpoint_file = CheckpointFile::open(&env, &config.dir, &superblock).await?;
        let checkpoint = checkpoint_file.last();
        let identity = WindowIdentity { store_id: superblock.store_id, shard: superblock.shard };
        let leftover = find_leftover(&config, identity, checkpoint, &mut report)?;

        let mut tables = open_tables(&env, &config).await?;
        let reads = ReadGate::new(config.cold_reads);
        let (mut queues, queue_recovery) = open_queues(&env, &config, &reads).await?;
        let (mut index, index_from) = open_index(&env, &config, &reads).await?;
        let graves: Vec<_> = super::graves(&tables).collect();
        for (topic, log_end) in &graves {
            queues.bury(topic, *log_end);
        }
        let mut dispatch = |record: &Record<'_>| dispatch_recovered(&mut queues, &mut index, record);
        let recovered = recover(
            &env,
            &config,
            &segments,
            Known {
                checkpoint,
                queues_from: queue_recovery.replay_from.min(index_from).get(),
                leftover: leftover.as_ref(),
            },
            &mut report,
            &mut dispatch,
        )
        .await?;
        report.end = PhysicalOffset::new(recovered.end);
        report.damage = recovered.damage.map(|(at, damage)| (PhysicalOffset::new(at), damage));
        let hints = number_queues(&mut queues, &mut tables, &config, &recovered, &mut report).await?;

        if recovered.damage.is_none() {
            queues.relieve(report.end).await.map_err(StoreError::Queues)?;
            let min = PhysicalOffset::new(segments.first());
            let positions = LogPositions { end: report.end, flushed: report.end, min };
            index.settle(positions).await.map_err(StoreError::Index)?;
            let boundary = recovered.end;
            let note = Checkpoint { boundary, clean: false, stored_at_ms: recovered.stored_at_ms };
            checkpoint_file.write(note).await?;
            segments.make_room(recovered.end).await?;
        }
        let window = make_window(&config, identity, &segments, &recovered).await?;
        let log = Rc::new(Log::new(env.clone(), config, window, segments, reads, recovered.stored_at_ms));
        if let Some((at, damage)) = recovered.damage {
            log.fail(
                log.end(),
                format!("the log is damaged at offset {at} ({damage:?}), below what was flushed"),
            );
        } else {
            env.spawn(Class::Housekeeping, keep_ready(log.clone()));
            env.spawn(Class::Housekeeping, retire_expired(log.clone(), queues.share()));
        }
        hints.employ(&log, &tables);
        let checkpoints = Checkpoints::new(checkpoint_file);
        env.spawn(Class::Housekeeping, keep_noting(log.clone(), checkpoints.clone()));
        let committer = Committer::start(log.clone());
        let refusal = log.failure().cloned();
        let store = Self {
            log,
            committer,
            queues,
            index,
            tables,
            hints,
            checkpoints,
            refusal,
            window_full: false,
            allocating: Rc::default(),
            messages: 0,
            bytes: 0,
            _lock: lock,
        };
        Ok((store, report))
    }

    /// Flushes everything, notes the end as clean and gives up the window. The clean mark is the last write.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the log had failed, [`StoreError::Io`]; the next start then recovers.
    pub async fn close(mut self) -> Result<(), StoreError> {
        let env = self.log.env.clone();
        self.log.drain(true);
        while self.log.flushed() < self.log.end() && self.log.failure().is_none() {
            self.committer.turn(env.now());
            env.sleep(DRAIN_POLL).await;
        }
        self.log.segments.close();
        // Zeros that land after the lock is given up would land in somebody else's log.
        while self.log.segments.is_busy() {
            env.sleep(DRAIN_POLL).await;
        }
        if let Some(refusal) = self.log.failure().cloned() {
            self.checkpoints.close(&env, None).await?;
            return Err(StoreError::Refused(refusal));
        }
        let end = PhysicalOffset::new(self.log.end());
        let min = PhysicalOffset::new(self.log.segments.first());
        let positions = LogPositions { end, flushed: end, min };
        self.queues.close(positions).await.map_err(StoreError::Queues)?;
        self.index.close(positions).await.map_err(StoreError::Index)?;
        self.tables.close().await.map_err(StoreError::Tables)?;
        let note =
            Checkpoint { boundary: self.log.end(), clean: true, stored_at_ms: self.log.stored_at_ms.get() };
        self.checkpoints.close(&env, Some(note)).await?;
        if let WindowBacking::Named(path) = &self.log.config.window {
            remove_window(path)?;
        }
        Ok(())
    }
}

/// The exclusive lock of a store, held as long as this lives.
fn take_lock<E: Env>(disk: &E::Disk, dir: &Path) -> Result<rt::disk::DirLock, StoreError> {
    let path = dir.join(LOCK);
    match disk.lock(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(StoreError::Unusable { dir: dir.to_owned(), reason: Unusable::InUse }),
        Err(source) => Err(StoreError::Io { op: "lock", path, source }),
    }
}

/// Greatest age of metadata that is not flushed. Whoever hands over consumer offsets adds a delay of its own, and both
/// together must stay below a second (reliability.md 1).
const TABLES_FLUSH_INTERVAL: Duration = Duration::from_millis(200);

async fn open_tables<E: Env>(env: &E, config: &StoreConfig) -> Result<Tables<E>, StoreError> {
    let dir = config.dir.join(TABLES_DIR);
    let settings = TablesConfig {
        direct: config.io_mode == IoMode::Direct,
        flush_interval: TABLES_FLUSH_INTERVAL,
        ..TablesConfig::new(dir)
    };
    Tables::open(env.clone(), settings).await.map_err(StoreError::Tables)
}

async fn open_index<E: Env>(
    env: &E,
    config: &StoreConfig,
    reads: &Rc<ReadGate>,
) -> Result<(KeyIndex<E>, PhysicalOffset), StoreError> {
    let settings = IndexConfig {
        direct: config.io_mode == IoMode::Direct,
        ..IndexConfig::new(config.dir.join(INDEX_DIR), reads.clone())
    };
    KeyIndex::open(env.clone(), settings).await.map_err(StoreError::Index)
}

async fn open_queues<E: Env>(
    env: &E,
    config: &StoreConfig,
    reads: &Rc<ReadGate>,
) -> Result<(ConsumeQueues<E>, QueueRecovery), StoreError> {
    let dir = config.dir.join(QUEUES_DIR);
    let settings = QueueConfig {
        direct: config.io_mode == IoMode::Direct,
        segment_bytes: config.segment_bytes,
        reads: reads.clone(),
        ..QueueConfig::new(dir)
    };
    ConsumeQueues::open(env.clone(), settings).await.map_err(StoreError::Queues)
}

/// Gives a record met in recovery its place in its queue.
fn dispatch_recovered<E: Env>(queues: &mut ConsumeQueues<E>, index: &mut KeyIndex<E>, record: &Record<'_>) {
    if sys_flag::stays_out_of_queues(record.sys_flag()) {
        return;
    }
    let mut is_ours = true;
    entries_of(record, |topic, queue_id, offset, entry| {
        let replayed = queues.replay(topic, queue_id, offset, entry);
        // Its own queue comes first; a light queue may have been deleted by itself.
        is_ours &= topic != record.topic() || replayed != Replayed::Foreign;
    });
    if is_ours {
        let (unique_key, keys) =
            (property(record.properties(), "UNIQ_KEY"), property(record.properties(), "KEYS"));
        let (at, stored_at_ms) = (record.physical_offset(), record.stored_at_ms());
        index.add(record.topic().as_bytes(), unique_key, keys, at, stored_at_ms);
    }
}

/// Loads the durable bounds of numbering; if the log cannot be proved whole, numbering resumes there, for good.
async fn number_queues<E: Env>(
    queues: &mut ConsumeQueues<E>,
    tables: &mut Tables<E>,
    config: &StoreConfig,
    recovered: &Recovered,
    report: &mut RecoveryReport,
) -> Result<Hints, StoreError> {
    let hints = Hints::new();
    let end = PhysicalOffset::new(recovered.end);
    let reuse = config.canary == Some(Canary::ReuseOffsets);
    for (topic, queue_id, bound) in Hints::stored(tables, hints::TABLE) {
        let queue = queues.queue(&topic, queue_id, end);
        if !recovered.whole && recovered.damage.is_none() && !reuse && queues.next_offset(queue) < bound {
            let floor = tables.put(hints::FLOORS, &hints::key(&topic, queue_id), &bound.get().to_be_bytes());
            floor.map_err(StoreError::Tables)?;
            report.numbering_skipped = true;
        }
        hints.load(queue, bound);
    }
    if report.numbering_skipped {
        // Before anything says that the log is whole again.
        tables.durable().await.map_err(StoreError::Tables)?;
    }
    for (topic, queue_id, floor) in Hints::stored(tables, hints::FLOORS) {
        let queue = queues.queue(&topic, queue_id, end);
        queues.skip_to(queue, floor);
    }
    Ok(hints)
}

/// What a killed process left in the window, if it is this store's and holds something new. What is not is renamed.
fn find_leftover(
    config: &StoreConfig,
    identity: WindowIdentity,
    checkpoint: Checkpoint,
    report: &mut RecoveryReport,
) -> Result<Option<Leftover>, StoreError> {
    let WindowBacking::Named(path) = &config.window else { return Ok(None) };
    let window_error = |source| StoreError::Window { path: Some(path.clone()), source };
    let leftover = match Window::leftover(path) {
        Ok(None) => return Ok(None),
        Ok(Some(leftover)) => Some(leftover),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(error) => return Err(window_error(error)),
    };
    let ours = leftover.filter(|window| window.identity() == identity);
    match ours {
        _ if config.canary == Some(Canary::SkipReplay) => Ok(None),
        // After a clean stop, or left by an older run that lived in another window: nothing new in it.
        Some(window) if window.end() < checkpoint.boundary => Ok(None),
        Some(window) if checkpoint.clean && window.end() == checkpoint.boundary => Ok(None),
        Some(window) => Ok(Some(window)),
        None => {
            let aside = set_aside(path).map_err(window_error)?;
            report.set_aside = Some(aside);
            Ok(None)
        }
    }
}

/// Renames a window file that is not ours to a free name beside it.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".foreign-{number}"));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            std::fs::rename(path, &aside)?;
            return Ok(aside);
        }
        number += 1;
    }
}

fn remove_window(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::Window { path: Some(path.to_owned()), source })
        }
        _ => Ok(()),
    }
}

/// A new window behind the recovered log, with the tail block in it. A damaged store gets private memory: what the old
/// window holds may still be needed.
async fn make_window<E: Env>(
    config: &StoreConfig,
    identity: WindowIdentity,
    segments: &Segments<E>,
    recovered: &Recovered,
) -> Result<Rc<Window>, StoreError> {
    let end = recovered.end;
    let backing = match &config.window {
        WindowBacking::Named(_) if recovered.damage.is_some() => Backing::Private,
        configured => configured.clone(),
    };
    let path = match &config.window {
        WindowBacking::Named(path) => Some(path.clone()),
        WindowBacking::Private => None,
    };
    let window = Window::create(backing, config.window_bytes, identity, end);
    let window = window.map_err(|source| StoreError::Window { path, source })?;
    let tail = end - end % BLOCK as u64;
    if tail < end && end <= segments.ready_end() {
        let bytes = segments.read(tail, (end - tail) as usize).await?;
        window.seed(tail, &bytes);
    }
    if config.window_huge {
        window.move_to_huge_pages();
    }
    Ok(window)
}

impl<E: Env> Store<E> {
    /// Refreshes what [`Store::refusal`] says.
    pub(super) fn refresh_refusal(&mut self) {
        self.refusal = match (self.log.failure(), self.log.segments.disk_full()) {
            (Some(failed), _) => Some(failed.clone()),
            (None, Some(full)) => Some(full),
            (None, None) if self.window_full => Some(self.log.window_full()),
            (None, None) => None,
        };
    }

    /// The refusal a failed append met, remembered for [`Store::refusal`].
    pub(super) fn refused(&mut self, error: StoreError) -> StoreError {
        if let StoreError::Refused(refusal) = &error {
            self.window_full = matches!(refusal, Refusal::WindowFull { .. });
            self.refusal = Some(refusal.clone());
        }
        error
    }
}

const INDEX_DIR: &str = "index";
const QUEUES_DIR: &str = "queues";
const TABLES_DIR: &str = "tables";
const DRAIN_POLL: Duration = Duration::from_micros(100);
