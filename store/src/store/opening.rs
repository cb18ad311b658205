//! Opening: from a directory to a running store, or a refusal before anything was changed.

use std::path::Path;
use std::rc::Rc;

use rt::window::WindowIdentity;
use rt::{Class, Disk, Env};

use super::Store;
use super::checkpoints::{Checkpoints, keep_noting};
use super::hints::{self, Hints};
use super::parts::{open_index, open_queues, open_tables};
use super::retiring::retire_expired;
use super::spreading::entries_of;
use super::windows::{find_leftover, make_window};
use crate::cold::ReadGate;
use crate::commitlog::Log;
use crate::commitlog::committer::Committer;
use crate::commitlog::segments::{Segments, keep_ready};
use crate::consume_queue::{ConsumeQueues, LogPositions, Replayed};
use crate::index::KeyIndex;
use crate::record::{Record, property, sys_flag};
use crate::recovery::{Known, Recovered, recover};
use crate::superblock::{Checkpoint, CheckpointFile, LOCK, Superblock};
use crate::tables::Tables;
use crate::{Canary, PhysicalOffset, RecoveryReport, StoreConfig, StoreError, Unusable};

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
