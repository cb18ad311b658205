//! What a chain of lives is run with.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::{Canary, FlushMethod, FlushMode, StoreConfig, WindowBacking};

/// What an answer promises in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// D0 with a window that outlives the process.
    AsyncNamed,
    /// D0 without: the answer waits for the write.
    AsyncPrivate,
    /// D1 by write and fdatasync.
    SyncFdatasync,
    /// D1 by durable writes.
    SyncDsync,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) promise: Promise,
    pub(crate) canary: Option<Canary>,
    /// One flush fails with EIO somewhere.
    pub(crate) failing_flush: bool,
    /// The first segment is zeroed in small parts and so slowly that most lives end before it is done.
    pub(crate) slow_zeroing: bool,
}

impl Settings {
    pub(crate) fn new(promise: Promise) -> Self {
        Self { promise, canary: None, failing_flush: false, slow_zeroing: false }
    }

    pub(crate) fn is_sync(&self) -> bool {
        matches!(self.promise, Promise::SyncFdatasync | Promise::SyncDsync)
    }

    pub(crate) fn config(&self, window: &WindowFile) -> StoreConfig {
        let mut config = StoreConfig::new("/store".into());
        config.canary = self.canary;
        config.max_message_bytes = 4096;
        config.segment_bytes = 80 << 10;
        config.window_bytes = 160 << 10;
        config.flush_chunk_bytes = 16 << 10;
        config.flush_interval = Duration::from_millis(5);
        config.unflushed_bytes_max = 64 << 10;
        config.checkpoint_bytes = 24 << 10;
        config.zeroing_pause = Duration::ZERO;
        config.zeroing_part_bytes = 24 << 10;
        if self.slow_zeroing {
            config.zeroing_part_bytes = 8 << 10;
            config.zeroing_pause = Duration::from_millis(4);
        }
        config.segments_ahead = 2;
        config.window = match self.promise {
            Promise::AsyncPrivate => WindowBacking::Private,
            _ => WindowBacking::Named(window.path.clone()),
        };
        (config.flush_mode, config.flush_method) = match self.promise {
            Promise::AsyncNamed | Promise::AsyncPrivate => (FlushMode::Async, FlushMethod::Fdatasync),
            Promise::SyncFdatasync => (FlushMode::Sync, FlushMethod::Fdatasync),
            Promise::SyncDsync => (FlushMode::Sync, FlushMethod::Dsync),
        };
        config
    }
}

/// The window's file in shared memory; removed at the end of the chain.
pub(crate) struct WindowFile {
    pub(crate) path: PathBuf,
}

impl WindowFile {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let shared = PathBuf::from("/dev/shm");
        let dir = if shared.is_dir() { shared } else { std::env::temp_dir() };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { path: dir.join(format!("ringmq-crash-{}-{number}", std::process::id())) }
    }

    /// The system or the power went: shared memory is gone.
    pub(crate) fn lose(&self) {
        let _perhaps_none = std::fs::remove_file(&self.path);
    }
}

impl Drop for WindowFile {
    fn drop(&mut self) {
        self.lose();
    }
}
