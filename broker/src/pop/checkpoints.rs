//! Checkpoints: which messages were popped, until when they are invisible, and which of them are acknowledged.
//!
//! One checkpoint covers what one pop took of one queue, at most 32 messages. It ends when all of them are acknowledged
//! or, their time being over, stored again for a retry. Nothing here knows the log or the clock.

use std::collections::BTreeMap;
use std::rc::Rc;

use hashbrown::{HashMap, HashSet};
use rt::wheel::TimerId;
use slab::Slab;
use smallvec::SmallVec;
use store::PhysicalOffset;

use super::order::OrderInfo;

/// Most messages of one pop, and so of one checkpoint.
pub(crate) const MESSAGES_MAX: usize = 32;
/// Open checkpoints of one queue of a group: at the bound nothing more is popped until some end.
pub(crate) const QUEUE_MAX: usize = 20_000;
/// Open checkpoints of a shard. At some 300 bytes each, with their rows in the tables: 120 MB.
pub(crate) const SHARD_MAX: usize = 400_000;

/// A queue as a group pops it.
#[derive(Debug)]
pub(crate) struct PopQueue {
    pub(crate) group: Rc<str>,
    /// The topic that holds it: a retry topic has queues of its own here.
    pub(crate) topic: Rc<str>,
    pub(crate) queue_id: u32,
    /// By start offset and pop time.
    open: BTreeMap<(u64, i64), CheckpointId>,
    /// A read of files is under way for it: at most one pop at a time.
    pub(crate) busy: bool,
    /// What an ordered pop took last.
    pub(crate) order: Option<OrderInfo>,
    pub(crate) order_timer: Option<TimerId>,
    /// The order has to be written to the tables.
    pub(crate) order_changed: bool,
}

/// Place of a [`PopQueue`]; valid until its topic or group is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PopQueueId(pub(crate) u32);

/// Place of a [`Checkpoint`]; reused after it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CheckpointId(pub(crate) u32);

/// What one pop took of one queue.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) queue: PopQueueId,
    /// Where the pop began to read; names the checkpoint together with the pop time.
    pub(crate) start: u64,
    pub(crate) pop_ms: i64,
    /// When what is left becomes visible again, Unix ms.
    pub(crate) due_ms: i64,
    pub(crate) messages: Messages,
    /// Messages that nobody acknowledged, by index: what a restart has to know.
    pub(crate) unacked: u32,
    /// Those of them that are not stored again either.
    pub(crate) open: u32,
    /// The retry does not count as an attempt (`suspend`).
    pub(crate) uncounted: bool,
    /// How often storing for a retry failed.
    pub(crate) failures: u8,
    /// End of the last record that stores one of its messages again.
    pub(crate) revived_to: Option<PhysicalOffset>,
    pub(crate) timer: Option<TimerId>,
    /// The tables have a row of it.
    pub(crate) stored: bool,
    /// It is on the list of those to write.
    pub(crate) listed: bool,
}

/// The queue offsets of a checkpoint, relative to its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Messages {
    /// As many in a row from the start on.
    Row(u8),
    /// With gaps: others were filtered out.
    Some(Box<[u32]>),
}

impl Messages {
    /// Of ascending `offsets` at or behind `start`, at most [`MESSAGES_MAX`].
    pub(crate) fn new(start: u64, offsets: &[u64]) -> Self {
        assert!(offsets.len() <= MESSAGES_MAX, "a pop takes no more");
        let distance = |offset: &u64| u32::try_from(offset - start).expect("a scan is shorter");
        if offsets.iter().zip(start..).all(|(offset, expected)| *offset == expected) {
            return Self::Row(u8::try_from(offsets.len()).expect("at most 32"));
        }
        Self::Some(offsets.iter().map(distance).collect())
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Row(count) => usize::from(*count),
            Self::Some(distances) => distances.len(),
        }
    }

    /// Distance of message `index` from the start.
    pub(crate) fn distance(&self, index: usize) -> u32 {
        match self {
            Self::Row(_) => u32::try_from(index).expect("at most 32"),
            Self::Some(distances) => distances[index],
        }
    }

    /// The message at `distance` from the start.
    pub(crate) fn index_of(&self, distance: u64) -> Option<usize> {
        let distance = u32::try_from(distance).ok()?;
        match self {
            Self::Row(count) => (distance < u32::from(*count)).then_some(distance as usize),
            Self::Some(distances) => distances.binary_search(&distance).ok(),
        }
    }

    /// One bit for each message.
    pub(crate) fn all(&self) -> u32 {
        u32::MAX.checked_shr(32 - u32::try_from(self.count()).expect("at most 32")).unwrap_or(0)
    }
}

