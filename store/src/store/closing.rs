//! Closing: everything flushed, the clean mark last.

use std::time::Duration;

use rt::Env;

use super::Store;
use super::windows::remove_window;
use crate::consume_queue::LogPositions;
use crate::superblock::Checkpoint;
use crate::{PhysicalOffset, StoreError, WindowBacking};

const DRAIN_POLL: Duration = Duration::from_micros(100);

impl<E: Env> Store<E> {
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
