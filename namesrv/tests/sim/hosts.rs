//! A simulated name server, and peers that speak frames to it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use namesrv::NameServer;
use namesrv::config::NamesrvConfig;
use net::client::{RequestHead, encode};
use net::fields::Fields;
use net::requests::{NoHeader, RegisterBroker, RequestHeader};
use net::{Codec, FrameDecoder, Header, RequestCode, Scratch};
use rt::sim::{SimEnv, SimMachine, Simulation};
use rt::{ConnId, Env, Event, Now, Outbox, Reactor, Transport, TurnOutcome};

pub(crate) const KV_FILE: &str = "/kv/kvConfig.json";
pub(crate) const NAME_SERVER: [u8; 4] = [10, 0, 0, 1];

pub(crate) fn address() -> SocketAddr {
    SocketAddr::from((NAME_SERVER, 9876))
}

/// Starts a name server on `machine`.
pub(crate) fn serve(
    sim: &Simulation,
    machine: &SimMachine,
    change: impl FnOnce(&mut NamesrvConfig),
) -> Rc<RefCell<NameServer<SimEnv>>> {
    let env = machine.env();
    let mut config = NamesrvConfig { kv_file: Path::new(KV_FILE).to_owned(), ..NamesrvConfig::default() };
    change(&mut config);
    let stop = Arc::new(AtomicBool::new(false));
    let server = sim.block_on(NameServer::open(env.clone(), config, stop)).unwrap();
    let server = Rc::new(RefCell::new(server));
    env.drive(&server);
    server
}

/// One frame that came to a peer.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) code: i32,
    pub(crate) opaque: i32,
    pub(crate) remark: Option<String>,
    pub(crate) ext: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A host with one connection to the name server, or one that listens.
pub(crate) struct Peer {
    state: Rc<RefCell<PeerState>>,
    conn: Option<ConnId>,
    opaque: i32,
}

struct PeerState {
    env: SimEnv,
    decoder: FrameDecoder,
    out: Option<Outbox>,
    waiting: Vec<u8>,
    is_up: bool,
    closed: bool,
    came: Vec<Came>,
}

impl Peer {
    pub(crate) fn dial(machine: &SimMachine) -> Self {
        let mut peer = Self::idle(machine);
        peer.conn = Some(peer.state.borrow().env.net().connect(address()));
        peer
    }

    pub(crate) fn listen(machine: &SimMachine, port: u16) -> Self {
        let peer = Self::idle(machine);
        peer.state.borrow().env.net().listen(SocketAddr::new(machine.ip(), port)).unwrap();
        peer
    }

    fn idle(machine: &SimMachine) -> Self {
        let env = machine.env();
        let state = Rc::new(RefCell::new(PeerState {
            env: env.clone(),
            decoder: FrameDecoder::default(),
            out: Some(Outbox::default()),
            waiting: Vec::new(),
            is_up: false,
            closed: false,
            came: Vec::new(),
        }));
        env.drive(&state);
        Self { state, conn: None, opaque: 0 }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_raw(&self, bytes: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.waiting.extend_from_slice(bytes);
        state.flush(self.conn.unwrap());
    }

    /// Sends a request and returns its number.
    pub(crate) fn send<F: Fields>(&mut self, code: RequestCode, header: &F, body: &[u8]) -> i32 {
        self.opaque += 1;
        let mut bytes = Vec::new();
        let head = RequestHead { codec: Codec::Json, code, opaque: self.opaque, oneway: false };
        encode(&mut bytes, head, header, body);
        self.send_raw(&bytes);
        self.opaque
    }

    /// Sends a request and runs the simulation until its answer is there.
    pub(crate) fn ask<F: RequestHeader>(&mut self, sim: &Simulation, header: &F, body: &[u8]) -> Came {
        self.ask_code(sim, F::CODE, header, body)
    }

    pub(crate) fn ask_code<F: Fields>(
        &mut self,
        sim: &Simulation,
        code: RequestCode,
        header: &F,
        body: &[u8],
    ) -> Came {
        let opaque = self.send(code, header, body);
        let answered = sim.run_until(Duration::from_secs(60), || self.answer(opaque).is_some());
        assert!(answered, "seed {:#x}: no answer to {code}, closed: {}", sim.seed(), self.is_closed());
        self.answer(opaque).unwrap()
    }

    pub(crate) fn answer(&self, opaque: i32) -> Option<Came> {
        self.state.borrow().came.iter().find(|came| came.opaque == opaque).cloned()
    }

    /// Everything that came so far.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.state.borrow().came.clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.borrow().closed
    }

