//! A name server on loopback, spoken to in frames.

mod java;
mod peers;
mod requests;
