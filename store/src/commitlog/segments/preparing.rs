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
        let made = if growing {
            segments.grow_on(|_| log.gait_of_growth()).await
        } else {
            segments.prepare_next(|zeroed| log.gait_of_next(zeroed)).await
        };
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

/// How zeros are written: how many MiB at once, and for how many pauses the device rests before the next ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gait {
    writes: usize,
    pauses: u32,
}

impl Gait {
    /// As fast as it goes: nobody is served yet, or the log needs the room soon. Several at a time: zeros into reserved
    /// space go through a kernel worker, which on a busy host waits for its core before each of them. In batches, so
    /// that the log's own writes find the device idle now and then: with eight always in flight some of them waited for
    /// half a second.
    pub(super) const RUN: Self = Self { writes: 8, pauses: 0 };
    const TROT: Self = Self { writes: 8, pauses: 1 };
    /// A commit that comes in between waits for little more than its own write.
    const WALK: Self = Self { writes: 2, pauses: 0 };
    const STROLL: Self = Self { writes: 1, pauses: 50 };

    /// For the segment behind the log's own, of which so much is `zeroed` when the log has used so much of its own: done
    /// when half is used, and spread over that time, because zeros in one go are what commits wait for. The other half
    /// is for their flush: done at three quarters, they were late for a log of 1 GiB/s.
    fn towards(zeroed: u64, used: u64, segment: u64) -> Self {
        let due = segment.min(used.saturating_mul(2));
        match due.saturating_sub(zeroed) {
            0 => Self::STROLL,
            behind if behind <= segment / 32 => Self::WALK,
            _ => Self::RUN,
        }
    }
}

impl<E: Env> Log<E> {
    fn used_of_segment(&self) -> u64 {
        self.config.segment_bytes - (self.segment_end(self.end()) - self.end())
    }

    fn gait_of_growth(&self) -> Gait {
        if self.used_of_segment() > self.config.segment_bytes / 2 { Gait::RUN } else { Gait::TROT }
    }

    fn gait_of_next(&self, zeroed: u64) -> Gait {
        if self.segments.ready_end() > self.segment_end(self.end()) {
            return Gait::STROLL;
        }
        Gait::towards(zeroed, self.used_of_segment(), self.config.segment_bytes)
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

    pub(super) async fn make_zeroed(
        &self,
        path: &Path,
        upto: u64,
        gait: impl Fn(u64) -> Gait,
    ) -> io::Result<File<E>> {
        let disk = self.env.disk();
        let raw = self.dir.join(PREPARING);
        match disk.remove(&raw).await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = disk.open(&raw, OpenMode::CreateNew { direct: self.direct }).await?;
        if let Err(error) = self.fill_with_zeros(&file, upto, gait).await {
            // The space goes back at once: the next try starts over.
            disk.remove(&raw).await?;
            return Err(error);
        }
        disk.rename(&raw, path).await?;
        disk.sync_dir(&self.dir).await?;
        Ok(file)
    }

    /// Reserves the space of a new segment and makes zeros of `0..upto`; they and its length are durable on return.
    async fn fill_with_zeros(&self, file: &File<E>, upto: u64, gait: impl Fn(u64) -> Gait) -> io::Result<()> {
        match file.allocate(self.segment_bytes).await {
            Ok(()) => {}
            // Not every filesystem can; the zeros allocate as they go.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                file.truncate(self.segment_bytes).await?
            }
            Err(error) => return Err(error),
        }
        self.zero(file, 0, upto, gait).await?;
        file.flush().await
    }

    /// Writes zeros to `from..to` of a file, at the gait for the bytes written so far; gives up between two batches when
    /// the store closes.
    pub(super) async fn zero(
        &self,
        file: &File<E>,
        from: u64,
        to: u64,
        gait: impl Fn(u64) -> Gait,
    ) -> io::Result<()> {
        let piece = (to - from).min(ZEROING_BYTES);
        let zeros = aligned(usize::try_from(piece).expect("at most 1 MiB"), |_| {});
        let mut at = from;
        while at < to {
            if self.closing.get() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the store is closing"));
            }
            let Gait { writes: most, pauses } = gait(at - from);
            let mut writes = Vec::with_capacity(most);
            while writes.len() < most && at < to {
                let len = piece.min(to - at);
                writes.push(Box::pin(file.write_at(at, zeros.range(0, len as usize), false)));
                at += len;
            }
            all(writes).await?;
            let rest = self.pause * pauses;
            if !rest.is_zero() && at < to {
                self.env.sleep(rest).await;
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
const RETRY_WHEN_FULL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_segment_is_ready_before_the_log_needs_it_however_fast_that_is() {
        const SEGMENT: u64 = 1 << 30;
        for log_bytes_per_ms in [1_000, 100_000, 250_000, 1_000_000] {
            let (mut used, mut zeroed, mut ran_ms) = (0, 0, 0);
            while zeroed < SEGMENT {
                let gait = Gait::towards(zeroed, used, SEGMENT);
                // A worker waits 3 ms for its core; then the disk takes 3 MiB a millisecond. A rest is 5 ms.
                let ms = 3 + gait.writes as u64 / 3 + u64::from(gait.pauses) / 10;
                ran_ms += if gait == Gait::RUN { ms } else { 0 };
                zeroed += gait.writes as u64 * ZEROING_BYTES;
                used += ms * log_bytes_per_ms;
                assert!(used < SEGMENT / 4 * 3, "{log_bytes_per_ms}: {used} used and {zeroed} zeroed");
            }
            assert!(log_bytes_per_ms > 250_000 || ran_ms == 0, "{log_bytes_per_ms}: ran for {ran_ms} ms");
        }
    }
}
