//! Parked pulls: requests that found nothing and wait for their queue to grow.
//!
//! A table of small entries, each on two intrusive lists: the waiters of its queue (first come, first served) and
//! the parked pulls of its connection (so that a closed connection drops them). Nothing here knows the clock or the
//! log: the shard says which queue grew and which deadline passed. PROTOCOL.md "Long polling".
//!
//! Memory: an entry and its timer are 200 bytes at most (asserted below), in pieces that are never copied, and given back
//! when nobody waits any more.

use rt::{Chunks, ConnId, Wheel};
use store::QueueRef;

use crate::timers::Timer;

/// A parked pull's place in the table. Reused after removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ParkedId(pub u32);

/// The pulls that wait, with what is needed to serve them later (`P`).
#[derive(Debug)]
pub(crate) struct LongPolls<P> {
    entries: Chunks<Entry<P>>,
    /// First of the unused entries, linked by `in_queue.next`.
    free: u32,
    len: usize,
    /// Waiters per queue, indexed by `QueueRef`; grows with the highest queue that was ever waited on.
    queues: Vec<List>,
    /// Parked pulls per connection slot.
    connections: Vec<List>,
}

#[derive(Debug)]
struct Entry<P> {
    /// `None` while the entry is unused.
    pull: Option<P>,
    conn: ConnId,
    queue: QueueRef,
    in_queue: Links,
    in_connection: Links,
}

/// Neighbours on one list; [`NIL`] is none.
#[derive(Clone, Copy, Debug)]
struct Links {
    previous: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// Which of the two lists of an entry is meant.
#[derive(Clone, Copy)]
enum Chain {
    Queue,
    Connection,
}

const NIL: u32 = u32::MAX;

impl<P> Default for LongPolls<P> {
    fn default() -> Self {
        Self { entries: Chunks::default(), free: NIL, len: 0, queues: Vec::new(), connections: Vec::new() }
    }
}

impl<P> LongPolls<P> {
    /// Parks `pull` of `conn` behind the other waiters of `queue`.
    ///
    /// # Panics
    /// At 2^32 - 1 parked pulls; the shard's limit is far below.
    pub(crate) fn park(&mut self, conn: ConnId, queue: QueueRef, pull: P) -> ParkedId {
        let ParkedId(id) = self.next_id();
        let alone = Links { previous: NIL, next: NIL };
        let entry = Entry { pull: Some(pull), conn, queue, in_queue: alone, in_connection: alone };
        match self.entries.get_mut(id as usize) {
            Some(unused) => {
                self.free = unused.in_queue.next;
                *unused = entry;
            }
            None => self.entries.push(entry),
        }
        self.len += 1;
        self.append(Chain::Queue, id);
        self.append(Chain::Connection, id);
        ParkedId(id)
    }

    /// The id that the next parked pull gets, so that its timer can name it.
    #[must_use]
    pub(crate) fn next_id(&self) -> ParkedId {
        if self.free != NIL {
            return ParkedId(self.free);
        }
        let id = u32::try_from(self.entries.len()).expect("far fewer than 2^32 parked pulls");
        assert_ne!(id, NIL, "the last number means none");
        ParkedId(id)
    }

    /// Takes a parked pull out: it is answered, expired, or its connection is gone.
    ///
    /// # Panics
    /// If it is not parked.
    pub(crate) fn remove(&mut self, id: ParkedId) -> (ConnId, P) {
        self.unlink(Chain::Queue, id.0);
        self.unlink(Chain::Connection, id.0);
        let entry = &mut self.entries[id.0 as usize];
        let taken = (entry.conn, entry.pull.take().expect("a parked pull is removed once"));
        entry.in_queue.next = self.free;
        self.free = id.0;
        self.len -= 1;
        if self.len == 0 {
            self.entries.clear();
            self.free = NIL;
        }
        taken
    }

    /// The parked pull.
    #[must_use]
    pub(crate) fn get(&self, id: ParkedId) -> Option<&P> {
        self.entries.get(id.0 as usize)?.pull.as_ref()
    }

    /// The parked pull, to move its offset past what did not match.
    pub(crate) fn get_mut(&mut self, id: ParkedId) -> Option<&mut P> {
        self.entries.get_mut(id.0 as usize)?.pull.as_mut()
    }

    /// The longest waiting pull of `queue`.
    #[must_use]
    pub(crate) fn first_of_queue(&self, queue: QueueRef) -> Option<ParkedId> {
        some(self.queues.get(queue.index())?.first)
    }

    /// The waiter behind `id` on the same queue.
    #[must_use]
    pub(crate) fn next_of_queue(&self, id: ParkedId) -> Option<ParkedId> {
        some(self.entries.get(id.0 as usize).filter(|entry| entry.pull.is_some())?.in_queue.next)
    }

    /// A parked pull of `conn`, the oldest first.
    #[must_use]
    pub(crate) fn first_of_connection(&self, conn: ConnId) -> Option<ParkedId> {
        let id = some(self.connections.get(conn.index as usize)?.first)?;
        debug_assert_eq!(self.entries[id.0 as usize].conn, conn, "a closed connection takes its pulls along");
        Some(id)
    }

