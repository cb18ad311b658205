//! A name server that answers every request with success, at once or when told to, and remembers it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;

use net::requests::NoHeader;
use net::{Codec, FrameDecoder, ReplyTo, RequestCode, ResponseCode, reply};
use rt::sim::{SimDisk, SimEnv, SimMachine};
use rt::{ConnId, Env, Event, Now, Outbox, Reactor, Transport, TurnOutcome};

use crate::World;
use crate::client::{Answer, decode};

pub struct ScriptedNameServer {
    machine: SimMachine,
    pub address: SocketAddr,
    state: Rc<RefCell<State>>,
}

struct State {
    env: SimEnv,
    lines: BTreeMap<ConnId, Line>,
    came: Vec<(u64, Answer)>,
    holds_back: bool,
}

struct Line {
    decoder: FrameDecoder,
    /// Here while no send is in flight.
    out: Option<Outbox>,
    waiting: Outbox,
}

impl ScriptedNameServer {
    pub fn start(world: &World, ip: [u8; 4]) -> Self {
        let machine = world.sim.machine(ip, SimDisk::new());
        let env = machine.env();
        let address = SocketAddr::from((ip, 9876));
        env.net().listen(address).unwrap();
        let state = Rc::new(RefCell::new(State {
            env: env.clone(),
            lines: BTreeMap::new(),
            came: Vec::new(),
            holds_back: false,
        }));
        env.drive(&state);
        Self { machine, address, state }
    }

    /// The requests with `code` that came since the last call, with the virtual time of each in ms.
    pub fn came(&self, code: RequestCode) -> Vec<(u64, Answer)> {
        let mut state = self.state.borrow_mut();
        let (wanted, rest) =
            std::mem::take(&mut state.came).into_iter().partition(|(_, one)| one.code == code.0);
        state.came = rest;
        wanted
    }

    /// Whether a request with `code` has come and was not taken.
    pub fn has(&self, code: RequestCode) -> bool {
        self.state.borrow().came.iter().any(|(_, one)| one.code == code.0)
    }

    /// Keeps its answers until told otherwise.
    pub fn hold_back(&self, on: bool) {
        let mut state = self.state.borrow_mut();
        state.holds_back = on;
        state.env.kick();
    }

    /// Closes all connections and keeps listening.
    pub fn reset(&self) {
        let state = self.state.borrow();
        for conn in state.lines.keys() {
            state.env.net().close(*conn);
        }
    }

    /// Ends its process.
    pub fn kill(self) {
        let _disk = self.machine.crash(rt::sim::Crash::Process);
    }
}

impl State {
    fn received(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        let Some(line) = self.lines.get_mut(&conn) else { return };
        let came = &mut self.came;
        let waiting = &mut line.waiting;
        let outcome = line.decoder.feed(bytes, |frame| {
            let request = decode(frame.codec, frame.header, frame.body);
            let to = ReplyTo { codec: Codec::Json, opaque: request.opaque };
            reply::with_body(waiting, to, ResponseCode::SUCCESS, None, &NoHeader {}, &[]);
            came.push((now.mono.as_ms(), request));
            ControlFlow::Continue(())
        });
        outcome.unwrap();
    }
}

impl Reactor for State {
    fn event(&mut self, event: Event<'_>, now: Now) {
        match event {
            Event::Accepted { conn, .. } => {
                let line = Line {
                    decoder: FrameDecoder::default(),
                    out: Some(Outbox::default()),
                    waiting: Outbox::default(),
                };
                self.lines.insert(conn, line);
            }
            Event::Connected { .. } => unreachable!("it dials nobody"),
            Event::Received { conn, bytes } => self.received(conn, bytes, now),
            Event::Sent { conn, out } => {
                if let Some(line) = self.lines.get_mut(&conn) {
                    line.out = Some(out);
                }
            }
            Event::Closed { conn, .. } => {
                self.lines.remove(&conn);
            }
        }
    }

    fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
        if self.holds_back {
            return TurnOutcome { deadline: None, stop: false };
        }
        for (conn, line) in &mut self.lines {
            if !line.waiting.is_empty()
                && let Some(spare) = line.out.take()
            {
                self.env.net().send(*conn, std::mem::replace(&mut line.waiting, spare));
            }
        }
        TurnOutcome { deadline: None, stop: false }
    }
}
