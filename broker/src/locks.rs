//! Queue locks of orderly consumers: one client per (group, queue), for 60 s after its last request.
//!
//! RocketMQ forgets its locks with the process. Then the members whose connections are back first share out the queues
//! anew while the others still consume them, and two take turns in one queue (found by `tools/sim`, seed 130 of the lives
//! with groups). So the owner of each lock is in the tables, and a lock that was held before a start is held a little longer.

use hashbrown::HashMap;
use rt::Mono;

/// A lock nobody renewed for this long is free (behaviour.md 10; clients renew every 20 s).
pub(crate) const LOCK_EXPIRES_MS: u64 = 60_000;

/// A lock of an earlier run is free so long after the start unless its owner renews it: a client believes in a lock for
/// 30 s after its answer, and that answer may have been on its way.
pub(crate) const REMEMBERED_MS: u64 = 35_000;

/// What became of a wish to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// It is the client's, and a restart knows.
    Remembered,
    /// It is the client's, and a restart may not know yet.
    New,
    /// Another client holds it.
    Refused,
}

/// A message queue of this shard, as locks know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LockedQueue {
    /// The topic.
    pub topic: Box<str>,
    /// The queue.
    pub queue_id: u32,
}

/// All locks of the shard.
#[derive(Debug, Default)]
pub(crate) struct QueueLocks {
    groups: HashMap<String, HashMap<LockedQueue, Lock>>,
}

#[derive(Debug)]
struct Lock {
    client_id: Box<str>,
    /// The last moment at which it is held.
    until: Mono,
    /// Its owner is in the tables, and flushed.
    is_remembered: bool,
}

impl QueueLocks {
    /// Locks or renews, unless another client holds the queue.
    pub(crate) fn lock(&mut self, group: &str, queue: LockedQueue, client_id: &str, now: Mono) -> Grant {
        let until = after(now, LOCK_EXPIRES_MS);
        let locks = self.groups.entry_ref(group).or_default();
        match locks.get_mut(&queue) {
            Some(held) if *held.client_id == *client_id => {
                held.until = until;
                if held.is_remembered { Grant::Remembered } else { Grant::New }
            }
            Some(held) if !held.is_expired(now) => Grant::Refused,
            _ => {
                locks.insert(queue, Lock { client_id: client_id.into(), until, is_remembered: false });
                Grant::New
            }
        }
    }

    /// Takes up a lock that was held before the start.
    pub(crate) fn remember(&mut self, group: &str, queue: LockedQueue, client_id: &str, now: Mono) {
        let until = after(now, REMEMBERED_MS);
        let lock = Lock { client_id: client_id.into(), until, is_remembered: true };
        self.groups.entry_ref(group).or_default().insert(queue, lock);
    }

    /// That `client_id` holds the queue is flushed, if it still does.
    pub(crate) fn flushed(&mut self, group: &str, queue: &LockedQueue, client_id: &str) {
        let lock = self.groups.get_mut(group).and_then(|locks| locks.get_mut(queue));
        if let Some(lock) = lock.filter(|lock| *lock.client_id == *client_id) {
            lock.is_remembered = true;
        }
    }

    /// Frees a queue if `client_id` holds it; whether it did.
    pub(crate) fn unlock(&mut self, group: &str, queue: &LockedQueue, client_id: &str) -> bool {
        let Some(locks) = self.groups.get_mut(group) else { return false };
        let is_owner = locks.get(queue).is_some_and(|held| *held.client_id == *client_id);
        if is_owner {
            locks.remove(queue);
        }
        if locks.is_empty() {
            self.groups.remove(group);
        }
        is_owner
    }

    /// Whether the group holds any lock that has not expired.
    #[must_use]
    pub(crate) fn any_held(&self, group: &str, now: Mono) -> bool {
        self.groups.get(group).is_some_and(|locks| locks.values().any(|lock| !lock.is_expired(now)))
    }

