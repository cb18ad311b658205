//! Search by time: which offset belongs to a store time (spec/behaviour.md 9.3, spec/store.md 3.7).

use std::future::Future;

use rt::Env;

use super::{ConsumeQueues, QueueError, QueueOffset, QueueRef, cold_read};
use crate::Boundary;
use crate::consume_queue::Entry;

impl<E: Env> ConsumeQueues<E> {
    /// The offset for `unix_ms` among the offsets `min..max` of the queue, whose records have non-decreasing store
    /// times. `stored_at` reads the store time of a record, `None` if it is no longer there (too old).
    ///
    /// [`Boundary::Lower`]: the first offset at or after the time; `max` if there is none. [`Boundary::Upper`]: the
    /// last at or before it; `min` if there is none. An empty range gives `max`.
    ///
    /// # Errors
    /// Those of [`ConsumeQueues::read_cold`], and what `stored_at` returns.
    pub fn offset_by_time<Error, Reading, StoredAt>(
        &self,
        queue: QueueRef,
        (min, max): (QueueOffset, QueueOffset),
        unix_ms: i64,
        boundary: Boundary,
        mut stored_at: StoredAt,
    ) -> impl Future<Output = Result<QueueOffset, Error>> + use<E, Error, Reading, StoredAt>
    where
        Error: From<QueueError> + 'static,
        Reading: Future<Output = Result<Option<i64>, Error>> + 'static,
        StoredAt: FnMut(Entry) -> Reading + 'static,
    {
        let shared = self.shared.clone();
        async move {
            // Offsets below `low` have earlier times (at or before, for the upper boundary), those from `high` on do
            // not.
            let (mut low, mut high) = (min.get(), max.get());
            while low < high {
                let middle = low.midpoint(high);
                let found = cold_read::read(shared.clone(), queue.0, middle, 1).await?;
                let Some(&(at, entry)) = found.entries.first().filter(|(at, _)| at.get() < high) else {
                    // Nothing but offsets without messages from the middle on.
                    high = middle;
                    continue;
                };
                let goes_right = match stored_at(entry).await? {
                    None => true,
                    Some(time) if boundary == Boundary::Upper => time <= unix_ms,
                    Some(time) => time < unix_ms,
                };
                if goes_right {
                    low = at.get() + 1;
                } else {
                    high = middle;
                }
            }
            if boundary == Boundary::Lower {
                return Ok(QueueOffset::new(low));
            }
            Ok(QueueOffset::new(low.saturating_sub(1).max(min.get()).min(max.get())))
        }
    }
}
