//! The task that notes, from time to time, how much of the log needs no proof after a crash.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rt::Env;

use crate::StoreError;
use crate::commitlog::Log;
use crate::superblock::{Checkpoint, CheckpointFile};

/// The checkpoint file, taken out by whoever writes.
pub(super) struct Checkpoints<E: Env> {
    file: Cell<Option<CheckpointFile<E>>>,
    closing: Cell<bool>,
}

impl<E: Env> Checkpoints<E> {
    pub(super) fn new(file: CheckpointFile<E>) -> Rc<Self> {
        Rc::new(Self { file: Cell::new(Some(file)), closing: Cell::new(false) })
    }

    /// Ends the task and writes the last checkpoint.
    pub(super) async fn close(&self, env: &E, last: Option<Checkpoint>) -> Result<(), StoreError> {
        self.closing.set(true);
        let mut file = loop {
            match self.file.take() {
                Some(file) => break file,
                None => env.sleep(POLL).await,
            }
        };
        match last {
            Some(checkpoint) => file.write(checkpoint).await,
            None => Ok(()),
        }
    }
}

/// Writes a checkpoint whenever enough was appended or enough time has passed.
pub(super) async fn keep_noting<E: Env>(log: Rc<Log<E>>, checkpoints: Rc<Checkpoints<E>>) {
    let mut noted = log.end();
    let mut noted_at = log.env.now().mono;
    let stop = |log: &Log<E>| checkpoints.closing.get() || log.failure().is_some();
    while !stop(&log) {
        log.env.sleep(LOOK_AGAIN).await;
        let boundary = log.end();
        let age = Duration::from_nanos(log.env.now().mono.since(noted_at));
        let many = boundary - noted >= log.config.checkpoint_bytes;
        if boundary == noted || !(many || age >= log.config.checkpoint_interval) {
            continue;
        }
        let stored_at_ms = log.stored_at_ms.get();
        while log.flushed() < boundary {
            if stop(&log) {
                return;
            }
            log.env.sleep(POLL).await;
        }
        let Some(mut file) = checkpoints.file.take() else { return };
        let written = file.write(Checkpoint { boundary, clean: false, stored_at_ms }).await;
        checkpoints.file.set(Some(file));
        if let Err(error) = written {
            return log.fail(log.end(), error.to_string());
        }
        (noted, noted_at) = (boundary, log.env.now().mono);
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(1);