impl Checkpoint {
    /// Of messages that are all open, not yet with a timer.
    pub(crate) fn new(
        queue: PopQueueId,
        (start, messages): (u64, Messages),
        (pop_ms, due_ms): (i64, i64),
    ) -> Self {
        let all = messages.all();
        Self {
            queue,
            start,
            pop_ms,
            due_ms,
            messages,
            unacked: all,
            open: all,
            uncounted: false,
            failures: 0,
            revived_to: None,
            timer: None,
            stored: false,
            listed: false,
        }
    }

    /// The queue offset of message `index`.
    pub(crate) fn offset(&self, index: usize) -> u64 {
        self.start + u64::from(self.messages.distance(index))
    }

    /// The offsets that are neither acknowledged nor stored again, ascending.
    pub(crate) fn open_offsets(&self) -> SmallVec<[u64; MESSAGES_MAX]> {
        (0..self.messages.count())
            .filter(|index| self.open & (1 << index) != 0)
            .map(|index| self.offset(index))
            .collect()
    }

    /// The bit of the message at `offset`.
    pub(crate) fn bit(&self, offset: u64) -> Option<u32> {
        let index = self.messages.index_of(offset.checked_sub(self.start)?)?;
        Some(1 << index)
    }
}

/// All queues and checkpoints of a shard.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    queues: Slab<PopQueue>,
    /// Group, topic, then by queue id.
    names: HashMap<String, HashMap<String, Vec<Option<PopQueueId>>>>,
    all: Slab<Checkpoint>,
}

impl Checkpoints {
    /// The queue, if `group` popped from it.
    pub(crate) fn find(&self, group: &str, topic: &str, queue_id: u32) -> Option<PopQueueId> {
        *self.names.get(group)?.get(topic)?.get(queue_id as usize)?
    }

    /// The queue, made if it is new.
    pub(crate) fn queue_or_make(&mut self, group: &Rc<str>, topic: &Rc<str>, queue_id: u32) -> PopQueueId {
        let topics = self.names.entry_ref(&**group).or_default();
        let queues = topics.entry_ref(&**topic).or_default();
        let index = queue_id as usize;
        if queues.len() <= index {
            queues.resize(index + 1, None);
        }
        *queues[index].get_or_insert_with(|| {
            let made = self.queues.insert(PopQueue {
                group: group.clone(),
                topic: topic.clone(),
                queue_id,
                open: BTreeMap::new(),
                busy: false,
                order: None,
                order_timer: None,
                order_changed: false,
            });
            PopQueueId(u32::try_from(made).expect("fewer queues than 2^32"))
        })
    }

    pub(crate) fn queue(&self, id: PopQueueId) -> Option<&PopQueue> {
        self.queues.get(id.0 as usize)
    }

    pub(crate) fn queue_mut(&mut self, id: PopQueueId) -> Option<&mut PopQueue> {
        self.queues.get_mut(id.0 as usize)
    }

    /// Whether nothing more may be popped from a queue for now, or not at `start` and `pop_ms`.
    pub(crate) fn is_full(&self, queue: PopQueueId, start: u64, pop_ms: i64) -> bool {
        let open = &self.queues[queue.0 as usize].open;
        open.len() >= QUEUE_MAX || self.all.len() >= SHARD_MAX || open.contains_key(&(start, pop_ms))
    }

    /// Whether a queue was at its bound before one of its checkpoints ended.
    pub(crate) fn was_full(&self, queue: PopQueueId) -> bool {
        self.all.len() + 1 >= SHARD_MAX
            || self.queue(queue).is_some_and(|queue| queue.open.len() + 1 >= QUEUE_MAX)
    }

    /// Adds a checkpoint.
    ///
    /// # Panics
    /// If its queue has one with this start and pop time: [`Checkpoints::is_full`] says so before.
    pub(crate) fn add(&mut self, checkpoint: Checkpoint) -> CheckpointId {
        let (queue, key) = (checkpoint.queue, (checkpoint.start, checkpoint.pop_ms));
        let id = CheckpointId(u32::try_from(self.all.insert(checkpoint)).expect("bounded"));
        let before = self.queues[queue.0 as usize].open.insert(key, id);
        assert!(before.is_none(), "a checkpoint is never replaced");
        id
    }

