//! Requests that the broker passes on to a client, and the answers it passes back: 307, 309 and their kin; and one
//! question to all members of a group (223).
//!
//! Each has an opaque of the broker's own on the client's connection and ends by the answer, by the client's going, or
//! by time.

use std::collections::BTreeMap;
use std::rc::Rc;

use net::body::ConsumerStatusBody;
use net::client::{RequestHead, encode};
use net::header::Header;
use net::json::{self, Style};
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
    gatherings: BTreeMap<u64, Gathering>,
    next_gathering: u64,
}

#[derive(Debug)]
struct Relayed {
    client: ConnId,
    whom: Whom,
    timer: TimerId,
}

/// Whom an answer is for.
#[derive(Clone, Debug)]
enum Whom {
    /// It is passed on as it came.
    Asker(ConnId, ReplyTo),
    /// It is part of one, under the client's id.
    Gathering(u64, Rc<str>),
}

/// One question to every member of a group (223): the positions they tell.
#[derive(Debug)]
struct Gathering {
    asker: ConnId,
    to: ReplyTo,
    /// Members that did not answer yet.
    left: usize,
    told: ConsumerStatusBody,
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
        self.send_relayed(Whom::Asker(asker, to), client, header, body, now)?;
        self.connections.request_held(asker, 0);
        Ok(Done::Later)
    }

    /// Asks `clients`, each under its id, and answers with what they tell: those that do not answer are left out.
    pub(crate) fn gather<F: RequestHeader>(
        &mut self,
        (asker, to): (ConnId, ReplyTo),
        clients: Vec<(ConnId, Rc<str>)>,
        header: &F,
        now: Now,
    ) -> Outcome {
        let id = self.relays.next_gathering;
        self.relays.next_gathering += 1;
        self.connections.request_held(asker, 0);
        let gathering = Gathering { asker, to, left: clients.len(), told: ConsumerStatusBody::default() };
        self.relays.gatherings.insert(id, gathering);
        for (client, client_id) in clients {
            if self.send_relayed(Whom::Gathering(id, client_id), client, header, &[], now).is_err() {
                self.gathered(id, None);
            }
        }
        Ok(Done::Later)
    }

    /// One member of a gathering has answered, or never will.
    fn gathered(&mut self, id: u64, told: Option<(Rc<str>, &[u8])>) {
        let Some(gathering) = self.relays.gatherings.get_mut(&id) else { return };
        gathering.left -= 1;
        if let Some((client_id, body)) = told
            && let Ok(status) = json::from_slice::<ConsumerStatusBody>(body)
        {
            gathering.told.by_client.insert(client_id.to_string(), status.by_queue);
        }
        if gathering.left > 0 {
            return;
        }
        if let Some(done) = self.relays.gatherings.remove(&id) {
            self.connections.request_done(done.asker, 0);
            let body = json::to_vec(&done.told, Style::Raw);
            let outcome = self.answer_body(done.asker, Some(done.to), &body);
            self.conclude(done.asker, Some(done.to), outcome);
        }
    }

    fn send_relayed<F: RequestHeader>(
        &mut self,
        whom: Whom,
        client: ConnId,
        header: &F,
        body: &[u8],
        now: Now,
    ) -> Result<(), Refused> {
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
        self.relays.waiting.insert(opaque, Relayed { client, whom, timer });
        Ok(())
    }

    /// Passes a client's answer on; false if nobody asked.
    pub(crate) fn relay_answered(&mut self, client: ConnId, header: &Header<'_>, body: &[u8]) -> bool {
        let Some(relayed) = self.relays.waiting.get(&header.opaque).filter(|one| one.client == client) else {
            return false;
        };
        let whom = relayed.whom.clone();
        self.wheel.cancel(relayed.timer);
        self.relays.waiting.remove(&header.opaque);
        let code = ResponseCode(header.code);
        match whom {
            Whom::Gathering(id, client_id) => {
                self.gathered(id, (code == ResponseCode::SUCCESS).then_some((client_id, body)));
            }
            Whom::Asker(asker, to) => {
                self.connections.request_done(asker, 0);
                if let Some(out) = self.connections.reply(asker) {
                    reply::with_body(out, to, code, header.remark, &net::requests::NoHeader {}, body);
                }
            }
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
        match relayed.whom {
            Whom::Gathering(id, _) => self.gathered(id, None),
            Whom::Asker(asker, to) => {
                self.connections.request_done(asker, 0);
                self.conclude(asker, Some(to), Err(why));
            }
        }
    }
}

fn gone() -> Refused {
    Refused::system("the client is gone")
}
