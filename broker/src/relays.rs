//! Requests that the broker passes on to a client, and the answers it passes back: 307, 309 and their kin.
//!
//! Each has an opaque of the broker's own on the client's connection and ends by the answer, by the client's going, or
//! by time.

use std::collections::BTreeMap;

use net::client::{RequestHead, encode};
use net::header::Header;
use net::requests::RequestHeader;
use net::{Codec, ReplyTo, ResponseCode, reply};
use rt::wheel::TimerId;
use rt::{ConnId, Env, Now};

use crate::call::{Done, Outcome, Refused};
use crate::shard::Shard;
use crate::timers::Timer;

/// How long a client may take.
const PATIENCE_MS: u64 = 10_000;
/// Relayed requests in flight of one shard.
const IN_FLIGHT_MAX: usize = 1_000;

/// What waits for clients.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    waiting: BTreeMap<i32, Relayed>,
    next_opaque: i32,
}

#[derive(Debug)]
struct Relayed {
    client: ConnId,
    asker: ConnId,
    to: ReplyTo,
    timer: TimerId,
}

impl<E: Env> Shard<E> {
    /// Sends a request to a client; its answer goes to whoever asked.
    pub(crate) fn relay<F: RequestHeader>(
        &mut self,
        (asker, to): (ConnId, ReplyTo),
        client: ConnId,
        header: &F,
        body: &[u8],
        now: Now,
    ) -> Outcome {
        if self.relays.waiting.len() >= IN_FLIGHT_MAX {
            return Err(Refused::new(
                ResponseCode::SYSTEM_BUSY,
                "too many requests wait for clients, try again",
            ));
        }
        let opaque = self.relays.next_opaque;
        self.relays.next_opaque = opaque.wrapping_add(1);
        let Some(out) = self.connections.reply(client) else { return Err(gone()) };
        encode(
            out.bytes(),
            RequestHead { codec: Codec::Json, code: F::CODE, opaque, oneway: false },
            header,
            body,
        );
        let timer = self.wheel.arm(now.mono.as_ms() + PATIENCE_MS, Timer::Relay(opaque));
        self.relays.waiting.insert(opaque, Relayed { client, asker, to, timer });
        self.connections.request_held(asker, 0);
        Ok(Done::Later)
    }

    /// Passes a client's answer on; false if nobody asked.
    pub(crate) fn relay_answered(&mut self, client: ConnId, header: &Header<'_>, body: &[u8]) -> bool {
        let Some(relayed) = self.relays.waiting.get(&header.opaque).filter(|one| one.client == client) else {
            return false;
        };
        let (asker, to) = (relayed.asker, relayed.to);
        self.wheel.cancel(relayed.timer);
        self.relays.waiting.remove(&header.opaque);
        self.connections.request_done(asker, 0);
        if let Some(out) = self.connections.reply(asker) {
            let code = ResponseCode(header.code);
            reply::with_body(out, to, code, header.remark, &net::requests::NoHeader {}, body);
        }
        true
    }

    pub(crate) fn relay_expired(&mut self, opaque: i32) {
        self.end_relay(
            opaque,
            Refused::new(ResponseCode::CONSUME_MSG_TIMEOUT, "the client did not answer within 10 s"),
        );
    }

    /// A connection is gone: what waits for it ends.
    pub(crate) fn relays_closed(&mut self, client: ConnId) {
        let lost: Vec<i32> = self
            .relays
            .waiting
            .iter()
            .filter(|(_, one)| one.client == client)
            .map(|(opaque, _)| *opaque)
            .collect();
        for opaque in lost {
            if let Some(relayed) = self.relays.waiting.get(&opaque) {
                self.wheel.cancel(relayed.timer);
            }
            self.end_relay(opaque, gone());
        }
    }

    fn end_relay(&mut self, opaque: i32, why: Refused) {
        let Some(relayed) = self.relays.waiting.remove(&opaque) else { return };
        self.connections.request_done(relayed.asker, 0);
        self.conclude(relayed.asker, Some(relayed.to), Err(why));
    }
}

fn gone() -> Refused {
    Refused::system("the client is gone")
}
