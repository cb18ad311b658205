//! The server: journals numbers, a batch per block, and acknowledges them. It stands for what the store and the broker do
//! with these seams: a reactor that never blocks, a task per batch on the disk, an inbox and a kick for the way back.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use rt::sim::{SimDisk, SimEnv, SimFile};
use rt::{
    BLOCK, Class, ConnId, Disk, DiskFile, Env, Event, Now, OpenMode, Outbox, Reactor, SharedSlice, Transport,
    TurnOutcome,
};

use crate::{NUMBER, address};

const JOURNAL: &str = "/journal";
const JOURNAL_BLOCKS: usize = 512;

type Batch = Vec<(ConnId, u64)>;

pub(crate) struct Server {
    env: SimEnv,
    journal: SimFile,
    blocks_written: u64,
    /// Whether a number is acknowledged only when it is durable. (Off: the canary.)
    durable: bool,
    peers: BTreeMap<ConnId, Peer>,
    pending: Batch,
    writing: bool,
    /// What a writing task has finished.
    inbox: Rc<RefCell<Option<Batch>>>,
}

#[derive(Default)]
struct Peer {
    partial: Vec<u8>,
    reply: Vec<u8>,
    /// Here while no send is in flight.
    out: Option<Outbox>,
    paused: bool,
}

impl Server {
    pub(crate) async fn boot(env: SimEnv, durable: bool) -> Rc<RefCell<Self>> {
        let disk = env.disk().clone();
        let path = Path::new(JOURNAL);
        if disk.open(path, OpenMode::Read { direct: true }).await.is_err() {
            format_journal(&disk).await;
        }
        let journal = disk.open(path, OpenMode::Write { direct: true }).await.unwrap();
        let bytes = journal.read_at(0, JOURNAL_BLOCKS * BLOCK).await.unwrap();
        let blocks_written = bytes.chunks(BLOCK).take_while(|block| block[0] != 0).count() as u64;
        env.net().listen(address()).unwrap();
        Rc::new(RefCell::new(Self {
            env,
            journal,
            blocks_written,
            durable,
            peers: BTreeMap::new(),
            pending: Vec::new(),
            writing: false,
            inbox: Rc::default(),
        }))
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        let peer = self.peers.get_mut(&conn).unwrap();
        peer.partial.extend_from_slice(bytes);
        let whole = peer.partial.len() / NUMBER * NUMBER;
        let numbers = peer.partial.drain(..whole).collect::<Vec<_>>();
        for number in numbers.chunks(NUMBER) {
            self.pending.push((conn, u64::from_le_bytes(number.try_into().unwrap())));
        }
        if self.pending.len() > 8 && !std::mem::replace(&mut peer.paused, true) {
            self.env.net().set_reading(conn, false);
        }
    }

    /// At most one write at a time carries everything that came meanwhile.
    fn commit(&mut self) {
        if self.writing || self.pending.is_empty() {
            return;
        }
        self.writing = true;
        let rest = self.pending.split_off(self.pending.len().min(200));
        let batch = std::mem::replace(&mut self.pending, rest);
        let block = encode(&batch);
        let at = self.blocks_written * BLOCK as u64;
        self.blocks_written += 1;
        assert!(self.blocks_written < JOURNAL_BLOCKS as u64, "a journal large enough for the test");
        let (journal, inbox, env) = (self.journal.clone(), self.inbox.clone(), self.env.clone());
        let durable = self.durable;
        self.env.spawn(Class::Flush, async move {
            journal.write_at(at, block, durable).await.unwrap();
            *inbox.borrow_mut() = Some(batch);
            env.kick();
        });
    }

    fn answer(&mut self) {
        let done = self.inbox.borrow_mut().take();
        if let Some(done) = done {
            self.writing = false;
            for (conn, number) in done {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    peer.reply.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        for (conn, peer) in &mut self.peers {
            if peer.reply.is_empty() {
                continue;
            }
            if let Some(mut out) = peer.out.take() {
                // Half copied, half shared, so that both kinds of pieces travel.
                let half = peer.reply.len() / 2;
                out.bytes().extend_from_slice(&peer.reply[..half]);
                out.push_slice(SharedSlice::copied(&peer.reply[half..]));
                peer.reply.clear();
                self.env.net().send(*conn, out);
            }
            if std::mem::replace(&mut peer.paused, false) {
                self.env.net().set_reading(*conn, true);
            }
        }
    }
}

impl Reactor for Server {
    fn event(&mut self, event: Event<'_>, _now: Now) {
        match event {
            Event::Accepted { conn, .. } => {
                let peer = Peer { out: Some(Outbox::default()), ..Peer::default() };
                assert!(self.peers.insert(conn, peer).is_none(), "a connection id is never used twice");
            }
            Event::Received { conn, bytes } => self.received(conn, bytes),
            Event::Sent { conn, out } => {
                assert!(out.is_empty());
                self.peers.get_mut(&conn).unwrap().out = Some(out);
            }
            Event::Closed { conn, .. } => {
                self.peers.remove(&conn).unwrap();
            }
            Event::Connected { .. } => unreachable!("the server connects to nobody"),
        }
    }

    fn end_of_turn(&mut self, _now: Now) -> TurnOutcome {
        self.answer();
        self.commit();
        TurnOutcome { deadline: None, stop: false }
    }
}

/// Filled with zeros, flushed, and its name durable, as a segment must be before its first use.
async fn format_journal(disk: &SimDisk) {
    let _torn_format = disk.remove("/journal.new".as_ref()).await;
    let file = disk.open("/journal.new".as_ref(), OpenMode::CreateNew { direct: true }).await.unwrap();
    file.write_at(0, SharedSlice::copied(&vec![0; JOURNAL_BLOCKS * BLOCK]), false).await.unwrap();
    file.flush().await.unwrap();
    disk.rename("/journal.new".as_ref(), JOURNAL.as_ref()).await.unwrap();
    disk.sync_dir("/".as_ref()).await.unwrap();
}

/// A count, then the numbers; whole sectors are torn apart, so a block vouches for the sectors it uses by its count in
/// each of them.
fn encode(batch: &[(ConnId, u64)]) -> SharedSlice {
    let mut block = vec![0; BLOCK];
    for (sector, numbers) in block.chunks_mut(512).zip(batch.chunks(62)) {
        sector[0] = u8::try_from(numbers.len()).unwrap();
        for (index, (_, number)) in numbers.iter().enumerate() {
            sector[8 + index * NUMBER..][..NUMBER].copy_from_slice(&number.to_le_bytes());
        }
    }
    SharedSlice::copied(&block)
}

pub(crate) fn journaled(disk: &SimDisk) -> BTreeSet<u64> {
    let bytes = disk.contents(JOURNAL).unwrap_or_default();
    let numbers =
        bytes.chunks(512).flat_map(|sector| sector[8..].chunks(NUMBER).take(usize::from(sector[0])));
    numbers.map(|number| u64::from_le_bytes(number.try_into().unwrap())).collect()
}