    /// Queues of which the group holds a lock that has not expired.
    #[must_use]
    pub(crate) fn held(&self, group: &str, now: Mono) -> u32 {
        let held = |locks: &HashMap<_, Lock>| locks.values().filter(|lock| !lock.is_expired(now)).count();
        u32::try_from(self.groups.get(group).map_or(0, held)).unwrap_or(u32::MAX)
    }

    /// Forgets expired locks, so that the table is bounded by what lives, and tells which.
    pub(crate) fn drop_expired(&mut self, now: Mono) -> Vec<(String, LockedQueue)> {
        let mut dropped = Vec::new();
        self.groups.retain(|group, locks| {
            let expired = locks.extract_if(|_, lock| lock.is_expired(now));
            dropped.extend(expired.map(|(queue, _)| (group.clone(), queue)));
            !locks.is_empty()
        });
        dropped
    }
}

impl Lock {
    fn is_expired(&self, now: Mono) -> bool {
        now > self.until
    }
}

fn after(now: Mono, ms: u64) -> Mono {
    Mono(now.0 + ms * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: u32) -> LockedQueue {
        LockedQueue { topic: "T".into(), queue_id }
    }

    fn at_ms(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    #[test]
    fn a_held_queue_is_refused_until_it_expires() {
        let mut locks = QueueLocks::default();
        assert_eq!(locks.lock("g", queue(0), "a", at_ms(0)), Grant::New);
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(60_000)), Grant::Refused, "exactly 60 s: still held");
        assert_eq!(locks.lock("other", queue(0), "b", at_ms(0)), Grant::New, "another group is another lock");
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(60_001)), Grant::New);
        assert_eq!(locks.lock("g", queue(0), "a", at_ms(60_002)), Grant::Refused, "now it is b's");
    }

    #[test]
    fn renewing_keeps_it_and_only_the_owner_unlocks() {
        let mut locks = QueueLocks::default();
        locks.lock("g", queue(0), "a", at_ms(0));
        assert_eq!(locks.lock("g", queue(0), "a", at_ms(50_000)), Grant::New, "not flushed so far");
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(100_000)), Grant::Refused);
        assert!(!locks.unlock("g", &queue(0), "b"));
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(100_000)), Grant::Refused);
        assert!(locks.unlock("g", &queue(0), "a"));
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(100_000)), Grant::New);
    }

    #[test]
    fn a_lock_of_before_the_start_is_held_until_its_owner_cannot_believe_in_it() {
        let mut locks = QueueLocks::default();
        for id in [0, 1] {
            locks.remember("g", queue(id), "a", at_ms(0));
        }
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(35_000)), Grant::Refused);
        assert_eq!(
            locks.lock("g", queue(0), "a", at_ms(35_000)),
            Grant::Remembered,
            "its owner is its owner"
        );
        assert_eq!(locks.lock("g", queue(1), "b", at_ms(35_001)), Grant::New);
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(95_000)), Grant::Refused, "renewed as any other");
    }

    #[test]
    fn a_lock_is_remembered_for_whom_it_was_flushed() {
        let mut locks = QueueLocks::default();
        locks.lock("g", queue(0), "a", at_ms(0));
        locks.flushed("g", &queue(0), "b");
        assert_eq!(locks.lock("g", queue(0), "a", at_ms(1)), Grant::New);
        locks.flushed("g", &queue(0), "a");
        assert_eq!(locks.lock("g", queue(0), "a", at_ms(2)), Grant::Remembered);
        assert_eq!(locks.lock("g", queue(0), "b", at_ms(70_000)), Grant::New, "another owner, another row");
    }

    #[test]
    fn expired_locks_are_forgotten_and_told() {
        let mut locks = QueueLocks::default();
        locks.lock("g", queue(0), "a", at_ms(0));
        locks.lock("g", queue(1), "a", at_ms(1));
        assert_eq!(locks.drop_expired(at_ms(60_001)), [("g".to_owned(), queue(0))]);
        assert_eq!(locks.held("g", at_ms(60_001)), 1);
        assert_eq!(locks.drop_expired(at_ms(60_002)), [("g".to_owned(), queue(1))]);
        assert!(locks.groups.is_empty());
    }
}
