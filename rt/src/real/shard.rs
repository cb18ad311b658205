//! [`run_shard`]: a thread becomes a shard.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use glommio::{Latency, LocalExecutorBuilder, Placement, Shares};
use rustix::rand::{GetRandomFlags, getrandom};

use super::clock::Clock;
use super::core::Core;
use super::net::Sockets;
use super::ops::Ops;
use super::panic::{OnPanic, PanicGuard};
use super::pump::{End, Pump};
use super::ring::Ring;
use super::spin::{Spin, Spinner};
use super::tasks::Tasks;
use super::timers::Timers;
use super::{Doorbell, RealEnv, cpus};
use crate::{Class, Reactor};

/// How to run a shard.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    /// Name of the thread, in logs and panics. Shown by the kernel up to 15 bytes.
    pub name: String,
    /// The core it is pinned to; `None` leaves it to the scheduler. Several shards may share a core.
    pub cpu: Option<usize>,
    /// How long it polls before it sleeps.
    pub spin: Spin,
    /// Connections at most, both directions together; further ones are closed at accept. Cut to RLIMIT_NOFILE.
    pub connections_max: u32,
    /// Buffers of 16 KiB for bytes received and not yet seen by the reactor, shared by all connections; rounded up to
    /// a power of two. When they run out receives wait for the next turn (`Counters::enobufs`).
    pub receive_buffers: u16,
    /// For threads that must wake the shard and exist before it; otherwise [`RealEnv::doorbell`] is enough.
    pub doorbell: Option<Doorbell>,
    /// What a panic does.
    pub on_panic: OnPanic,
}

impl ShardOptions {
    /// Options for a shard of this name: not pinned, adaptive spinning, 65,536 connections.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cpu: None,
            spin: Spin::Auto,
            connections_max: 65_536,
            receive_buffers: 512,
            doorbell: None,
            on_panic: OnPanic::EndProcess,
        }
    }
}

