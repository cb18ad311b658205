//! [`Frames`]: the requests that a round brings on each connection.

use net::client::{RequestHead, encode};
use net::requests::{PullMessage, PullReply, RequestHeader};
use net::{Codec, Header};
use ringmq::bench::template::OPAQUE_BASE;

use super::{LINES, Scenario};
use crate::sends::{SIZE, Sends};

/// Messages per queue that pulls read again and again.
pub(super) const TAIL: u64 = 1_024;
/// Messages of a pull.
const PULL: u64 = 32;

/// See the module.
pub(super) struct Frames {
    scenario: Scenario,
    sends: Sends,
    /// Pulls made so far.
    pulls: i32,
    /// Where each connection's next pull starts.
    next: Vec<u64>,
}

impl Frames {
    pub(super) fn new(scenario: Scenario) -> Self {
        let codec = if scenario == Scenario::SendBinary { Codec::Binary } else { Codec::Json };
        let batch = if scenario == Scenario::Batch { 32 } else { 1 };
        Self { scenario, sends: Sends::new(codec, TOPIC, batch), pulls: 0, next: vec![0; LINES as usize] }
    }

    /// Requests per connection and round.
    pub(super) fn per_round(&self) -> u64 {
        match self.scenario {
            Scenario::Pull => 1,
            Scenario::Batch => 2,
            _ => 64,
        }
    }

    /// The bytes of one connection's requests.
    pub(super) fn round(&mut self, line: usize, now_ms: i64) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..self.per_round() {
            if self.scenario == Scenario::Pull {
                self.pull(line, &mut out);
            } else {
                self.sends.append(&mut out, now_ms);
            }
        }
        out
    }

    fn pull(&mut self, line: usize, out: &mut Vec<u8>) {
        let queue = i32::try_from(line).expect("four");
        let from = i64::try_from(self.next[line]).expect("a short tail");
        let everything = PullMessage::everything("benches", TOPIC, queue, from);
        let header = PullMessage { max_msg_nums: PULL as i32, ..everything };
        self.pulls += 1;
        let opaque = OPAQUE_BASE + self.pulls;
        encode(
            out,
            RequestHead { codec: Codec::Json, code: PullMessage::CODE, opaque, oneway: false },
            &header,
            &[],
        );
    }

    /// An answer: of a pull, whether it is the messages asked for.
    pub(super) fn check(&mut self, line: usize, header: &Header<'_>, body: &[u8]) -> Result<(), String> {
        if self.scenario != Scenario::Pull {
            return Ok(());
        }
        let reply: PullReply = net::fields::Decode::decode(&header.ext).map_err(|error| error.to_string())?;
        let wanted = self.next[line] + PULL;
        self.next[line] = wanted % TAIL;
        if reply.next_begin_offset == wanted as i64 && body.len() > PULL as usize * SIZE {
            Ok(())
        } else {
            Err(format!("{} bytes up to {}, {wanted} wanted", body.len(), reply.next_begin_offset))
        }
    }
}

const TOPIC: &str = "Path";
