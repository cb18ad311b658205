//! Queues on a simulated disk: whatever a crash leaves, checkpoint plus replay equals the commitlog.

mod damage;
mod expiry;
mod lives;
mod model;
mod times;

pub(super) use model::{config, filled};
