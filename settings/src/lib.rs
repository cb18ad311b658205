//! Typed settings: one table of keys per server, filled from flags, environment and files, strictly.
//!
//! [`settings!`] turns a table (field, type, default, native name, Java name, unit, when it applies, limits) into a
//! plain struct plus the [`Key`]s that `config explain` and the servers' property dumps are made of. [`resolve()`] lays
//! the sources over each other; what it does not understand is a [`Problem`] with its place and what to write
//! instead. Nothing is dropped in silence: a key of RocketMQ's that has no effect here becomes a [`Note`].
//!
//! Knows no key by itself: `broker` and `namesrv` bring their tables and their list of Java names.
#![forbid(unsafe_code)]

mod java;
mod key;
mod problem;
mod properties;
mod resolve;
mod source;
mod suggest;
mod table;
mod toml_file;
mod value;

pub use java::{JavaClass, JavaKey, JavaKeys};
pub use key::{ANY, Applies, Key, Limits, one_of, within};
pub use problem::{Note, Problem};
pub use properties::{PropertyError, PropertyLine, parse as parse_properties};
pub use resolve::{Resolved, resolve};
pub use source::{Entry, FileError, Origin, environment, from_text, override_entry, read_file};
pub use suggest::closest;
pub use table::Settings;
pub use value::{Addresses, Cpus, Rejection, Value};
