//! A name server on loopback, spoken to in frames.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod java;
mod peers;
mod requests;
