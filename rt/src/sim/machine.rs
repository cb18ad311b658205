//! [`SimMachine`] (a host: address, disk, fate) and [`SimEnv`] (one shard's thread on it).

use std::cell::RefCell;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::world::{EnvIndex, MachineIndex, World};
use super::{Crash, SimDisk, SimNet};
use crate::{Class, Env, Now, Reactor};

/// A simulated host. Dropping the handle leaves it running.
pub struct SimMachine {
    world: Rc<World>,
    index: MachineIndex,
    ip: IpAddr,
    disk: SimDisk,
}

impl SimMachine {
    pub(super) fn boot(world: &Rc<World>, ip: IpAddr, disk: SimDisk) -> Self {
        let index = world.add_machine();
        world.links.borrow_mut().switch_on(ip);
        disk.attach(world);
        Self { world: world.clone(), index, ip, disk }
    }

    /// A new thread on this machine: an [`Env`] with its own sockets and the machine's disk.
    #[must_use]
    pub fn env(&self) -> SimEnv {
        let thread = self.world.add_env(self.index);
        let net = SimNet::new(&self.world, thread, self.ip);
        SimEnv(Rc::new(Thread {
            world: self.world.clone(),
            machine: self.index,
            thread,
            disk: self.disk.clone(),
            net,
        }))
    }

    /// Its address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Ends the machine's processes (all of them, at once) and returns the disk as the next boot finds it.
    ///
    /// After [`Crash::Process`] the kernel closes the sockets; after the others the peers hear nothing.
    #[must_use]
    pub fn crash(self, kind: Crash) -> SimDisk {
        // The disk first: destructors of the killed tasks must not count.
        let disk = self.disk.crash(kind);
        self.world.kill(self.index);
        super::net::switch_off(&self.world, self.ip, kind == Crash::Process);
        disk
    }

    /// Stops all its threads (SIGSTOP, a long pause of the hypervisor). Its kernel goes on: packets arrive, I/O ends.
    pub fn pause(&self) {
        self.world.set_paused(self.index, true);
    }

    /// Ends a [`SimMachine::pause`].
    pub fn resume(&self) {
        self.world.set_paused(self.index, false);
    }

    /// Moves its wall clock by `by_ms`; the monotonic clock stays.
    pub fn shift_clock_ms(&self, by_ms: i64) {
        self.world.shift_clock_ms(self.index, by_ms);
    }
}

/// One thread of a simulated machine.
#[derive(Clone)]
pub struct SimEnv(Rc<Thread>);

struct Thread {
    world: Rc<World>,
    machine: MachineIndex,
    thread: EnvIndex,
    disk: SimDisk,
    net: SimNet,
}

impl SimEnv {
    /// Makes this thread a pump that drives `reactor` from now on. Keep a clone to look inside between the steps.
    ///
    /// # Panics
    /// If it has one already.
    pub fn drive<R: Reactor + 'static>(&self, reactor: &Rc<RefCell<R>>) {
        self.0.world.drive(self.0.thread, reactor.clone());
    }

    /// Whether a reactor is driven; false before, after it said `stop`, and after a crash.
    #[must_use]
    pub fn is_driven(&self) -> bool {
        self.0.world.is_driven(self.0.thread)
    }

    /// Folds `value` into the simulation's trace hash.
    pub fn trace(&self, value: u64) {
        self.0.world.trace(value);
    }
}

impl Env for SimEnv {
    type Disk = SimDisk;
    type Net = SimNet;

    fn disk(&self) -> &SimDisk {
        &self.0.disk
    }

    fn net(&self) -> &SimNet {
        &self.0.net
    }

    fn now(&self) -> Now {
        self.0.world.now_on(self.0.machine)
    }

    fn random(&self) -> u64 {
        self.0.world.random.next()
    }

    /// The class only matters to a real scheduler; here any ready task may be next.
    fn spawn(&self, _class: Class, task: impl Future<Output = ()> + 'static) {
        self.0.world.spawn(self.0.machine, Box::pin(task));
    }

    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + 'static {
        let nanoseconds = u64::try_from(pause.as_nanos()).expect("a pause of less than centuries");
        let until = self.0.world.now().0.saturating_add(nanoseconds);
        Sleep { world: self.0.world.clone(), until, waker: None }
    }

    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        Yield { yielded: false }
    }

    fn kick(&self) {
        self.0.world.queue_turn(self.0.thread);
    }
}

struct Sleep {
    world: Rc<World>,
    until: u64,
    /// Whom the timer wakes that is set already.
    waker: Option<Waker>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.world.now().0 >= self.until {
            return Poll::Ready(());
        }
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
            self.world.wake_at(self.until, context.waker().clone());
        }
        Poll::Pending
    }
}

struct Yield {
    yielded: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
