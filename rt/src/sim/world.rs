//! [`World`]: virtual time, the tasks and the reactors of one simulation.
//!
//! Nothing in here is borrowed while foreign code runs (a task, a reactor, a timer's closure): all of them may call
//! back into the world.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;

use super::net::{Arrived, Links};
use super::random::{Random, mix};
use crate::{Mono, Now, Reactor};

pub(super) type MachineIndex = usize;
pub(super) type EnvIndex = usize;

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) random: Random,
    clock_ns: Cell<u64>,
    trace: Cell<u64>,
    timers: RefCell<BinaryHeap<Timer>>,
    timer_sequence: Cell<u64>,
    tasks: RefCell<Slab<Task>>,
    task_sequence: Cell<u64>,
    /// Filled by wakers, which must be `Send`; only ever touched from this thread.
    woken: Arc<Mutex<Vec<Ready>>>,
    ready: RefCell<Vec<Ready>>,
    machines: RefCell<Vec<Machine>>,
    envs: RefCell<Vec<EnvState>>,
    pub(super) links: RefCell<Links>,
}

struct Task {
    machine: MachineIndex,
    /// Taken out while it is polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
}

struct Machine {
    alive: bool,
    paused: bool,
    /// What became ready while paused.
    parked: Vec<Ready>,
    clock_shift_ms: i64,
}

struct EnvState {
    machine: MachineIndex,
    reactor: Option<Rc<RefCell<dyn Reactor>>>,
    turn_queued: bool,
    /// The earliest timer set for a turn.
    turn_at: Option<u64>,
    events: VecDeque<Arrived>,
}

/// What can run next.
#[derive(Clone, Copy, Debug)]
enum Ready {
    Task { key: usize, sequence: u64 },
    Turn(EnvIndex),
    Main,
}

struct Timer {
    at: u64,
    sequence: u64,
    action: Action,
}

enum Action {
    Wake(Waker),
    Call(Box<dyn FnOnce()>),
    Turn(EnvIndex),
}

/// What one step did.
pub(super) enum Stepped {
    /// Something ran.
    Ran,
    /// The future given to `block_on` wants to be polled.
    Main,
    /// Nothing is ready and no timer is set.
    Idle,
}

