//! The RocketMQ remoting protocol: frames, both header codecs, the table of requests, the JSON bodies, and the
//! client side. Knows bytes; has never heard of a commitlog, a socket of a shard, a clock or a task. (One part has: the
//! blocking [`client::Client`] of tools, which owns its socket and reads the clock for its timeouts.)
//!
//! The way of a request through this crate: [`frame::FrameDecoder`] lends a [`frame::Frame`] from the receive
//! buffer, [`header::Header::decode`] scans its header once, [`requests::Request::decode`] turns the ext fields into
//! the struct of its row, and [`reply`] writes the answer into an [`rt::Outbox`]. None of these allocates for a send
//! or a pull. `PROTOCOL.md` describes the wire; a test compares its code table with the rows.
#![forbid(unsafe_code)]

pub mod admin_sources;
pub mod batch;
pub mod body;
pub mod client;
pub mod codes;
pub mod connection;
pub mod fields;
pub mod frame;
pub mod header;
pub mod json;
pub mod message_id;
pub mod names;
pub mod pop;
pub mod properties;
pub mod reply;
pub mod requests;

pub use codes::{Class, Language, RequestCode, ResponseCode};
pub use fields::{Ext, FieldError};
pub use frame::{Codec, Frame, FrameDecoder, FrameError, FrameLimits};
pub use header::{Header, HeaderError, Scratch};
pub use reply::ReplyTo;
pub use requests::{Request, RequestError};
