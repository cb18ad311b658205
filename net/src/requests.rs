//! The table of requests: the only place where a code, its keys, their types and their optionality are written.
//!
//! From a row come the struct of its header, decoding and encoding in both codecs, its variant of [`Request`], its
//! name, its access class, and its line in PROTOCOL.md (a test compares them). Codes that we do not serve are rows
//! too, so that nothing is unknown by accident; what a server does with them is its own matter.
//!
//! `key or value` is the value of an absent key. Absent and empty are the same for everything but required texts.

mod answers;
mod pulls;
mod table;

use std::fmt;

use crate::codes::{Class, RequestCode};
use crate::fields::{self, Decode, Ext, Field, FieldError, FieldSink, Fields, Key};
use crate::header::Header;
use crate::names::AUTO_CREATE_TOPIC;

pub use answers::*;
pub use table::*;

/// One line of the table, for tools, metrics and PROTOCOL.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub code: RequestCode,
    /// RocketMQ's name.
    pub name: &'static str,
    /// Who may send it.
    pub class: Class,
    /// Who sends it to whom: C client, A admin tool, B broker, N name server, K controller.
    pub direction: &'static str,
    /// The struct of its answer's ext fields.
    pub reply: &'static str,
    /// Keys of its ext fields.
    pub keys: &'static [&'static str],
}

impl RequestCode {
    /// The row of this code, if it is known.
    #[must_use]
    pub fn row(self) -> Option<&'static Row> {
        let at = ROWS_BY_CODE.binary_search_by_key(&self, |(code, _)| *code).ok()?;
        Some(&ROWS[ROWS_BY_CODE[at].1])
    }

    /// RocketMQ's name for it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// Who may send it. Unknown codes are not supported.
    #[must_use]
    pub fn class(self) -> Class {
        self.row().map_or(Class::Unsupported, |row| row.class)
    }
}

impl fmt::Display for RequestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Positions in [`ROWS`], sorted by code.
static ROWS_BY_CODE: [(RequestCode, usize); ROWS.len()] = sorted_rows();

