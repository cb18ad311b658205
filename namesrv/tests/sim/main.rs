//! The name server on a simulated machine: time that passes at once, hosts that vanish, disks that fail.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod hosts;
mod kv;
mod liveness;
mod permission;
