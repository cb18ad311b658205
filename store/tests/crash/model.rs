//! What was appended, answered and seen; and the comparison with a recovered store.

use std::collections::BTreeMap;

use store::Appended;

pub(crate) const TOPICS: [&str; 2] = ["Orders", "%RETRY%group"];
pub(crate) const QUEUES: u32 = 2;

/// Topic and queue id.
pub(crate) type Queue = (usize, u32);

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) queue: Queue,
    pub(crate) placed: Appended,
    pub(crate) body: Vec<u8>,
    /// Start of the batch it belongs to (its own start if it was sent alone) and where that ends.
    pub(crate) unit: (u64, u64),
    pub(crate) answered: bool,
    pub(crate) flushed: bool,
}

#[derive(Default)]
pub(crate) struct Model {
    /// Everything that may be in the log, in log order.
    pub(crate) sent: Vec<Sent>,
    /// First offset that no reader has seen, by queue.
    pub(crate) seen: BTreeMap<Queue, u64>,
    pub(crate) bodies: u64,
    /// Everything before this index is answered and flushed.
    settled: usize,
}

impl Model {
    /// The marks of the store after a turn.
    pub(crate) fn note(&mut self, acknowledgeable: u64, flushed: u64) {
        for sent in &mut self.sent[self.settled..] {
            // A batch is answered and flushed as one.
            let end = sent.unit.1;
            sent.answered |= end <= acknowledgeable;
            sent.flushed |= end <= flushed;
        }
        let open = self.sent[self.settled..].iter().position(|sent| !(sent.answered && sent.flushed));
        self.settled = open.map_or(self.sent.len(), |open| self.settled + open);
    }

    pub(crate) fn note_seen(&mut self, queue: Queue, max: u64) {
        let seen = self.seen.entry(queue).or_default();
        *seen = (*seen).max(max);
    }

    /// Keeps what ends at or below `end`, after checking that nothing that had to survive is lost.
    pub(crate) fn cut(&mut self, end: u64, must_survive: impl Fn(&Sent) -> bool) -> Result<(), String> {
        for sent in &self.sent {
            let (from, to) = sent.unit;
            if from < end && end < to {
                return Err(format!("the log ends at {end}, inside the unit {from}..{to}"));
            }
            if to > end && must_survive(sent) {
                return Err(format!(
                    "lost: queue {:?} offset {} at {from}, the log ends at {end}; answered {}, flushed {}",
                    sent.queue, sent.placed.queue_offset, sent.answered, sent.flushed
                ));
            }
        }
        self.sent.retain(|sent| sent.unit.1 <= end);
        self.settled = self.sent.len();
        // From now on readers see it, so it may not go any more.
        self.sent.iter_mut().for_each(|sent| (sent.answered, sent.flushed) = (true, true));
        Ok(())
    }

    /// Compares one queue's messages (offset, body) with what must be there: exactly that.
    pub(crate) fn compare(&self, queue: Queue, found: &[(u64, Vec<u8>)]) -> Result<(), String> {
        let expected: Vec<_> = self.sent.iter().filter(|sent| sent.queue == queue).collect();
        for (sent, (offset, body)) in expected.iter().zip(found) {
            if sent.placed.queue_offset.get() != *offset || sent.body != *body {
                return Err(format!(
                    "queue {queue:?}: offset {offset} with {} bytes where offset {} with {} bytes was stored",
                    body.len(),
                    sent.placed.queue_offset,
                    sent.body.len()
                ));
            }
        }
        if expected.len() != found.len() {
            return Err(format!("queue {queue:?}: {} messages, {} were stored", found.len(), expected.len()));
        }
        Ok(())
    }
}