const fn sorted_rows() -> [(RequestCode, usize); ROWS.len()] {
    let mut sorted = [(RequestCode(0), 0); ROWS.len()];
    let mut filled = 0;
    while filled < ROWS.len() {
        let mut at = filled;
        while at > 0 && sorted[at - 1].0.0 > ROWS[filled].code.0 {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        assert!(at == 0 || sorted[at - 1].0.0 < ROWS[filled].code.0, "two rows with one code");
        sorted[at] = (ROWS[filled].code, filled);
        filled += 1;
    }
    sorted
}

impl<'a> UpdateAndCreateTopic<'a> {
    /// What Java's admin client sends for a topic of so many queues without anything particular.
    #[must_use]
    pub fn plain(topic: &'a str, queues: i32) -> Self {
        Self {
            topic,
            default_topic: Some(AUTO_CREATE_TOPIC),
            read_queues: queues,
            write_queues: queues,
            perm: 6,
            topic_filter_type: Some("SINGLE_TAG"),
            topic_sys_flag: Some(0),
            order: false,
            attributes: None,
            force: false,
        }
    }
}

/// The struct of a row, which knows its code. (Rows that share a header share the struct; its code is the first's.)
pub trait RequestHeader: Fields {
    /// The code of the row.
    const CODE: RequestCode;
}

/// A request was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// There is no such row. Answer REQUEST_CODE_NOT_SUPPORTED.
    UnknownCode {
        /// The code that came.
        code: i32,
    },
    /// The ext fields are not those of the row. The text is the remark of the answer.
    Fields(FieldError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::UnknownCode { code } => write!(f, " request type {code} not supported"),
            RequestError::Fields(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RequestError {}

/// A header struct: the type, its codec, its fields.
macro_rules! header_struct {
    (
        $(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? as $label:expr,
        { $($(#[$field_doc:meta])* $field:ident : $ty:ty = $key:literal $(or $default:expr)?),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name $(<$lt>)? {
            $(#[doc = concat!("`", $key, "` on the wire.")] $(#[$field_doc])* pub $field: $ty,)*
        }

        impl $(<$lt>)? $name $(<$lt>)? {
            /// Its keys on the wire.
            pub const KEYS: &'static [&'static str] = &[$($key),*];
        }

        impl $(<$lt>)? Fields for $name $(<$lt>)? {
            #[inline]
            fn emit<S: FieldSink>(&self, sink: &mut S) {
                let _ = &sink;
                $(Field::emit(&self.$field, Key { plain: $key, json: concat!(",\"", $key, "\":\"") }, sink);)*
            }

            #[inline]
            fn is_empty(&self) -> bool {
                Self::KEYS.is_empty()
            }
        }

        impl<'a> Decode<'a> for $name $(<$lt>)? {
            fn decode(ext: &Ext<'a>) -> Result<Self, FieldError> {
                $(let mut $field: Option<$ty> = None;)*
                for (key, value) in ext.iter() {
                    let _ = value;
                    match key {
                        $($key => $field = fields::parse(value, $label, $key)?,)*
                        _ => {}
                    }
                }
                Ok(Self { $($field: fields::finish($field $(.or(Some($default)))?, $label, $key)?,)* })
            }

            fn decode_known(ext: &Ext<'a>, known: &'a $crate::header::Known) -> Result<Self, FieldError> {
                let _ = (ext, known);
                let next = &mut (0..);
                $(
                    let at = next.next().expect("endless");
                    let $field: Option<$ty> = fields::known(ext, known, at, $label, $key)?;
                )*
                let _ = next;
                Ok(Self { $($field: fields::finish($field $(.or(Some($default)))?, $label, $key)?,)* })
            }
        }
    };
}

/// The body of a row: fields of its own, or the header of another row.
macro_rules! row_header {
    ($(#[$doc:meta])* $code:ident $name:ident $(<$lt:lifetime>)? { as $other:ty }) => {
        $(#[$doc])*
        pub type $name $(<$lt>)? = $other;
    };
    ($(#[$doc:meta])* $code:ident $name:ident $(<$lt:lifetime>)? { $($body:tt)* }) => {
        header_struct! { $(#[$doc])* $name $(<$lt>)? as stringify!($code), { $($body)* } }

        impl $(<$lt>)? RequestHeader for $name $(<$lt>)? {
            const CODE: RequestCode = RequestCode::$code;
        }
    };
}

/// All rows: their structs, codes, and [`Request`]. Called by the last family of `table.rs`.
macro_rules! requests {
    ([] $(
        $(#[$doc:meta])*
        $number:literal $code:ident $name:ident $(<$lt:lifetime>)? $class:ident $direction:literal
        { $($body:tt)* } => $reply:ident;
    )*) => {
        $(row_header! { $(#[$doc])* $code $name $(<$lt>)? { $($body)* } })*

        impl RequestCode {
            $(
                #[doc = concat!("Code of [`", stringify!($name), "`].")]
                pub const $code: Self = Self($number);
            )*
        }

        /// Every row.
        pub const ROWS: &[Row] = &[$(Row {
            code: RequestCode::$code,
            name: stringify!($code),
            class: Class::$class,
            direction: $direction,
            reply: stringify!($reply),
            keys: $name::KEYS,
        }),*];

        /// A decoded request: one variant per row, so that a handler matches without a wildcard.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Request<'a> {
            $($(#[$doc])* $name($name $(<$lt>)?),)*
        }

        impl<'a> Request<'a> {
            /// The request of `header`: its ext fields as the struct of its row.
            ///
            /// # Errors
            /// An unknown code, or fields that are not those of the row; the text is the remark of the answer.
            pub fn decode(header: &Header<'a>) -> Result<Self, RequestError> {
                let ext = &header.ext;
                match header.code {
                    $($number => match ext.known.filter(|known| known.code() == header.code) {
                        Some(known) => Decode::decode_known(ext, known),
                        None => Decode::decode(ext),
                    }
                    .map(Request::$name)
                    .map_err(RequestError::Fields),)*
                    code => Err(RequestError::UnknownCode { code }),
                }
            }

            /// Its code.
            #[must_use]
            pub fn code(&self) -> RequestCode {
                match self {
                    $(Request::$name(_) => RequestCode::$code,)*
                }
            }
        }

        impl Fields for Request<'_> {
            fn emit<S: FieldSink>(&self, sink: &mut S) {
                match self {
                    $(Request::$name(header) => header.emit(sink),)*
                }
            }

            fn is_empty(&self) -> bool {
                match self {
                    $(Request::$name(header) => header.is_empty(),)*
                }
            }
        }
    };
}

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? { $($body:tt)* })*) => {
        $(header_struct! { $(#[$doc])* $name $(<$lt>)? as stringify!($name), { $($body)* } })*
    };
}

use {header_struct, replies, requests, row_header};

impl<'a> From<SendMessage<'a>> for SendMessageV2<'a> {
    /// One shape for all spellings of a send.
    fn from(long: SendMessage<'a>) -> Self {
        Self {
            producer_group: long.producer_group,
            topic: long.topic,
            default_topic: long.default_topic,
            default_queues: long.default_queues,
            queue_id: long.queue_id,
            sys_flag: long.sys_flag,
            born_at_ms: long.born_at_ms,
            flag: long.flag,
            properties: long.properties,
            reconsume_times: long.reconsume_times,
            unit_mode: long.unit_mode,
            max_reconsume_times: long.max_reconsume_times,
            batch: long.batch,
            broker_name: long.broker_name,
        }
    }
}
