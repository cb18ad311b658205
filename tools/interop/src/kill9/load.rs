//! The senders: bursts of messages and batches of mixed sizes, whose bodies say by themselves whether they are whole.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};

use super::PATIENCE;
use super::ledger::Place;
use super::messages::{GROUP, QUEUES, TOPIC};
use crate::{
    random::Random,
    wire::{NewMessage, Sent, Wire, batch_item},
};

/// Per connection and cycle, so that reading it all back stays cheap.
const BYTES_PER_CYCLE: usize = 8 << 20;

/// One sending connection.
pub(super) struct Load<'a> {
    pub(super) shard: usize,
    pub(super) serial: u64,
    pub(super) random: Random,
    pub(super) acknowledged: &'a Mutex<Vec<(Place, u64)>>,
}

impl Load<'_> {
    /// Sends bursts and collects their answers until the connection breaks, which is the kill.
    pub(super) fn run(&mut self, address: &str) {
        let Ok(mut wire) = Wire::connect_to(address, PATIENCE) else { return };
        let mut bytes = 0;
        while bytes < BYTES_PER_CYCLE {
            let mut open: HashMap<i32, Vec<u64>> = HashMap::new();
            for _ in 0..=self.random.below(24) {
                let Some((opaque, hashes, sent)) = self.send(&mut wire) else { return };
                open.insert(opaque, hashes);
                bytes += sent;
            }
            while !open.is_empty() {
                let Ok(answer) = wire.receive() else { return };
                let Some(hashes) = open.remove(&answer.opaque) else { continue };
                if answer.code != 0 {
                    continue; // refused, for instance while it stops: not acknowledged
                }
                let Some(sent) = Sent::of(&answer) else { continue };
                let mut acknowledged = self.acknowledged.lock().expect("no holder panics");
                for (i, hash) in hashes.into_iter().enumerate() {
                    let queue_id = i32::try_from(sent.queue_id).unwrap_or(-1);
                    acknowledged.push(((self.shard, queue_id, sent.queue_offset + i as i64), hash));
                }
            }
        }
        // Enough sent; keep the connection until the kill.
        let _ = wire.receive();
    }

    /// One message or one batch; opaque, hashes of the bodies, bytes.
    fn send(&mut self, wire: &mut Wire) -> Option<(i32, Vec<u64>, usize)> {
        let queue_id = i32::try_from(self.random.below(u64::from(QUEUES))).ok()?;
        let count = if self.random.below(4) == 0 { 2 + self.random.below(14) } else { 1 };
        let bodies: Vec<Vec<u8>> = (0..count).map(|_| self.body(count > 1)).collect();
        let hashes = bodies.iter().map(|body| hash(body)).collect();
        let id = queue_id.to_string();
        let message = NewMessage { topic: TOPIC, queue_id, keys: "", tags: "TagA", body: &bodies[0] };
        let properties = message.properties();
        let opaque = if count == 1 {
            wire.send(310, &message.fields(GROUP, &id, &properties, "false"), &bodies[0]).ok()?
        } else {
            let body: Vec<u8> = bodies.iter().flat_map(|body| batch_item(body, &properties)).collect();
            wire.send(320, &message.fields(GROUP, &id, "", "true"), &body).ok()?
        };
        Some((opaque, hashes, bodies.iter().map(Vec::len).sum()))
    }

    /// A body that says by itself whether it is whole: serial number, random bytes, hash of both.
    pub(super) fn body(&mut self, in_batch: bool) -> Vec<u8> {
        let largest = match self.random.below(32) {
            0 if !in_batch => 1 << 20,
            1..4 => 64 << 10,
            _ => 2 << 10,
        };
        let mut body = vec![0; 16 + self.random.below(largest) as usize];
        self.random.fill(&mut body[8..]);
        body[..8].copy_from_slice(&self.serial.to_be_bytes());
        self.serial += 1;
        let end = body.len() - 8;
        let hash = hash(&body[..end]);
        body[end..].copy_from_slice(&hash.to_be_bytes());
        body
    }
}

pub(super) fn genuine(body: &[u8]) -> bool {
    let Some(end) = body.len().checked_sub(8) else { return false };
    hash(&body[..end]).to_be_bytes() == body[end..]
}

pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
