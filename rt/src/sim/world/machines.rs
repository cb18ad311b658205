//! Machines and the reactors on them.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{EnvIndex, MachineIndex, Ready, World};
use crate::Reactor;
use crate::sim::net::Arrived;

pub(super) struct Machine {
    pub(super) alive: bool,
    pub(super) paused: bool,
    /// What became ready while paused.
    pub(super) parked: Vec<Ready>,
    pub(super) clock_shift_ms: i64,
}

pub(super) struct EnvState {
    pub(super) machine: MachineIndex,
    pub(super) reactor: Option<Rc<RefCell<dyn Reactor>>>,
    pub(super) turn_queued: bool,
    /// The earliest timer set for a turn.
    pub(super) turn_at: Option<u64>,
    pub(super) events: VecDeque<Arrived>,
}

impl World {
    pub(in crate::sim) fn add_machine(&self) -> MachineIndex {
        let mut machines = self.machines.borrow_mut();
        machines.push(Machine { alive: true, paused: false, parked: Vec::new(), clock_shift_ms: 0 });
        machines.len() - 1
    }

    pub(in crate::sim) fn add_env(&self, machine: MachineIndex) -> EnvIndex {
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

    pub(in crate::sim) fn is_alive(&self, machine: MachineIndex) -> bool {
        self.machines.borrow()[machine].alive
    }

    pub(in crate::sim) fn env_is_alive(&self, env: EnvIndex) -> bool {
        self.is_alive(self.envs.borrow()[env].machine)
    }

    pub(in crate::sim) fn shift_clock_ms(&self, machine: MachineIndex, by_ms: i64) {
        self.machines.borrow_mut()[machine].clock_shift_ms += by_ms;
    }

    pub(in crate::sim) fn set_paused(&self, machine: MachineIndex, paused: bool) {
        let parked = {
            let mut machines = self.machines.borrow_mut();
            machines[machine].paused = paused;
            std::mem::take(&mut machines[machine].parked)
        };
        self.ready.borrow_mut().extend(parked);
    }

    /// Ends everything that runs on `machine`.
    pub(in crate::sim) fn kill(&self, machine: MachineIndex) {
        {
            let mut machines = self.machines.borrow_mut();
            machines[machine].alive = false;
            machines[machine].parked.clear();
        }
        let mut remains: Vec<Box<dyn Any>> = Vec::new();
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

    pub(in crate::sim) fn drive(&self, env: EnvIndex, reactor: Rc<RefCell<dyn Reactor>>) {
        let before = self.envs.borrow_mut()[env].reactor.replace(reactor);
        assert!(before.is_none(), "an Env has one reactor");
        self.queue_turn(env);
    }

    /// Whether the reactor of `env` runs.
    pub(in crate::sim) fn is_driven(&self, env: EnvIndex) -> bool {
        self.envs.borrow()[env].reactor.is_some()
    }

    /// Makes the reactor of `env`, if any, take a turn soon.
    pub(in crate::sim) fn queue_turn(&self, env: EnvIndex) {
        let state = &mut self.envs.borrow_mut()[env];
        if state.reactor.is_some() && !std::mem::replace(&mut state.turn_queued, true) {
            self.ready.borrow_mut().push(Ready::Turn(env));
        }
    }

    /// Hands `event` to the reactor of `env` in its next turn.
    pub(in crate::sim) fn deliver(&self, env: EnvIndex, event: Arrived) {
        self.envs.borrow_mut()[env].events.push_back(event);
        self.queue_turn(env);
    }
}
