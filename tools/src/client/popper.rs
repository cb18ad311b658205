//! Popping a topic: any member of the group gets any message, and each is acknowledged when it was handled.
//!
//! A thread per broker asks for messages; one place handles and acknowledges them. What was not acknowledged when the
//! process died comes again after the invisible time; what was taken and not handled is given back at the end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use net::ResponseCode;
use net::requests::PopMessage;

use super::cluster::{Cluster, refused};
use super::message::Message;
use super::selection::Selection;
use crate::failure::Failure;
use crate::time;

mod popped;

use popped::Popped;

/// What to pop.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Topic.
    pub(crate) topic: String,
    /// The group that shares its messages.
    pub(crate) group: String,
    /// A group without progress starts at the newest message instead of the oldest.
    pub(crate) from_latest: bool,
    /// Which messages.
    pub(crate) selection: Selection,
    /// How long nobody else sees a message that was not acknowledged.
    pub(crate) invisible: Duration,
    /// Go on waiting when there is nothing.
    pub(crate) follow: bool,
    /// Stop after so many messages.
    pub(crate) count: Option<u64>,
}

/// Messages per pop.
const BATCH: i32 = 32;
/// How long a broker may hold a pop.
const HOLD: Duration = Duration::from_secs(5);
/// Pops that wait to be handled: messages in them get older, so few.
const POPS_WAITING: usize = 1;
const TICK: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);
/// How often the route is asked for.
const ROUTE_MS: i64 = 5_000;

/// What a broker gave.
enum Event {
    Popped(Popped),
    /// Nothing is left there, and the thread has ended.
    Empty,
    Trouble(Failure),
}

/// Pops until there is nothing more, or enough, or `interrupted` is set; hands each message to `handle`.
///
/// # Errors
/// What `handle` said; [`Failure::Interrupted`]; a broker that refuses when not following.
pub(crate) fn run(
    mut cluster: Cluster,
    options: &Options,
    interrupted: &AtomicBool,
    mut handle: impl FnMut(&Message<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, events) = sync_channel(POPS_WAITING);
    let mut session = Session { options, handled: 0, asked: HashSet::new(), empty: 0, told: None };
    let done = session.read(&mut cluster, (&sender, &events), &stop, interrupted, &mut handle);
    stop.store(true, Ordering::Relaxed);
    // Whatever else came is somebody else's.
    drop(sender);
    while let Ok(Event::Popped(popped)) = events.recv_timeout(TICK) {
        popped.give_back(&mut cluster, options, 0);
    }
    done
}

struct Session<'a> {
    options: &'a Options,
    handled: u64,
    /// Brokers that have a thread.
    asked: HashSet<String>,
    empty: usize,
    told: Option<String>,
}