impl World {
    pub(super) fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self {
            seed,
            random: Random::new(seed),
            clock_ns: Cell::new(0),
            trace: Cell::new(mix(seed)),
            timers: RefCell::default(),
            timer_sequence: Cell::new(0),
            tasks: RefCell::default(),
            task_sequence: Cell::new(0),
            woken: Arc::default(),
            ready: RefCell::default(),
            machines: RefCell::default(),
            envs: RefCell::default(),
            links: RefCell::default(),
        })
    }

    pub(super) fn now(&self) -> Mono {
        Mono(self.clock_ns.get())
    }

    pub(super) fn now_on(&self, machine: MachineIndex) -> Now {
        let mono = self.now();
        let elapsed_ms = i64::try_from(mono.0 / 1_000_000).expect("a simulation shorter than an aeon");
        Now { mono, unix_ms: EPOCH_MS + elapsed_ms + self.machines.borrow()[machine].clock_shift_ms }
    }

    pub(super) fn trace_hash(&self) -> u64 {
        self.trace.get()
    }

    /// Folds `value` into the trace hash.
    pub(super) fn trace(&self, value: u64) {
        self.trace.set(mix(self.trace.get() ^ value));
    }

    /// Runs `action` when the clock reaches `at_ns`.
    pub(super) fn at(&self, at_ns: u64, action: impl FnOnce() + 'static) {
        self.set_timer(at_ns, Action::Call(Box::new(action)));
    }

    pub(super) fn wake_at(&self, at_ns: u64, waker: Waker) {
        self.set_timer(at_ns, Action::Wake(waker));
    }

    fn set_timer(&self, at: u64, action: Action) {
        let sequence = self.timer_sequence.get();
        self.timer_sequence.set(sequence + 1);
        self.timers.borrow_mut().push(Timer { at, sequence, action });
    }

    // Machines and reactors.

    pub(super) fn add_machine(&self) -> MachineIndex {
        let mut machines = self.machines.borrow_mut();
        machines.push(Machine { alive: true, paused: false, parked: Vec::new(), clock_shift_ms: 0 });
        machines.len() - 1
    }

    pub(super) fn add_env(&self, machine: MachineIndex) -> EnvIndex {
        let mut envs = self.envs.borrow_mut();
        envs.push(EnvState {
            machine,
            reactor: None,
            turn_queued: false,
            turn_at: None,
            events: VecDeque::new(),
        });
        envs.len() - 1
    }

    pub(super) fn is_alive(&self, machine: MachineIndex) -> bool {
        self.machines.borrow()[machine].alive
    }

    pub(super) fn env_is_alive(&self, env: EnvIndex) -> bool {
        self.is_alive(self.envs.borrow()[env].machine)
    }

    pub(super) fn shift_clock_ms(&self, machine: MachineIndex, by_ms: i64) {
        self.machines.borrow_mut()[machine].clock_shift_ms += by_ms;
    }

    pub(super) fn set_paused(&self, machine: MachineIndex, paused: bool) {
        let parked = {
            let mut machines = self.machines.borrow_mut();
            machines[machine].paused = paused;
            std::mem::take(&mut machines[machine].parked)
        };
        self.ready.borrow_mut().extend(parked);
    }

    /// Ends everything that runs on `machine`.
    pub(super) fn kill(&self, machine: MachineIndex) {
        {
            let mut machines = self.machines.borrow_mut();
            machines[machine].alive = false;
            machines[machine].parked.clear();
        }
        let mut remains: Vec<Box<dyn std::any::Any>> = Vec::new();
        for env in self.envs.borrow_mut().iter_mut().filter(|env| env.machine == machine) {
            remains.push(Box::new((env.reactor.take(), std::mem::take(&mut env.events))));
        }
        let futures: Vec<_> = {
            let mut tasks = self.tasks.borrow_mut();
            let keys: Vec<_> =
                tasks.iter().filter(|(_, task)| task.machine == machine).map(|(key, _)| key).collect();
            keys.into_iter().map(|key| tasks.remove(key)).collect()
        };
        // Dropped last, with nothing borrowed: their destructors may call in here.
        drop((remains, futures));
    }

    pub(super) fn drive(&self, env: EnvIndex, reactor: Rc<RefCell<dyn Reactor>>) {
        let before = self.envs.borrow_mut()[env].reactor.replace(reactor);
        assert!(before.is_none(), "an Env has one reactor");
        self.queue_turn(env);
    }

    /// Makes the reactor of `env`, if any, take a turn soon.
    pub(super) fn queue_turn(&self, env: EnvIndex) {
        let state = &mut self.envs.borrow_mut()[env];
        if state.reactor.is_some() && !std::mem::replace(&mut state.turn_queued, true) {
            self.ready.borrow_mut().push(Ready::Turn(env));
        }
    }

    /// Hands `event` to the reactor of `env` in its next turn.
    pub(super) fn deliver(&self, env: EnvIndex, event: Arrived) {
        self.envs.borrow_mut()[env].events.push_back(event);
        self.queue_turn(env);
    }

    // Tasks.

    pub(super) fn spawn(&self, machine: MachineIndex, future: Pin<Box<dyn Future<Output = ()>>>) {
        if !self.is_alive(machine) {
            return;
        }
        let sequence = self.task_sequence.get();
        self.task_sequence.set(sequence + 1);
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let what = Ready::Task { key: entry.key(), sequence };
        let waker = self.waker(what, true);
        entry.insert(Task { machine, future: Some(future), waker });
        self.ready.borrow_mut().push(what);
    }

    fn waker(&self, what: Ready, queued: bool) -> Arc<TaskWaker> {
        Arc::new(TaskWaker { what, queued: AtomicBool::new(queued), woken: self.woken.clone() })
    }

    /// A waker for the future given to `block_on`, ready at once.
    pub(super) fn main(&self) -> MainWaker {
        let waker = self.waker(Ready::Main, false);
        waker.wake_by_ref();
        MainWaker(waker)
    }

    // The loop.

    /// Fires what is due, then runs one ready thing, chosen by the seed; lets time pass if there is none, but not
    /// beyond `limit_ns`.
    pub(super) fn step(self: &Rc<Self>, limit_ns: u64) -> Stepped {
        self.fire_due();
        self.collect_woken();
        let Some(what) = self.choose() else {
            return self.let_time_pass(limit_ns);
        };
        // Thinking takes time, so that a task that only yields does not stop the clock.
        self.clock_ns.set(self.clock_ns.get() + self.random.between(50, 1_000));
        match what {
            Ready::Main => return Stepped::Main,
            Ready::Turn(env) => self.turn(env),
            Ready::Task { key, sequence } => self.poll(key, sequence),
        }
        Stepped::Ran
    }

    fn let_time_pass(&self, limit_ns: u64) -> Stepped {
        let next = self.timers.borrow().peek().map(|timer| timer.at);
        match next {
            Some(at) if at <= limit_ns => {
                self.clock_ns.set(self.clock_ns.get().max(at));
                Stepped::Ran
            }
            Some(_) => {
                self.clock_ns.set(self.clock_ns.get().max(limit_ns));
                Stepped::Ran
            }
            None => Stepped::Idle,
        }
    }

    /// The end of an idle wait.
    pub(super) fn set_clock(&self, to_ns: u64) {
        self.clock_ns.set(self.clock_ns.get().max(to_ns));
    }

    fn fire_due(&self) {
        let now = self.clock_ns.get();
        loop {
            let action = {
                let mut timers = self.timers.borrow_mut();
                match timers.peek() {
                    Some(timer) if timer.at <= now => timers.pop().expect("just peeked").action,
                    _ => return,
                }
            };
            match action {
                Action::Wake(waker) => waker.wake(),
                Action::Call(call) => call(),
                Action::Turn(env) => {
                    let state = &mut self.envs.borrow_mut()[env];
                    state.turn_at = None;
                    if state.reactor.is_some() && !std::mem::replace(&mut state.turn_queued, true) {
                        self.ready.borrow_mut().push(Ready::Turn(env));
                    }
                }
            }
        }
    }

    fn collect_woken(&self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        self.ready.borrow_mut().append(&mut woken);
    }

    fn choose(&self) -> Option<Ready> {
        loop {
            let what = {
                let mut ready = self.ready.borrow_mut();
                if ready.is_empty() {
                    return None;
                }
                let index = self.random.below(ready.len() as u64);
                ready.swap_remove(usize::try_from(index).expect("below a length"))
            };
            let Some(machine) = self.machine_of(what) else { return Some(what) };
            let state = &mut self.machines.borrow_mut()[machine];
            if state.paused {
                state.parked.push(what);
            } else if state.alive {
                return Some(what);
            }
        }
    }

    fn machine_of(&self, what: Ready) -> Option<MachineIndex> {
        match what {
            Ready::Main => None,
            Ready::Turn(env) => Some(self.envs.borrow()[env].machine),
            Ready::Task { key, sequence } => {
                let tasks = self.tasks.borrow();
                tasks.get(key).filter(|task| task.is(sequence)).map(|task| task.machine)
            }
        }
    }

    fn poll(&self, key: usize, sequence: u64) {
        self.trace(mix(sequence) ^ self.clock_ns.get());
        let (mut future, waker) = {
            let mut tasks = self.tasks.borrow_mut();
            // Woken after its end; the slot may have a new tenant.
            let Some(task) = tasks.get_mut(key).filter(|task| task.is(sequence)) else { return };
            task.waker.queued.store(false, Atomic::Relaxed);
            (task.future.take().expect("polled by one step at a time"), task.waker.clone())
        };
        let finished = future.as_mut().poll(&mut Context::from_waker(&Waker::from(waker))) == Poll::Ready(());
        let mut tasks = self.tasks.borrow_mut();
        let Some(task) = tasks.get_mut(key).filter(|task| task.is(sequence)) else { return };
        if finished {
            let _done = tasks.remove(key);
        } else {
            task.future = Some(future);
        }
    }

    fn turn(self: &Rc<Self>, env: EnvIndex) {
        self.trace(mix(env as u64 + 1) ^ self.clock_ns.get());
        let (reactor, machine, waiting) = {
            let state = &mut self.envs.borrow_mut()[env];
            state.turn_queued = false;
            let Some(reactor) = state.reactor.clone() else { return };
            (reactor, state.machine, state.events.len())
        };
        // Mostly all that waits, sometimes a part, as a full completion queue would have it.
        let batch =
            if self.random.chance(75) { waiting as u64 } else { self.random.between(0, waiting as u64) };
        let now = self.now_on(machine);
        for _ in 0..batch {
            let event = self.envs.borrow_mut()[env].events.pop_front();
            let Some(event) = event else { break };
            super::net::hand_over(self, env, event, |event| reactor.borrow_mut().event(event, now));
        }
        let outcome = reactor.borrow_mut().end_of_turn(now);
        let state = &mut self.envs.borrow_mut()[env];
        if outcome.stop {
            state.reactor = None;
            return;
        }
        if let Some(deadline) = outcome.deadline
            && state.turn_at.is_none_or(|set| deadline.0 < set)
        {
            state.turn_at = Some(deadline.0);
            self.set_timer(deadline.0, Action::Turn(env));
        }
        if !state.events.is_empty() && !std::mem::replace(&mut state.turn_queued, true) {
            self.ready.borrow_mut().push(Ready::Turn(env));
        }
    }

    /// Whether the reactor of `env` runs.
    pub(super) fn is_driven(&self, env: EnvIndex) -> bool {
        self.envs.borrow()[env].reactor.is_some()
    }

    /// Drops all that could hold the world alive in a circle.
    pub(super) fn end(&self) {
        let machines = self.machines.borrow().len();
        (0..machines).for_each(|machine| self.kill(machine));
        let timers = std::mem::take(&mut *self.timers.borrow_mut());
        let links = std::mem::take(&mut *self.links.borrow_mut());
        drop((timers, links));
    }
}

impl Task {
    fn is(&self, sequence: u64) -> bool {
        matches!(self.waker.what, Ready::Task { sequence: own, .. } if own == sequence)
    }
}

/// The waker of the future that `block_on` polls itself.
pub(super) struct MainWaker(Arc<TaskWaker>);

impl MainWaker {
    /// To be called when the main future is about to be polled: from here on a wake counts again.
    pub(super) fn unqueue(&self) {
        self.0.queued.store(false, Atomic::Relaxed);
    }

    pub(super) fn waker(&self) -> Waker {
        self.0.clone().into()
    }
}

struct TaskWaker {
    what: Ready,
    queued: AtomicBool,
    woken: Arc<Mutex<Vec<Ready>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Atomic::Relaxed) {
            self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.what);
        }
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heap is a max-heap, so the earliest is the greatest.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// Wall-clock time at which every simulation starts.
const EPOCH_MS: i64 = 1_700_000_000_000;
