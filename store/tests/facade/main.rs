//! The store as the broker uses it: reading, searching, deleting, retention, over restarts and crashes, on a simulated
//! machine with small segments and a small window.

mod bench;
mod choosing;
mod reading;
mod recycling;
mod retention;
mod start;
mod topics;