/// Why a shard ended, other than by its reactor's wish.
#[derive(Debug)]
pub enum ShardError<E> {
    /// `build` said no.
    Build(E),
    /// The ring, the executor or the thread could not be set up. `op` says what.
    Setup {
        /// The step that failed.
        op: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The ring failed while running; what was in flight is unknown.
    Ring(io::Error),
}

impl<E: std::fmt::Display> std::fmt::Display for ShardError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ShardError::Build(error) => error.fmt(f),
            ShardError::Setup { op, source } => write!(f, "cannot set up the shard: {op}: {source}"),
            ShardError::Ring(source) => write!(f, "the shard's io_uring failed: {source}"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for ShardError<E> {}

/// Runs a shard on the calling thread until its reactor says stop, and returns the reactor.
///
/// `build` makes the reactor. It runs as a background task while the ring already turns, so it may use disk and
/// network; events wait for the reactor. The first thing the reactor sees is those events, then `end_of_turn`.
///
/// When the reactor stops, connections are closed, operations in flight awaited, and background tasks dropped.
///
/// # Errors
/// See [`ShardError`].
///
/// # Panics
/// Only with [`OnPanic::Unwind`]; otherwise a panic ends the process.
pub fn run_shard<R, E, F>(
    options: ShardOptions,
    build: impl FnOnce(RealEnv) -> F + 'static,
) -> Result<R, ShardError<E>>
where
    R: Reactor + 'static,
    E: 'static,
    F: Future<Output = Result<R, E>> + 'static,
{
    let setup = |op| move |source| ShardError::Setup { op, source };
    let everywhere = cpus::of_process();
    if let Some(cpu) = options.cpu {
        cpus::pin_thread(&[cpu]).map_err(setup("pin the thread"))?;
    }
    ignore_file_size_signal();
    let bell = match options.doorbell {
        Some(bell) => bell,
        None => Doorbell::new().map_err(setup("make a doorbell"))?,
    };
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .name(&options.name)
        .io_memory(EXECUTOR_IO_MEMORY)
        .preempt_timer(PREEMPT)
        .make()
        .map_err(|error| setup("start the executor")(io::Error::from(error)))?;
    let guard = PanicGuard::new(&options.name, options.on_panic);
    let spinner = Spinner::new(options.spin, everywhere.len());
    let room = (options.connections_max.min(descriptor_limit()).max(1), options.receive_buffers);
    executor.run(async move {
        let queues = task_queues();
        let tasks = Rc::new(Tasks::new(queues, bell.clone(), guard.clone()));
        let core = new_core(bell, tasks, room, everywhere).map_err(setup("set up io_uring"))?;
        let env = RealEnv::new(core.clone());
        let delivery = Rc::new(RefCell::new(None));
        let (built, kick) = (delivery.clone(), env.clone());
        core.tasks.spawn(Class::Pump, async move {
            let outcome = build(kick.clone()).await;
            built.replace(Some(outcome));
            crate::Env::kick(&kick);
        });
        glommio::spawn_local_into(heartbeat(), queues[4]).expect("the queue was made above").detach();
        let pump = Pump::new(core, guard, spinner).run(delivery);
        let pump = glommio::spawn_local_into(pump, queues[0]).expect("the queue was made above");
        match pump.await {
            End::Stopped(reactor) => Ok(reactor),
            End::NotBuilt(error) => Err(ShardError::Build(error)),
            End::Ring(error) => Err(ShardError::Ring(error)),
        }
    })
}

/// A shard on a thread of its own.
#[derive(Debug)]
pub struct ShardThread<T> {
    thread: std::thread::JoinHandle<T>,
    doorbell: Doorbell,
}

impl<T> ShardThread<T> {
    /// Wakes the shard.
    #[must_use]
    pub fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the shard to end.
    ///
    /// # Panics
    /// If the shard did, which takes [`OnPanic::Unwind`].
    pub fn join(self) -> T {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// [`run_shard`] on a new thread. The reactor is dropped there when it stops.
///
/// # Errors
/// When the doorbell or the thread cannot be made.
pub fn start_shard<R, E, F>(
    mut options: ShardOptions,
    build: impl FnOnce(RealEnv) -> F + Send + 'static,
) -> io::Result<ShardThread<Result<(), ShardError<E>>>>
where
    R: Reactor + 'static,
    E: Send + 'static,
    F: Future<Output = Result<R, E>> + 'static,
{
    let doorbell = match &options.doorbell {
        Some(bell) => bell.clone(),
        None => Doorbell::new()?,
    };
    options.doorbell = Some(doorbell.clone());
    cpus::of_process(); // Before any thread of ours is pinned.
    let thread = std::thread::Builder::new()
        .name(options.name.clone())
        .spawn(move || run_shard(options, build).map(drop))?;
    Ok(ShardThread { thread, doorbell })
}

fn new_core(bell: Doorbell, tasks: Rc<Tasks>, room: (u32, u16), workers: &[usize]) -> io::Result<Rc<Core>> {
    let ring = Ring::new()?;
    // The kernel's helper threads (fsync, open) must not queue behind a polling shard. A refusal costs only speed.
    let _ = ring.uring().submitter().register_iowq_aff(&cpus::kernel_set(workers));
    let _ = ring.uring().submitter().register_iowq_max_workers(&mut [WORKERS_MAX, WORKERS_MAX]);
    let sockets = Sockets::new(&ring, room.0, room.1)?;
    let mut seed = [0; 8];
    getrandom(&mut seed, GetRandomFlags::empty())?;
    Ok(Rc::new(Core {
        ring: RefCell::new(ring),
        sockets: RefCell::new(sockets),
        ops: RefCell::new(Ops::default()),
        timers: Rc::new(Timers::default()),
        tasks,
        clock: Clock::default(),
        random: Cell::new(u64::from_ne_bytes(seed)),
        kicked: Cell::new(false),
        bell,
    }))
}

/// Keeps glommio's timers from ever being empty, as a second line behind [`PREEMPT`]: a sleep of the executor that
/// should not be ends with the next beat. Costs nothing while the executor does not sleep, and it never should.
async fn heartbeat() {
    loop {
        glommio::timer::sleep(HEARTBEAT).await;
    }
}

/// Queues of performance.md 3, "Classes", in the order of [`Class`]. No latencies: see [`PREEMPT`].
fn task_queues() -> [glommio::TaskQueueHandle; 5] {
    [(1000, "pump"), (300, "cold-read"), (200, "flush"), (100, "admin"), (50, "housekeeping")].map(
        |(shares, name)| {
            glommio::executor().create_task_queue(Shares::Static(shares), Latency::NotImportant, name)
        },
    )
}

/// A write beyond RLIMIT_FSIZE is to fail with EFBIG, not to kill the process (reliability.md F10).
fn ignore_file_size_signal() {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn descriptor_limit() -> u32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

/// glommio's own registered buffers, which we do not use: its minimum.
const EXECUTOR_IO_MEMORY: usize = 64 << 10;
/// glommio's preemption timer, in effect off.
///
/// glommio-ng 0.12.0 sleeps although tasks are runnable, for ever, if the thread loses its core between arming this
/// timer and looking at it: the executor finds itself preempted before it ran anything and takes that for idle
/// (`LocalExecutor::run`, `run_task_queues` returning false). Seen within seconds on a loaded host at 200 us. Nothing
/// needs the timer: every poll of a task of ours ends its queue's slot (`Tasks`), so the pump waits for one at most.
const PREEMPT: Duration = Duration::from_secs(3600);
/// The longest that a wrong sleep of the executor may last.
const HEARTBEAT: Duration = Duration::from_millis(1);
/// Kernel helper threads per shard, for files and for the rest each.
const WORKERS_MAX: u32 = 8;
