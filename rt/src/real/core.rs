//! [`Core`]: what the pump, the sockets, the disk and the tasks of one shard share.
//!
//! One thread, so `RefCell`s; each is borrowed for the length of one call and never while a reactor or a task runs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Doorbell;
use super::clock::Clock;
use super::net::Sockets;
use super::ops::Ops;
use super::ring::Ring;
use super::tasks::Tasks;
use super::timers::Timers;

// Fields are dropped in order: the ring before the memory that the kernel might fill through it.
pub(crate) struct Core {
    pub(crate) ring: RefCell<Ring>,
    pub(crate) sockets: RefCell<Sockets>,
    pub(crate) ops: RefCell<Ops>,
    pub(crate) timers: Rc<Timers>,
    pub(crate) tasks: Rc<Tasks>,
    pub(crate) clock: Clock,
    pub(crate) random: Cell<u64>,
    /// A task asked for a turn.
    pub(crate) kicked: Cell<bool>,
    pub(crate) bell: Doorbell,
}
