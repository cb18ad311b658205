//! Reading a topic: every queue by a thread of its own, messages handed to one.
//!
//! Without a group everything is read and nothing remembered. With one, queues are shared with the other members and
//! progress is committed. Messages of one queue keep their order. Progress counts when a message was handled, so what
//! was being handled when the process died comes again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use net::names::RETRY_PREFIX;
use store::record::{Parsed, parse};

use super::assign::Queue;
use super::cluster::{Cluster, Place, odd};
use super::group::Membership;
use super::message::Message;
use super::puller::{Batch, Event, Puller};
use crate::client::selection::Selection;
use crate::failure::Failure;
use crate::time;

/// Where to start reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// At the oldest message.
    Earliest,
    /// After the newest.
    Latest,
    /// At the first message stored at or after this, ms since 1970.
    Time(i64),
}

/// What to read.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Topic.
    pub(crate) topic: String,
    /// Member of this group, or nobody's.
    pub(crate) group: Option<String>,
    /// Where to start; for a group only where it has no progress.
    pub(crate) from: From,
    /// Which messages.
    pub(crate) selection: Selection,
    /// Go on waiting at the end.
    pub(crate) follow: bool,
    /// Stop after so many messages.
    pub(crate) count: Option<u64>,
}

/// RocketMQ's group for tools: it needs no creation, and nothing is kept for it.
pub(crate) const TOOLS_GROUP: &str = "TOOLS_CONSUMER";
/// Batches that wait to be handled.
const BATCHES_WAITING: usize = 8;
/// How often signals are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often queues are shared anew and routes asked for.
const SHARE_MS: i64 = 5_000;
/// How often progress is committed.
const COMMIT_MS: i64 = 1_000;

/// A queue being read.
struct Reading {
    generation: u64,
    stop: Arc<AtomicBool>,
    thread: std::thread::Thread,
    /// After the last handled message; `None` before the first.
    progress: Option<i64>,
    committed: Option<i64>,
    finished: bool,
}

/// Reads a topic.
pub(crate) struct Consumer {
    cluster: Cluster,
    options: Options,
    membership: Option<Membership>,
    readings: HashMap<Queue, Reading>,
    sender: SyncSender<Event>,
    events: Receiver<Event>,
    generations: u64,
    handled: u64,
    /// What was last said about trouble, so that it is said once.
    told: Option<String>,
}

/// Whether to go on after a message.
pub(crate) type Handled = Result<(), Failure>;

impl Consumer {
    /// Looks the topic up and joins the group.
    ///
    /// # Errors
    /// No route, or nobody answers.
    pub(crate) fn new(mut cluster: Cluster, options: Options) -> Result<Self, Failure> {
        let places = cluster.route(&options.topic)?;
        let membership = options
            .group
            .as_ref()
            .map(|group| Membership::join(&mut cluster, group, &options.topic, &options.selection, &places))
            .transpose()?;
        let (sender, events) = sync_channel(BATCHES_WAITING);
        let readings = HashMap::new();
        Ok(Self {
            cluster,
            options,
            membership,
            readings,
            sender,
            events,
            generations: 0,
            handled: 0,
            told: None,
        })
    }

