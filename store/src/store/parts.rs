//! The parts of a store that have directories of their own, opened with the store's settings.

use std::rc::Rc;
use std::time::Duration;

use rt::Env;

use crate::cold::ReadGate;
use crate::consume_queue::{ConsumeQueues, QueueConfig, QueueRecovery};
use crate::index::{IndexConfig, KeyIndex};
use crate::tables::{Tables, TablesConfig};
use crate::{IoMode, PhysicalOffset, StoreConfig, StoreError};

const INDEX_DIR: &str = "index";
const QUEUES_DIR: &str = "queues";
const TABLES_DIR: &str = "tables";

/// Greatest age of metadata that is not flushed. Whoever hands over consumer offsets adds a delay of its own, and both
/// together must stay below a second (reliability.md 1).
const TABLES_FLUSH_INTERVAL: Duration = Duration::from_millis(200);

pub(super) async fn open_tables<E: Env>(env: &E, config: &StoreConfig) -> Result<Tables<E>, StoreError> {
    let dir = config.dir.join(TABLES_DIR);
    let settings = TablesConfig {
        direct: config.io_mode == IoMode::Direct,
        flush_interval: TABLES_FLUSH_INTERVAL,
        ..TablesConfig::new(dir)
    };
    Tables::open(env.clone(), settings).await.map_err(StoreError::Tables)
}

pub(super) async fn open_index<E: Env>(
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

pub(super) async fn open_queues<E: Env>(
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
