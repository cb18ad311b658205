//! [`Reply`]: one answer on its way out.

use net::connection::Connections;
use net::fields::Fields;
use net::reply;
use net::requests::NoHeader;
use net::{ReplyTo, ResponseCode};
use rt::{ConnId, Outbox};

use crate::server::{Asked, Peer};

/// Where to write an answer, if one is wanted and the peer is still there.
pub(crate) struct Reply<'a>(Option<(&'a mut Outbox, ReplyTo)>);

impl<'a> Reply<'a> {
    /// To whoever asked.
    pub(crate) fn to(connections: &'a mut Connections<Peer>, asked: &Asked<'_>) -> Self {
        Self::later(connections, asked.conn, asked.to)
    }

    /// To a request of an earlier turn.
    pub(crate) fn later(connections: &'a mut Connections<Peer>, conn: ConnId, to: Option<ReplyTo>) -> Self {
        Self(to.and_then(|to| Some((connections.reply(conn)?, to))))
    }

    /// Done, and nothing to say.
    pub(crate) fn ok(self) {
        self.ok_with(&NoHeader {});
    }

    /// Done, with ext fields.
    pub(crate) fn ok_with<F: Fields>(self, header: &F) {
        self.ok_with_body(header, |_| {});
    }

    /// Done, with a body that `fill` writes.
    pub(crate) fn ok_body(self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.ok_with_body(&NoHeader {}, fill);
    }

    /// Done, with ext fields and a body.
    pub(crate) fn ok_with_body<F: Fields>(self, header: &F, fill: impl FnOnce(&mut Vec<u8>)) {
        if let Some((out, to)) = self.0 {
            reply::with_body_written(out, to, ResponseCode::SUCCESS, None, header, fill);
        }
    }

    /// Not done, with the reason.
    pub(crate) fn refused(self, code: ResponseCode, remark: &str) {
        if let Some((out, to)) = self.0 {
            reply::plain(out, to, code, Some(remark));
        }
    }

    /// Failed.
    pub(crate) fn failed(self, remark: &str) {
        self.refused(ResponseCode::SYSTEM_ERROR, remark);
    }
}
