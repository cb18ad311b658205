//! A client: sends each number until it is acknowledged, over as many connections as that takes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rt::sim::SimEnv;
use rt::{ConnId, Env, Event, Mono, Now, Outbox, Reactor, Transport, TurnOutcome};

use crate::{NUMBER, address};

pub(crate) struct Client {
    env: SimEnv,
    conn: Option<ConnId>,
    /// Here while connected and no send is in flight.
    out: Option<Outbox>,
    staged: Vec<u8>,
    partial: Vec<u8>,
    unsent: Vec<u64>,
    unacknowledged: BTreeSet<u64>,
    pub(crate) acknowledged: BTreeSet<u64>,
    /// Connect, or give up waiting.
    deadline: Mono,
}

impl Client {
    pub(crate) fn start(env: SimEnv, numbers: std::ops::Range<u64>) -> Rc<RefCell<Self>> {
        let client = Rc::new(RefCell::new(Self {
            env: env.clone(),
            conn: None,
            out: None,
            staged: Vec::new(),
            partial: Vec::new(),
            unsent: numbers.rev().collect(),
            unacknowledged: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            deadline: Mono::default(),
        }));
        env.drive(&client);
        client
    }

    pub(crate) fn is_done(&self) -> bool {
        self.unsent.is_empty() && self.unacknowledged.is_empty()
    }
}

impl Reactor for Client {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Connected { conn, .. } => {
                assert_eq!(self.conn, Some(conn));
                self.out = Some(Outbox::default());
                self.partial.clear();
                self.staged = self.unacknowledged.iter().flat_map(|number| number.to_le_bytes()).collect();
            }
            Event::Received { bytes, .. } => {
                self.deadline = now.mono.plus_ms(2_000);
                self.partial.extend_from_slice(bytes);
                while let Some((number, rest)) = self.partial.split_first_chunk::<NUMBER>() {
                    let number = u64::from_le_bytes(*number);
                    self.partial = rest.to_vec();
                    // Sent again over a new connection, it may be acknowledged twice.
                    assert!(self.unacknowledged.remove(&number) || self.acknowledged.contains(&number));
                    self.acknowledged.insert(number);
                }
            }
            Event::Sent { out, .. } => self.out = Some(out),
            Event::Closed { conn, .. } => {
                assert_eq!(self.conn.take(), Some(conn));
                self.out = None;
                self.deadline = now.mono.plus_ms(50);
            }
            Event::Accepted { .. } => unreachable!("a client listens nowhere"),
        }
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        let net = self.env.net().clone();
        let expired = now.mono >= self.deadline;
        match self.conn {
            None if expired => {
                self.conn = Some(net.connect(address()));
                self.deadline = now.mono.plus_ms(3_000);
            }
            Some(conn) if expired && !self.unacknowledged.is_empty() => {
                net.close(conn);
                self.deadline = now.mono.plus_ms(3_000);
            }
            _ => {}
        }
        if let (Some(conn), Some(mut out)) = (self.conn, self.out.take()) {
            while self.unacknowledged.len() < 12
                && let Some(number) = self.unsent.pop()
            {
                self.unacknowledged.insert(number);
                self.staged.extend_from_slice(&number.to_le_bytes());
                self.deadline = now.mono.plus_ms(2_000);
            }
            if self.staged.is_empty() {
                self.out = Some(out);
            } else {
                out.bytes().append(&mut self.staged);
                net.send(conn, out);
            }
        }
        TurnOutcome {
            deadline: (!self.is_done()).then_some(self.deadline.max(now.mono.plus_ms(1))),
            stop: false,
        }
    }
}
