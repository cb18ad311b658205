//! The real transport over loopback.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod connections;
mod reading;
mod sending;
#[path = "../support/mod.rs"]
mod support;
