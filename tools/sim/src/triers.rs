//! Consumers that give messages back: every message is done, or tried again later, or in the end a dead letter.

use std::collections::VecDeque;

use history::Event;
use net::names::RETRY_PREFIX;
use net::requests::{ConsumerSendMsgBack, HeartBeat};
use testbed::{Answer, Message, commit, heartbeat, offset_query, pull, subscription};

use crate::cluster::{Cluster, DELAYS_MS, PULLED, QUEUES, RETRIES_MAX};
use crate::life::{Actor, Phase};
use crate::line::Line;
use crate::producers::attempt_of;

pub(crate) const GROUP: &str = "triers";
/// Longest wait for an answer, ms.
const PATIENCE_MS: u64 = 3_000;

/// The member of the group that has all queues of a shard, and its retry topic.
pub(crate) struct Trier<'w> {
    line: Line<'w>,
    /// The shard's queues of the topic, and last the one of the retry topic.
    queues: Vec<Place>,
    /// Which of them is read.
    current: usize,
    /// What was read and is not done, and where to go on then.
    batch: VecDeque<Message>,
    behind: i64,
    waiting: Option<(i32, u64, Ask)>,
    /// When it gave something back last; that comes again.
    gave_back_at: u64,
}

struct Place {
    topic: String,
    queue_id: i32,
    next: Option<i64>,
    is_at_end: bool,
}

#[derive(Clone, Copy)]
enum Ask {
    Offset,
    Pull,
    /// The first message of the batch is to be tried again.
    GiveBack,
}

impl Trier<'_> {
    pub(crate) fn new(shard: usize) -> Self {
        let place = |topic: &str, queue_id| Place {
            topic: topic.to_owned(),
            queue_id: i32::try_from(queue_id).unwrap(),
            next: None,
            is_at_end: false,
        };
        let mut queues: Vec<Place> = (0..QUEUES).map(|id| place(PULLED, id)).collect();
        queues.push(place(&format!("{RETRY_PREFIX}{GROUP}"), 0));
        let line = Line::to(shard);
        Self { line, queues, current: 0, batch: VecDeque::new(), behind: 0, waiting: None, gave_back_at: 0 }
    }
}

impl<'w> Actor<'w> for Trier<'w> {
    fn enter(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.is_at_end = false);
    }

    fn step(&mut self, cluster: &mut Cluster<'w>, phase: Phase) {
        let now = cluster.world.now_ms();
        if phase == Phase::Trouble && cluster.random.below(1_000) == 0 {
            self.die();
        }
        let shard = self.line.shard;
        let Some((client, fresh)) = self.line.get(cluster) else { return };
        if fresh {
            self.waiting = None;
            let wanted = [subscription(PULLED, "*", 1)];
            client.begin(&HeartBeat {}, &heartbeat(&format!("trier{shard}"), GROUP, &wanted));
        }
        if let Some((opaque, since, ask)) = self.waiting {
            if let Some(answer) = client.take(opaque) {
                self.waiting = None;
                self.answered(cluster, ask, &answer);
            } else if since + PATIENCE_MS < now {
                self.line.hang_up();
                return;
            }
        }
        if self.waiting.is_none() {
            self.go_on(cluster, phase);
        }
    }

    fn is_quiet(&self, now: u64) -> bool {
        let longest_ms = DELAYS_MS[DELAYS_MS.len() - 1];
        now > self.gave_back_at + longest_ms
            && self.batch.is_empty()
            && self.queues.iter().all(|queue| queue.is_at_end)
    }
}

impl<'w> Trier<'w> {
    /// The process is gone, and another takes its place: what was not committed comes once more.
    fn die(&mut self) {
        self.line.hang_up();
        self.batch.clear();
        self.queues.iter_mut().for_each(|queue| queue.next = None);
        self.waiting = None;
    }

    /// Works until there is something to ask.
    fn go_on(&mut self, cluster: &mut Cluster<'w>, phase: Phase) {
        while let Some(first) = self.batch.front() {
            let from_topic = self.current < QUEUES as usize;
            cluster.note(match attempt_of(&first.body) {
                Some(attempt) if from_topic => Event::Received { attempt },
                _ => tried_again(first),
            });
            // A message that dies takes three tries of bad luck.
            if cluster.random.percent(if phase == Phase::Trouble { 50 } else { 25 }) {
                return self.give_back(cluster);
            }
            self.done(cluster);
        }
        let queue = &self.queues[self.current];
        let Some((client, _)) = self.line.get(cluster) else { return };
        let (opaque, ask) = match queue.next {
            None => (client.begin(&offset_query(GROUP, &queue.topic, queue.queue_id), b""), Ask::Offset),
            Some(next) => (client.begin(&pull(GROUP, &queue.topic, queue.queue_id, next), b""), Ask::Pull),
        };
        self.waiting = Some((opaque, cluster.world.now_ms(), ask));
    }