    pub(crate) fn get(&self, id: CheckpointId) -> Option<&Checkpoint> {
        self.all.get(id.0 as usize)
    }

    pub(crate) fn get_mut(&mut self, id: CheckpointId) -> Option<&mut Checkpoint> {
        self.all.get_mut(id.0 as usize)
    }

    /// The open checkpoint that a receipt names.
    pub(crate) fn find_open(&self, queue: PopQueueId, start: u64, pop_ms: i64) -> Option<CheckpointId> {
        self.queue(queue)?.open.get(&(start, pop_ms)).copied()
    }

    /// Takes a checkpoint out; whoever does stops its timer and removes its row.
    pub(crate) fn remove(&mut self, id: CheckpointId) -> Checkpoint {
        let checkpoint = self.all.remove(id.0 as usize);
        if let Some(queue) = self.queues.get_mut(checkpoint.queue.0 as usize) {
            queue.open.remove(&(checkpoint.start, checkpoint.pop_ms));
        }
        checkpoint
    }

    /// Takes out the queues that `is_gone` (of group and topic) names; returns them with their checkpoints.
    pub(crate) fn remove_queues(
        &mut self,
        is_gone: impl Fn(&str, &str) -> bool,
    ) -> Vec<(PopQueue, Vec<Checkpoint>)> {
        let gone: HashSet<u32> = (self.queues.iter())
            .filter(|(_, queue)| is_gone(&queue.group, &queue.topic))
            .map(|(index, _)| u32::try_from(index).expect("fewer queues than 2^32"))
            .collect();
        if gone.is_empty() {
            return Vec::new();
        }
        for topics in self.names.values_mut() {
            for queues in topics.values_mut() {
                for queue in queues.iter_mut() {
                    queue.take_if(|queue| gone.contains(&queue.0));
                }
            }
            topics.retain(|_, queues| queues.iter().any(Option::is_some));
        }
        self.names.retain(|_, topics| !topics.is_empty());
        let mut taken = Vec::new();
        for index in gone {
            let mut queue = self.queues.remove(index as usize);
            let open = std::mem::take(&mut queue.open);
            let checkpoints = open.into_values().map(|id| self.all.remove(id.0 as usize)).collect();
            taken.push((queue, checkpoints));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(queue: PopQueueId, start: u64, offsets: &[u64]) -> Checkpoint {
        Checkpoint::new(queue, (start, Messages::new(start, offsets)), (5, 10))
    }

    #[test]
    fn offsets_in_a_row_and_with_gaps_are_found_by_their_bits() {
        let row: Vec<u64> = (100..132).collect();
        let one = checkpoint(PopQueueId(0), 100, &row);
        assert_eq!((one.open, one.messages.clone()), (u32::MAX, Messages::Row(32)));
        assert_eq!(
            (one.bit(100), one.bit(131), one.bit(132), one.bit(99)),
            (Some(1), Some(1 << 31), None, None)
        );
        let two = checkpoint(PopQueueId(0), 100, &[101, 105]);
        assert_eq!((two.open, two.bit(105), two.bit(100)), (3, Some(2), None));
        assert_eq!(two.open_offsets().as_slice(), [101, 105]);
    }

    #[test]
    fn a_queue_takes_its_checkpoints_along() {
        let mut all = Checkpoints::default();
        let (group, topic, other): (Rc<str>, Rc<str>, Rc<str>) = ("g".into(), "T".into(), "U".into());
        let queue = all.queue_or_make(&group, &topic, 2);
        assert_eq!(all.queue_or_make(&group, &topic, 2), queue);
        let kept = all.queue_or_make(&group, &other, 0);
        let id = all.add(checkpoint(queue, 7, &[7]));
        all.add(checkpoint(kept, 7, &[7]));
        assert_eq!(all.find_open(queue, 7, 5), Some(id));
        assert!(all.is_full(queue, 7, 5) && !all.is_full(queue, 7, 6));
        let gone = all.remove_queues(|_, topic| topic == "T");
        assert_eq!((gone.len(), gone[0].1.len()), (1, 1));
        assert_eq!(all.find("g", "T", 2), None);
        assert!(all.is_full(kept, 7, 5));
    }
}