    /// Hands messages to `handle` until there are no more, or enough, or `interrupted` is set. Leaves the group and
    /// commits progress at the end, whatever the reason.
    ///
    /// # Errors
    /// What `handle` said; [`Failure::Interrupted`]; a queue that cannot be read when not following.
    pub(crate) fn run(
        mut self,
        interrupted: &AtomicBool,
        mut handle: impl FnMut(&Message<'_>, (i64, i64)) -> Handled,
    ) -> Result<(), Failure> {
        let done = self.read(interrupted, &mut handle);
        self.stop_all();
        let committed = self.commit();
        if let Some(membership) = self.membership.take() {
            membership.leave(&mut self.cluster);
        }
        done.and(committed)
    }

    fn read(
        &mut self,
        interrupted: &AtomicBool,
        handle: &mut impl FnMut(&Message<'_>, (i64, i64)) -> Handled,
    ) -> Result<(), Failure> {
        let (mut share_at, mut commit_at) = (0, time::now_ms() + COMMIT_MS);
        loop {
            let now = time::now_ms();
            if now >= share_at {
                self.share()?;
                share_at = now + SHARE_MS;
            }
            if now >= commit_at {
                self.commit()?;
                commit_at = now + COMMIT_MS;
            }
            match self.events.recv_timeout(TICK) {
                Ok(Event::Batch(batch)) => {
                    if self.handle(&batch, handle)? {
                        return Ok(());
                    }
                }
                Ok(Event::Finished { queue, generation }) => self.finished(&queue, generation),
                Ok(Event::Trouble(failure)) if self.options.follow => self.tell(&failure),
                Ok(Event::Trouble(failure)) => return Err(failure),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender ourselves"),
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
            let all_finished = self.readings.values().all(|reading| reading.finished);
            if !self.options.follow && all_finished {
                return Ok(());
            }
        }
    }

    /// Hands over the messages of a batch. `true`: that was enough.
    fn handle(
        &mut self,
        batch: &Batch,
        handle: &mut impl FnMut(&Message<'_>, (i64, i64)) -> Handled,
    ) -> Result<bool, Failure> {
        let current =
            self.readings.get(&batch.queue).is_some_and(|reading| reading.generation == batch.generation);
        if !current {
            // Another member reads this queue now.
            return Ok(false);
        }
        let mut rest = batch.bytes.as_slice();
        while !rest.is_empty() {
            let record = match parse(rest) {
                Ok(Parsed::Record(record)) => record,
                Ok(Parsed::Blank { .. }) => break,
                Err(damage) => {
                    return Err(odd(
                        &batch.address,
                        "reading messages",
                        format!("no message record: {damage:?}"),
                    ));
                }
            };
            rest = &rest[record.bytes().len()..];
            let next = i64::try_from(record.queue_offset().get()).unwrap_or(i64::MAX).saturating_add(1);
            let message = Message::new(record, &batch.queue.broker);
            if self.options.selection.wants(&message.tag()) {
                handle(&message, batch.bounds)?;
                self.handled += 1;
            }
            self.advance(&batch.queue, next);
            if self.options.count.is_some_and(|count| self.handled >= count) {
                return Ok(true);
            }
        }
        self.advance(&batch.queue, batch.next);
        self.told = None;
        Ok(false)
    }

    fn advance(&mut self, queue: &Queue, next: i64) {
        if let Some(reading) = self.readings.get_mut(queue) {
            reading.progress = Some(next);
        }
    }

    fn finished(&mut self, queue: &Queue, generation: u64) {
        if let Some(reading) = self.readings.get_mut(queue).filter(|reading| reading.generation == generation)
        {
            reading.finished = true;
        }
    }

    fn tell(&mut self, failure: &Failure) {
        let text = failure.to_string();
        if self.told.as_ref() != Some(&text) {
            eprintln!("{text}\n  then   trying again every second");
            self.told = Some(text);
        }
    }

    /// Starts and stops pullers so that they are those of our queues.
    fn share(&mut self) -> Result<(), Failure> {
        let ours = match self.queues() {
            Ok(ours) => ours,
            // A cluster that is away for a moment does not end a following consumer.
            Err(failure) if self.options.follow && !self.readings.is_empty() => {
                self.tell(&failure);
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let gone: Vec<Queue> = self
            .readings
            .keys()
            .filter(|queue| !ours.iter().any(|(own, _)| own == *queue))
            .cloned()
            .collect();
        self.commit()?;
        for queue in gone {
            if let Some(reading) = self.readings.remove(&queue) {
                halt(&reading);
            }
        }
        for (queue, place) in ours {
            if !self.readings.contains_key(&queue) {
                self.start(queue, &place);
            }
        }
        Ok(())
    }

    /// The queues that we read now, each with its broker.
    fn queues(&mut self) -> Result<Vec<(Queue, Place)>, Failure> {
        let places = self.cluster.route(&self.options.topic)?;
        let Some(membership) = &mut self.membership else {
            return Ok(readable(&self.options.topic, &places));
        };
        let retry = format!("{RETRY_PREFIX}{}", membership.group());
        let retry_places = self.cluster.find_route(&retry)?.unwrap_or_default();
        let members = membership.members(&mut self.cluster, &places)?;
        let mut ours = Vec::new();
        for (topic, places) in [(self.options.topic.as_str(), &places), (retry.as_str(), &retry_places)] {
            let all = readable(topic, places);
            let queues = all.iter().map(|(queue, _)| queue.clone()).collect();
            let share = super::assign::share(queues, &members, membership.client_id());
            ours.extend(all.into_iter().filter(|(queue, _)| share.contains(queue)));
        }
        Ok(ours)
    }

    fn start(&mut self, queue: Queue, place: &Place) {
        let Some(address) = place.readable() else { return };
        self.generations += 1;
        let stop = Arc::new(AtomicBool::new(false));
        let puller = Puller {
            cluster: self.cluster.another(),
            address: address.to_owned(),
            queue: queue.clone(),
            generation: self.generations,
            group: self.options.group.clone(),
            from: self.options.from,
            selection: self.options.selection.clone(),
            follow: self.options.follow,
            stop: stop.clone(),
            events: self.sender.clone(),
        };
        let thread = puller.spawn();
        let generation = self.generations;
        let reading = Reading { generation, stop, thread, progress: None, committed: None, finished: false };
        self.readings.insert(queue, reading);
    }

    fn stop_all(&mut self) {
        self.readings.values().for_each(halt);
    }

    fn commit(&mut self) -> Result<(), Failure> {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        membership.keep_alive(&mut self.cluster);
        let mut problem = None;
        for (queue, reading) in &mut self.readings {
            let Some(progress) = reading.progress.filter(|progress| reading.committed != Some(*progress))
            else {
                continue;
            };
            match membership.commit(&mut self.cluster, queue, progress) {
                Ok(()) => reading.committed = Some(progress),
                Err(failure) => problem = Some(failure),
            }
        }
        match problem {
            Some(failure) if self.options.follow => {
                self.tell(&failure);
                Ok(())
            }
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

fn halt(reading: &Reading) {
    reading.stop.store(true, Ordering::Relaxed);
    reading.thread.unpark();
}

fn readable(topic: &str, places: &[Place]) -> Vec<(Queue, Place)> {
    let queues = |place: &Place| -> Vec<(Queue, Place)> {
        let queue = |id| Queue { topic: topic.to_owned(), broker: place.broker.clone(), id };
        (0..place.read_queues).map(|id| (queue(id), place.clone())).collect()
    };
    places.iter().flat_map(queues).collect()
}
