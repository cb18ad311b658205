//! Making segments: zeros, old segments used again, and the task that keeps the next ones ready.

use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use rt::slice::aligned;
use rt::{Disk, DiskFile, Env, OpenMode};

use super::{File, Log, Segments};
use crate::StoreError;

/// The housekeeping task that keeps the next segments ready.
pub(crate) async fn keep_ready<E: Env>(log: Rc<Log<E>>) {
    let segments = &log.segments;
    while !segments.closing.get() {
        let target = log.segment_end(log.end()) + segments.ahead * segments.segment_bytes;
        let nothing_to_do = segments.ready_end() >= target && !segments.is_growing();
        if nothing_to_do || log.failure().is_some() {
            segments.wanted.heard().await;
            continue;
        }
        segments.busy.set(true);
        let growing = segments.is_growing();
        // Behind a log that has used up half of its segment there is no time to be gentle.
        let is_late = log.segment_end(log.end()) - log.end() < segments.segment_bytes / 2;
        let pause = if is_late { Duration::ZERO } else { segments.pause };
        let made = if growing { segments.grow_on(pause).await } else { segments.prepare_next(pause).await };
        segments.busy.set(false);
        match made {
            Ok(()) => *segments.disk_full.borrow_mut() = None,
            Err(StoreError::Io { op, source, .. }) if is_full(&source) && !(growing && op == "flush") => {
                *segments.disk_full.borrow_mut() = Some(source.to_string());
                log.env.sleep(RETRY_WHEN_FULL).await;
            }
            Err(_) if segments.closing.get() => return,
            // The failed flush may have covered records of the same file; nobody will hear of them again.
            Err(error) if growing => log.fail(log.flushed(), error.to_string()),
            Err(error) => log.fail(log.end(), error.to_string()),
        }
        log.env.kick();
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl<E: Env> Segments<E> {
    pub(super) async fn take_recycled(&self, name: &str, path: &Path) -> io::Result<File<E>> {
        let disk = self.env.disk();
        let file = disk.open(&self.dir.join(name), OpenMode::Write { direct: self.direct }).await?;
        if file.len().await? != self.segment_bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a recycled segment changed its size"));
        }
        disk.rename(&self.dir.join(name), path).await?;
        disk.sync_dir(&self.dir).await?;
        Ok(file)
    }

    pub(super) async fn make_zeroed(&self, path: &Path, upto: u64, pause: Duration) -> io::Result<File<E>> {
        let disk = self.env.disk();
        let raw = self.dir.join(PREPARING);
        match disk.remove(&raw).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = disk.open(&raw, OpenMode::CreateNew { direct: self.direct }).await?;
        if let Err(error) = self.fill_with_zeros(&file, upto, pause).await {
            // The space goes back at once: the next try starts over.
            disk.remove(&raw).await?;
            return Err(error);
        }
        disk.rename(&raw, path).await?;
        disk.sync_dir(&self.dir).await?;
        Ok(file)
    }

    /// Reserves the space of a new segment and makes zeros of `0..upto`; they and its length are durable on return.
    async fn fill_with_zeros(&self, file: &File<E>, upto: u64, pause: Duration) -> io::Result<()> {
        match file.allocate(self.segment_bytes).await {
            Ok(()) => {}
            // Not every filesystem can; the zeros allocate as they go.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                file.truncate(self.segment_bytes).await?
            }
            Err(error) => return Err(error),
        }
        self.zero(file, 0, upto, pause).await?;
        file.flush().await
    }

    /// Writes zeros to `from..to` of a file; gives up between two batches when the store closes.
    pub(super) async fn zero(&self, file: &File<E>, from: u64, to: u64, pause: Duration) -> io::Result<()> {
        let piece = (to - from).min(ZEROING_BYTES);
        let zeros = aligned(usize::try_from(piece).expect("at most 1 MiB"), |_| {});
        let mut at = from;
        while at < to {
            if self.closing.get() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the store is closing"));
            }
            // Several at a time: zeros into reserved space go through a kernel worker, which on a busy host waits for
            // its core before each of them. In batches, so that the log's own writes find the device idle now and then:
            // with eight always in flight some of them waited for half a second.
            let mut writes = Vec::with_capacity(ZEROING_DEPTH);
            while writes.len() < ZEROING_DEPTH && at < to {
                let len = piece.min(to - at);
                writes.push(Box::pin(file.write_at(at, zeros.range(0, len as usize), false)));
                at += len;
            }
            all(writes).await?;
            if !pause.is_zero() {
                self.env.sleep(pause).await;
            }
        }
        Ok(())
    }
}

/// Completes when all of `writes` have; with the first failure, if there is one.
async fn all<F: Future<Output = io::Result<()>>>(writes: Vec<Pin<Box<F>>>) -> io::Result<()> {
    let mut pending = writes;
    let mut outcome = Ok(());
    poll_fn(|context| {
        pending.retain_mut(|write| match write.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                outcome = std::mem::replace(&mut outcome, Ok(())).and(result);
                false
            }
        });
        if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outcome
}

const PREPARING: &str = "preparing";
const ZEROING_BYTES: u64 = 1 << 20;
/// Writes of zeros in flight.
const ZEROING_DEPTH: usize = 8;
const RETRY_WHEN_FULL: Duration = Duration::from_secs(1);
