//! Queue locks of orderly consumers: one client per (group, queue), for 60 s after its last request.

use hashbrown::HashMap;
use rt::Mono;

/// A lock nobody renewed for this long is free (behaviour.md 10; clients renew every 20 s).
pub(crate) const LOCK_EXPIRES_MS: u64 = 60_000;

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
    renewed: Mono,
}

impl QueueLocks {
    /// Locks or renews; false while another client holds the queue.
    pub(crate) fn lock(&mut self, group: &str, queue: LockedQueue, client_id: &str, now: Mono) -> bool {
        let locks = self.groups.entry_ref(group).or_default();
        match locks.get_mut(&queue) {
            Some(held) if *held.client_id != *client_id && !held.is_expired(now) => false,
            Some(held) => {
                if *held.client_id != *client_id {
                    held.client_id = client_id.into();
                }
                held.renewed = now;
                true
            }
            None => {
                locks.insert(queue, Lock { client_id: client_id.into(), renewed: now });
                true
            }
        }
    }

    /// Frees a queue if `client_id` holds it.
    pub(crate) fn unlock(&mut self, group: &str, queue: &LockedQueue, client_id: &str) {
        let Some(locks) = self.groups.get_mut(group) else { return };
        if locks.get(queue).is_some_and(|held| *held.client_id == *client_id) {
            locks.remove(queue);
        }
        if locks.is_empty() {
            self.groups.remove(group);
        }
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

    /// Forgets expired locks, so that the table is bounded by what lives.
    pub(crate) fn drop_expired(&mut self, now: Mono) {
        self.groups.retain(|_, locks| {
            locks.retain(|_, lock| !lock.is_expired(now));
            !locks.is_empty()
        });
    }
}

impl Lock {
    fn is_expired(&self, now: Mono) -> bool {
        now.since(self.renewed) > LOCK_EXPIRES_MS * 1_000_000
    }
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
        assert!(locks.lock("g", queue(0), "a", at_ms(0)));
        assert!(!locks.lock("g", queue(0), "b", at_ms(60_000)), "exactly 60 s: still held");
        assert!(locks.lock("other", queue(0), "b", at_ms(0)), "another group is another lock");
        assert!(locks.lock("g", queue(0), "b", at_ms(60_001)));
        assert!(!locks.lock("g", queue(0), "a", at_ms(60_002)), "now it is b's");
    }

    #[test]
    fn renewing_keeps_it_and_only_the_owner_unlocks() {
        let mut locks = QueueLocks::default();
        assert!(locks.lock("g", queue(0), "a", at_ms(0)) && locks.lock("g", queue(0), "a", at_ms(50_000)));
        assert!(!locks.lock("g", queue(0), "b", at_ms(100_000)));
        locks.unlock("g", &queue(0), "b");
        assert!(!locks.lock("g", queue(0), "b", at_ms(100_000)));
        locks.unlock("g", &queue(0), "a");
        assert!(locks.lock("g", queue(0), "b", at_ms(100_000)));
    }

    #[test]
    fn expired_locks_are_forgotten() {
        let mut locks = QueueLocks::default();
        locks.lock("g", queue(0), "a", at_ms(0));
        locks.drop_expired(at_ms(60_001));
        assert!(locks.groups.is_empty());
    }
}
