//! The rows, by families. Keys as in Java's request headers (RocketMQ 5.5.1), which are case-sensitive and sometimes
//! misspelt.
//!
//! A family is a macro that adds its rows to those it was given and hands all of them to the macro named next; the last one
//! is `requests!`, which makes one [`Request`] of all rows. So each row is written once, in the file of its family.

use super::{
    Class, Decode, Ext, Field, FieldError, FieldSink, Fields, Header, Key, RequestCode, RequestError,
    RequestHeader, Row, fields, header_struct, requests, row_header,
};
use crate::fields::Text;

use self::access::access;
use self::clients::clients;
use self::cluster::cluster;
use self::consumers::consumers;
use self::inspection::inspection;
use self::name_server::name_server;
use self::pop::pop;
use self::producers::producers;
use self::settings::settings;
use self::unhandled::unhandled;

mod access;
mod clients;
mod cluster;
mod consumers;
mod inspection;
mod name_server;
mod pop;
mod producers;
mod settings;
mod unhandled;

producers! { [consumers pop clients name_server settings inspection cluster access unhandled requests] }
