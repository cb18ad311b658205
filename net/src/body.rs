//! The JSON bodies (PROTOCOL.md "Bodies"), one struct each: read with [`json::from_slice`], written with
//! [`json::append`] in the style that [`crate::json::Style`] says.
//!
//! Members stand sorted by wire name, because that is the order of the bytes. An absent member has its default; `or`
//! gives one that is not zero or empty. Maps are ordered, so that equal bodies are equal bytes.
//!
//! [`json::from_slice`]: crate::json::from_slice
//! [`json::append`]: crate::json::append

mod client;
mod config;
mod lists;
mod names;
mod offsets;
pub mod register;
mod route;
mod stats;

pub use client::*;
pub use config::*;
pub use lists::*;
pub use names::*;
pub use offsets::*;
pub use register::{RegisterBrokerBody, RegisterError};
pub use route::*;
pub use stats::*;

/// The structs of bodies: members, wire names, defaults.
macro_rules! bodies {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$member_doc:meta])* $member:ident : $ty:ty = $key:literal $(or $default:expr)?),* $(,)?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                #[doc = concat!("`", $key, "` on the wire.")]
                $(#[$member_doc])*
                #[serde(rename = $key)]
                pub $member: $ty,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($member: $crate::body::default_of!($ty $(, $default)?),)* }
            }
        }
    )*};
}

macro_rules! default_of {
    ($ty:ty) => {
        <$ty>::default()
    };
    ($ty:ty, $default:expr) => {
        $default
    };
}

use {bodies, default_of};
