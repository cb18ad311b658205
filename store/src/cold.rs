//! Reads of what has left memory: a gate that bounds them, and a scan-resistant cache of log extents.

mod gate;

pub use gate::{ReadGate, ReadPermit};
