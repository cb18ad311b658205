//! [`World`]: virtual time, the tasks and the reactors of one simulation.
//!
//! Nothing in here is borrowed while foreign code runs (a task, a reactor, a timer's closure): all of them may call
//! back into the world.

use std::cell::{Cell, RefCell};
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use slab::Slab;

use super::net::Links;
use super::random::{Random, mix};
use crate::{Mono, Now};

use self::machines::{EnvState, Machine};
use self::tasks::Task;
use self::timers::{Action, Timer};

mod machines;
mod tasks;
mod timers;

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

/// What can run next.
#[derive(Clone, Copy, Debug)]
enum Ready {
    Task { key: usize, sequence: u64 },
    Turn(EnvIndex),
    Main,
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

    /// The end of an idle wait.
    pub(super) fn set_clock(&self, to_ns: u64) {
        self.clock_ns.set(self.clock_ns.get().max(to_ns));
    }

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

    /// Drops all that could hold the world alive in a circle.
    pub(super) fn end(&self) {
        let machines = self.machines.borrow().len();
        (0..machines).for_each(|machine| self.kill(machine));
        let timers = std::mem::take(&mut *self.timers.borrow_mut());
        let links = std::mem::take(&mut *self.links.borrow_mut());
        drop((timers, links));
    }
}

/// Wall-clock time at which every simulation starts.
const EPOCH_MS: i64 = 1_700_000_000_000;
