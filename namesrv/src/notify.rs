//! NOTIFY_MIN_BROKER_ID_CHANGE (905): the only request a name server sends. One connection each, closed when sent.

use std::net::SocketAddr;

use net::client::{RequestHead, encode};
use net::requests::NotifyMinBrokerIdChange;
use net::{Codec, RequestCode};
use rt::{Env, Mono, Transport};

use crate::registry::MinIdChange;
use crate::server::{NameServer, Peer};

impl<E: Env> NameServer<E> {
    /// Tells the members of these groups, one way: who cannot be reached asks for the group by itself (901).
    pub(crate) fn tell(&mut self, changes: &[MinIdChange], now: Mono) {
        for change in changes {
            let request = NotifyMinBrokerIdChange {
                min_broker_id: Some(change.min_id),
                broker_name: Some(&change.broker),
                min_broker_addr: Some(&change.min_address),
                offline_broker_addr: change.offline.as_deref(),
                ha_broker_addr: change.ha_address.as_deref(),
            };
            for address in change.tell.iter().take(MEMBERS_MAX) {
                self.tell_one(address, &request, now);
            }
        }
    }

    fn tell_one(&mut self, address: &str, request: &NotifyMinBrokerIdChange<'_>, now: Mono) {
        // Brokers register addresses; a name would need a resolver, which blocks.
        let Ok(to) = address.parse::<SocketAddr>() else {
            tracing::warn!(address = %address.escape_debug(), "no address of a member: not told of the new smallest id");
            return;
        };
        let conn = self.env.net().connect(to);
        self.connections.connecting(conn, to, now, Peer { local: to, is_broker: false });
        let head = RequestHead {
            codec: Codec::Json,
            code: RequestCode::NOTIFY_MIN_BROKER_ID_CHANGE,
            opaque: self.next_opaque(),
            oneway: true,
        };
        if let Some(out) = self.connections.reply(conn) {
            encode(out.bytes(), head, request, &[]);
        }
        self.connections.close_when_sent(conn);
    }
}

/// Members of one group that are told. A group has a handful.
const MEMBERS_MAX: usize = 64;
