//! Consumers: one per queue that pulls and commits, one that pops and acknowledges.

use history::{Event, Reader};
use testbed::{Answer, commit, offset_query, pop, popped, pull};

use crate::cluster::{Cluster, POPPED, PULLED, queue};
use crate::life::{Actor, Phase};
use crate::line::Line;
use crate::producers::attempt_of;

/// Longest wait for an answer, ms.
const PATIENCE_MS: u64 = 3_000;
const GROUP: &str = "pullers";

/// A member of a group that has one queue of its own.
pub(crate) struct Puller<'w> {
    line: Line<'w>,
    queue: u32,
    reader: Reader,
    /// Where to read next, once the committed offset is known.
    next: Option<i64>,
    waiting: Option<(i32, u64)>,
    /// The last answer had nothing.
    is_at_end: bool,
}

impl<'w> Puller<'w> {
    pub(crate) fn new(number: u32, shard: usize, queue: u32) -> Self {
        let line = Line::to(shard);
        Self { line, queue, reader: Reader(number), next: None, waiting: None, is_at_end: false }
    }
}

impl<'w> Actor<'w> for Puller<'w> {
    fn enter(&mut self) {
        self.is_at_end = false;
    }

    fn step(&mut self, cluster: &mut Cluster<'w>, _phase: Phase) {
        let now = cluster.world.now_ms();
        let Some((client, fresh)) = self.line.get(cluster) else { return };
        if fresh {
            (self.waiting, self.next, self.is_at_end) = (None, None, false);
        }
        let id = i32::try_from(self.queue).unwrap();
        match self.waiting {
            None => {
                let opaque = match self.next {
                    None => client.begin(&offset_query(GROUP, PULLED, id), b""),
                    Some(next) => client.begin(&pull(GROUP, PULLED, id, next), b""),
                };
                self.waiting = Some((opaque, now));
            }
            Some((opaque, since)) => match client.take(opaque) {
                Some(answer) => {
                    self.waiting = None;
                    self.answered(cluster, &answer);
                }
                None if since + PATIENCE_MS < now => self.line.hang_up(),
                None => {}
            },
        }
    }

    fn is_quiet(&self, _now: u64) -> bool {
        self.is_at_end
    }
}

impl<'w> Puller<'w> {
    fn answered(&mut self, cluster: &mut Cluster<'w>, answer: &Answer) {
        let id = i32::try_from(self.queue).unwrap();
        let Some(from) = self.next else {
            // 22 is "no offset yet": from the beginning, so that the group gets everything.
            self.next = match answer.code {
                0 => Some(answer.number("offset")),
                22 => Some(0),
                _ => None,
            };
            return;
        };
        let messages = if answer.code == 0 { answer.messages() } else { Vec::new() };
        self.is_at_end = answer.code == 19;
        for one in &messages {
            let attempt = attempt_of(&one.body);
            cluster.note(Event::Read {
                reader: self.reader,
                queue: queue(PULLED, self.line.shard, self.queue),
                offset: one.queue_offset,
                attempt,
                at_ms: one.stored_at_ms,
            });
            if let Some(attempt) = attempt {
                cluster.note(Event::Received { attempt });
            }
        }
        if matches!(answer.code, 0 | 19 | 20 | 21) {
            self.next = Some(answer.number("nextBeginOffset").max(from));
        }
        if !messages.is_empty()
            && let Some((client, _)) = self.line.get(cluster)
        {
            client.begin(&commit(GROUP, PULLED, id, self.next.unwrap()), b"");
        }
    }
}

/// The only member of a group that pops, on the first shard.
pub(crate) struct Popper<'w> {
    line: Line<'w>,
    waiting: Option<(i32, u64)>,
    /// Since when it got nothing, ms.
    nothing_since: u64,
}

impl<'w> Popper<'w> {
    pub(crate) fn new() -> Self {
        Self { line: Line::to(0), waiting: None, nothing_since: 0 }
    }
}

impl<'w> Actor<'w> for Popper<'w> {
    /// Pops and acknowledges, under trouble all but a tenth of the messages.
    fn step(&mut self, cluster: &mut Cluster<'w>, phase: Phase) {
        let now = cluster.world.now_ms();
        let Some((client, fresh)) = self.line.get(cluster) else { return };
        if fresh {
            self.waiting = None;
        }
        let Some((opaque, since)) = self.waiting else {
            let request =
                net::requests::PopMessage { invisible_time_ms: INVISIBLE_MS, topic: POPPED, ..pop() };
            self.waiting = Some((client.begin(&request, b""), now));
            return;
        };
        let Some(answer) = client.take(opaque) else {
            if since + PATIENCE_MS < now {
                self.line.hang_up();
            }
            return;
        };
        self.waiting = None;
        if answer.code != 0 {
            return;
        }
        self.nothing_since = now;
        for one in popped(&answer) {
            if phase == Phase::Trouble && cluster.random.percent(10) {
                continue; // it comes again
            }
            if let Some((client, _)) = self.line.get(cluster) {
                client.begin(&one.ack(), b"");
            }
            if let Some(attempt) = attempt_of(&one.message.body) {
                cluster.note(Event::Received { attempt });
            }
        }
    }

    fn is_quiet(&self, now: u64) -> bool {
        now > self.nothing_since + 3 * INVISIBLE_MS.unsigned_abs()
    }
}

/// How long a popped message stays away.
const INVISIBLE_MS: i64 = 3_000;
