//! One file per family of requests. A handler checks in RocketMQ's order, changes the shard, and says how it ended.

mod assignment;
mod cleaning;
mod clients;
mod groups;
mod inspect;
mod locks;
mod offsets;
mod pages;
mod pop;
mod pop_ack;
mod progress;
mod properties;
mod queries;
mod recall;
mod relayed;
mod reset;
mod runtime;
mod send;
mod send_back;
mod send_inner;
mod send_special;
mod stored_properties;
mod topics;
mod transactions;

pub(crate) use clients::NO_SQL;
pub(crate) use pop_ack::Bits as AckBits;
pub(crate) use properties::{Asks, SendProperties};
pub(crate) use send::{Sent, Target};
pub(crate) use stored_properties::StoredProperties;
