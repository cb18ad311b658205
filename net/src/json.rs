//! JSON bodies in fastjson's two dialects (PROTOCOL.md "JSON dialects"), between bytes and serde types.
//!
//! [`read::from_slice`] accepts whatever a peer of any version sends; [`write::to_vec`] emits exactly what every
//! version reads. Neither builds a tree: memory is that of the target type.

pub mod read;
pub mod write;

pub use read::{ReadError, from_slice};
pub use write::{Style, append, to_vec};