    fn give_back(&mut self, cluster: &mut Cluster<'w>) {
        let first = &self.batch[0];
        let (Some(attempt), times) = (attempt_of(&first.body), times_of(first)) else { return };
        let request = ConsumerSendMsgBack {
            offset: i64::try_from(first.physical_offset).unwrap(),
            group: GROUP,
            delay_level: 0,
            origin_msg_id: None,
            origin_topic: Some(PULLED),
            unit_mode: false,
            max_reconsume_times: Some(i32::try_from(RETRIES_MAX).unwrap()),
        };
        // Levels count from 1, and the first retry waits the third; the last one is not for a wait but for the grave.
        let wait_ms = DELAYS_MS[(times as usize + 2).min(DELAYS_MS.len() - 1)];
        let due_ms = cluster.world.unix_ms() + i64::try_from(wait_ms).unwrap();
        let Some((client, _)) = self.line.get(cluster) else { return };
        let opaque = client.begin(&request, b"");
        cluster.note(Event::GiveBack { attempt, times, due_ms });
        self.gave_back_at = cluster.world.now_ms();
        self.waiting = Some((opaque, cluster.world.now_ms(), Ask::GiveBack));
    }

    /// The first message of the batch needs no more care; the group's offset follows behind the last one.
    fn done(&mut self, cluster: &mut Cluster<'w>) {
        self.batch.pop_front();
        if !self.batch.is_empty() {
            return;
        }
        let queue = &mut self.queues[self.current];
        queue.next = Some(self.behind);
        if let Some((client, _)) = self.line.get(cluster) {
            let request = commit(GROUP, &queue.topic, queue.queue_id, self.behind);
            client.begin_as(net::RequestCode::UPDATE_CONSUMER_OFFSET, &request, b"", true);
        }
        self.current = (self.current + 1) % self.queues.len();
    }

    fn answered(&mut self, cluster: &mut Cluster<'w>, ask: Ask, answer: &Answer) {
        let queue = &mut self.queues[self.current];
        match ask {
            Ask::Offset => {
                queue.next = match answer.code {
                    0 => Some(answer.number("offset")),
                    22 => Some(0),
                    _ => None,
                };
            }
            Ask::Pull => {
                let from = queue.next.unwrap_or(0);
                queue.is_at_end = answer.code == 19;
                if matches!(answer.code, 0 | 19 | 20 | 21) {
                    self.behind = answer.number("nextBeginOffset").max(from);
                }
                if answer.code == 0 {
                    self.batch = answer.messages().into();
                } else {
                    if matches!(answer.code, 20 | 21) {
                        queue.next = Some(self.behind);
                    }
                    self.current = (self.current + 1) % self.queues.len();
                }
            }
            Ask::GiveBack if answer.code == 0 => {
                let first = &self.batch[0];
                if let Some(attempt) = attempt_of(&first.body) {
                    cluster.note(Event::GivenBack { attempt, times: times_of(first) });
                }
                self.done(cluster);
            }
            // It stays the first, and is looked at again.
            Ask::GiveBack => {}
        }
    }
}

/// A message of the group's retry topic.
pub(crate) fn tried_again(message: &Message) -> Event {
    let attempt = attempt_of(&message.body).unwrap_or(NOBODYS);
    Event::Again { attempt, times: times_of(message), at_ms: message.stored_at_ms }
}

/// A message of the group's dead letter topic.
pub(crate) fn dead_letter(message: &Message) -> Event {
    Event::Dead { attempt: attempt_of(&message.body).unwrap_or(NOBODYS), times: times_of(message) }
}

/// Stands for a body that nobody sent; nobody gave it back either.
const NOBODYS: history::Attempt = history::Attempt(u64::MAX);

/// How often it was tried again.
fn times_of(message: &Message) -> u32 {
    u32::try_from(message.reconsume_times).unwrap()
}