    /// All parked pulls, in no useful order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ParkedId> {
        (0_u32..)
            .zip(self.entries.iter())
            .filter(|(_, entry)| entry.pull.is_some())
            .map(|(id, _)| ParkedId(id))
    }

    /// How many pulls are parked.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes one parked pull takes (performance.md 5: 200 or less).
    #[must_use]
    pub(crate) const fn entry_bytes() -> usize {
        size_of::<Entry<P>>()
    }

    fn append(&mut self, chain: Chain, id: u32) {
        let list = self.list(chain, id);
        let previous = list.last;
        list.last = id;
        if previous == NIL {
            list.first = id;
        } else {
            self.links(chain, previous).next = id;
        }
        *self.links(chain, id) = Links { previous, next: NIL };
    }

    fn unlink(&mut self, chain: Chain, id: u32) {
        let Links { previous, next } = *self.links(chain, id);
        if previous == NIL {
            self.list(chain, id).first = next;
        } else {
            self.links(chain, previous).next = next;
        }
        if next == NIL {
            self.list(chain, id).last = previous;
        } else {
            self.links(chain, next).previous = previous;
        }
    }

    fn links(&mut self, chain: Chain, id: u32) -> &mut Links {
        let entry = &mut self.entries[id as usize];
        match chain {
            Chain::Queue => &mut entry.in_queue,
            Chain::Connection => &mut entry.in_connection,
        }
    }

    fn list(&mut self, chain: Chain, id: u32) -> &mut List {
        let entry = &self.entries[id as usize];
        let (lists, index) = match chain {
            Chain::Queue => (&mut self.queues, entry.queue.index()),
            Chain::Connection => (&mut self.connections, entry.conn.index as usize),
        };
        if lists.len() <= index {
            lists.resize(index + 1, List { first: NIL, last: NIL });
        }
        &mut lists[index]
    }
}

// A parked pull together with its timer.
const _: () =
    assert!(LongPolls::<crate::pull::ParkedPull>::entry_bytes() + Wheel::<Timer>::entry_bytes() <= 200);

fn some(id: u32) -> Option<ParkedId> {
    (id != NIL).then_some(ParkedId(id))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;
    use rt::chunks::CHUNK;

    use super::*;

    fn conn(index: u32) -> ConnId {
        ConnId { index, generation: 0 }
    }

    fn waiters(polls: &LongPolls<u32>, queue: QueueRef) -> Vec<u32> {
        let mut seen = Vec::new();
        let mut at = polls.first_of_queue(queue);
        while let Some(id) = at {
            seen.push(*polls.get(id).expect("linked entries exist"));
            at = polls.next_of_queue(id);
        }
        seen
    }

    #[test]
    fn memory_is_that_of_the_pulls_and_goes_when_they_go() {
        let mut polls = LongPolls::default();
        let ids: Vec<ParkedId> = (0..10_000).map(|n| polls.park(conn(n % 7), QueueRef(n % 3), n)).collect();
        assert!(polls.entries.capacity() < 10_000 + CHUNK);
        for id in &ids[1..] {
            polls.remove(*id);
        }
        assert_eq!(polls.park(conn(1), QueueRef(1), 1), *ids.last().unwrap(), "what is free is used first");
        polls.remove(*ids.last().unwrap());
        polls.remove(ids[0]);
        assert!(polls.len() == 0 && polls.entries.capacity() <= CHUNK);
        assert_eq!(polls.park(conn(1), QueueRef(1), 1), ParkedId(0));
    }

    proptest! {
        /// Against one deque per queue: order, removal from anywhere, removal by connection.
        #[test]
        fn waiters_keep_their_order(steps in prop::collection::vec((0u8..3, 0u32..4, 0u32..3), 1..200)) {
            let mut polls = LongPolls::default();
            let mut model: Vec<VecDeque<(ParkedId, u32, u32)>> = vec![VecDeque::new(); 4];
            for (number, (action, queue, connection)) in steps.into_iter().enumerate() {
                let number = u32::try_from(number).expect("few steps");
                let waiting = &mut model[queue as usize];
                match action {
                    0 => {
                        let id = polls.park(conn(connection), QueueRef(queue), number);
                        waiting.push_back((id, connection, number));
                    }
                    1 => {
                        if let Some((id, _, expected)) = waiting.pop_front() {
                            prop_assert_eq!(polls.remove(id).1, expected);
                        }
                    }
                    _ => {
                        while let Some(id) = polls.first_of_connection(conn(connection)) {
                            polls.remove(id);
                        }
                        for queue in &mut model {
                            queue.retain(|(_, owner, _)| *owner != connection);
                        }
                    }
                }
                for (queue, expected) in (0u32..).zip(&model) {
                    let expected: Vec<u32> = expected.iter().map(|(_, _, number)| *number).collect();
                    prop_assert_eq!(waiters(&polls, QueueRef(queue)), expected);
                }
                prop_assert_eq!(polls.len(), model.iter().map(VecDeque::len).sum::<usize>());
            }
        }
    }
}