impl Session<'_> {
    fn read(
        &mut self,
        cluster: &mut Cluster,
        (sender, events): (&SyncSender<Event>, &Receiver<Event>),
        stop: &Arc<AtomicBool>,
        interrupted: &AtomicBool,
        handle: &mut impl FnMut(&Message<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut route_at = 0;
        loop {
            if time::now_ms() >= route_at {
                self.ask_new_brokers(cluster, sender, stop)?;
                route_at = time::now_ms() + ROUTE_MS;
            }
            match events.recv_timeout(TICK) {
                Ok(Event::Popped(popped)) => {
                    if self.handle(cluster, &popped, handle)? {
                        return Ok(());
                    }
                }
                Ok(Event::Empty) => self.empty += 1,
                Ok(Event::Trouble(failure)) if self.options.follow => self.tell(&failure),
                Ok(Event::Trouble(failure)) => return Err(failure),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender ourselves"),
            }
            if interrupted.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
            if self.empty == self.asked.len() {
                return Ok(());
            }
        }
    }

    fn ask_new_brokers(
        &mut self,
        cluster: &mut Cluster,
        sender: &SyncSender<Event>,
        stop: &Arc<AtomicBool>,
    ) -> Result<(), Failure> {
        let places = match cluster.route(&self.options.topic) {
            Ok(places) => places,
            Err(failure) if self.options.follow && !self.asked.is_empty() => {
                self.tell(&failure);
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        for place in places.iter().filter(|place| place.read_queues > 0) {
            // Pops change what the broker knows: only a master takes them.
            let Some(address) = place.master() else { continue };
            if self.asked.insert(place.broker.clone()) {
                let popper = Popper {
                    cluster: cluster.another(),
                    options: self.options.clone(),
                    broker: place.broker.clone(),
                    address: address.to_owned(),
                    stop: stop.clone(),
                    events: sender.clone(),
                };
                popper.spawn();
            }
        }
        Ok(())
    }

    /// Hands over and acknowledges the messages of one pop. `true`: that was enough.
    fn handle(
        &mut self,
        cluster: &mut Cluster,
        popped: &Popped,
        handle: &mut impl FnMut(&Message<'_>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        self.told = None;
        for (index, record) in popped.records()?.into_iter().enumerate() {
            if self.is_enough() {
                popped.give_back(cluster, self.options, index);
                return Ok(true);
            }
            let receipt = popped.receipt(&self.options.group, &record)?;
            let message = Message::new(record, &popped.broker);
            if self.options.selection.wants(&message.tag()) {
                if let Err(failure) = handle(&message) {
                    popped.give_back(cluster, self.options, index);
                    return Err(failure);
                }
                self.handled += 1;
            }
            popped.acknowledge(cluster, self.options, &receipt)?;
        }
        Ok(self.is_enough())
    }

    fn is_enough(&self) -> bool {
        self.options.count.is_some_and(|count| self.handled >= count)
    }

    fn tell(&mut self, failure: &Failure) {
        let text = failure.to_string();
        if self.told.as_ref() != Some(&text) {
            eprintln!("{text}\n  then   trying again every second");
            self.told = Some(text);
        }
    }
}

/// Asks one broker.
struct Popper {
    cluster: Cluster,
    options: Options,
    broker: String,
    address: String,
    stop: Arc<AtomicBool>,
    events: SyncSender<Event>,
}

impl Popper {
    /// Starts the thread. It ends soon after `stop` is set or nobody listens any more.
    #[expect(clippy::disallowed_methods, reason = "a tool with blocking sockets, not a shard")]
    fn spawn(mut self) {
        std::thread::spawn(move || self.run());
    }

    fn run(&mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let event = match self.pop() {
                Ok(Some(popped)) => Event::Popped(popped),
                Ok(None) if self.options.follow => continue,
                Ok(None) => Event::Empty,
                Err(failure) => Event::Trouble(failure),
            };
            let is_last = matches!(event, Event::Empty);
            let is_trouble = matches!(event, Event::Trouble(_));
            if self.events.send(event).is_err() || is_last {
                return;
            }
            if is_trouble {
                std::thread::park_timeout(PAUSE);
            }
        }
    }

    fn pop(&mut self) -> Result<Option<Popped>, Failure> {
        let hold = if self.options.follow { HOLD } else { Duration::ZERO };
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let (expression, kind) = self.options.selection.on_the_wire();
        let left = self.options.count.map_or(BATCH, |count| i32::try_from(count).unwrap_or(BATCH).min(BATCH));
        let header = PopMessage {
            consumer_group: &self.options.group,
            topic: &self.options.topic,
            queue_id: -1,
            max_msg_nums: left.max(1),
            invisible_time_ms: millis(self.options.invisible),
            poll_time_ms: millis(hold),
            born_at_ms: time::now_ms(),
            init_mode: i32::from(self.options.from_latest),
            exp_type: Some(kind),
            exp: Some(expression),
            order: false,
            attempt_id: None,
        };
        let doing = format!("popping {} at {}", self.options.topic, self.broker);
        let timeout = hold + self.cluster.timeout().max(PAUSE);
        let answer = self.cluster.call_within(&self.address, &header, &[], &doing, timeout)?;
        match answer.code {
            ResponseCode::SUCCESS => {}
            ResponseCode::POLLING_TIMEOUT | ResponseCode::POLLING_FULL | ResponseCode::PULL_NOT_FOUND => {
                return Ok(None);
            }
            _ => return Err(refused(&self.address, &doing, &answer)),
        }
        Ok(Some(Popped { broker: self.broker.clone(), address: self.address.clone(), answer }))
    }
}