    /// Registers as a broker of cluster `C` with two topics.
    pub(crate) fn register(&mut self, sim: &Simulation, broker: &str, address: &str, id: i64) -> Came {
        self.register_as(sim, &registration(broker, address, id))
    }

    pub(crate) fn register_as(&mut self, sim: &Simulation, header: &RegisterBroker<'_>) -> Came {
        let table = ["T", "U"].map(|name| {
            format!(r#""{name}":{{"topicName":"{name}","readQueueNums":4,"writeQueueNums":4,"perm":6,"topicSysFlag":0}}"#)
        });
        let body = format!(
            r#"{{"topicConfigSerializeWrapper":{{"dataVersion":{{"counter":1,"stateVersion":0,"timestamp":1}},"topicConfigTable":{{{}}}}},"filterServerList":[]}}"#,
            table.join(",")
        );
        let answer = self.ask(sim, header, body.as_bytes());
        assert_eq!(answer.code, 0, "{answer:?}");
        answer
    }

    /// The names of all brokers (106).
    pub(crate) fn brokers(&mut self, sim: &Simulation) -> Vec<String> {
        let answer = self.ask_code(sim, RequestCode::GET_BROKER_CLUSTER_INFO, &NoHeader {}, b"");
        let info: net::body::ClusterInfo = net::json::from_slice(answer.body.as_bytes()).unwrap();
        info.broker_addr_table.into_keys().collect()
    }
}

/// The header of a registration with defaults.
pub(crate) fn registration<'a>(broker: &'a str, address: &'a str, id: i64) -> RegisterBroker<'a> {
    RegisterBroker {
        broker_name: broker,
        broker_addr: address,
        cluster_name: "C",
        ha_server_addr: Some("ha"),
        broker_id: id,
        heartbeat_timeout_ms: None,
        enable_acting_master: Some(false),
        compressed: false,
        body_crc32: 0,
    }
}

impl PeerState {
    fn flush(&mut self, conn: ConnId) {
        if self.is_up
            && !self.waiting.is_empty()
            && let Some(mut out) = self.out.take()
        {
            out.bytes().append(&mut self.waiting);
            self.env.net().send(conn, out);
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        let came = &mut self.came;
        let outcome = self.decoder.feed(bytes, |frame| {
            let mut scratch = Scratch::default();
            let header = Header::decode(frame.codec, frame.header, &mut scratch).unwrap();
            came.push(Came {
                code: header.code,
                opaque: header.opaque,
                remark: header.remark.map(str::to_owned),
                ext: header.ext.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
                body: String::from_utf8(frame.body.to_vec()).unwrap(),
            });
            std::ops::ControlFlow::Continue(())
        });
        outcome.unwrap();
    }
}

impl Reactor for PeerState {
    fn event(&mut self, event: Event<'_>, _now: Now) {
        match event {
            Event::Accepted { .. } => self.is_up = true,
            Event::Connected { conn, .. } => {
                self.is_up = true;
                self.flush(conn);
            }
            Event::Received { bytes, .. } => self.received(bytes),
            Event::Sent { conn, out } => {
                self.out = Some(out);
                self.flush(conn);
            }
            Event::Closed { .. } => self.closed = true,
        }
    }

    fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
        TurnOutcome { deadline: None, stop: false }
    }
}
