//! A busy connection receives into memory of its own, and may leave there what it does not take yet.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::convert::Infallible;
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;

use rt::real::{RealEnv, start_shard};
use rt::{ConnId, Env, Event, Mono, Now, Reactor, Transport, TurnOutcome};
use support::{anywhere, options, pattern};

/// What a reader takes at a time.
const FRAME: usize = 1400;
const BURST: usize = 5_000 * FRAME;
/// Longer than a connection keeps its memory in silence.
const SILENCE_MS: u64 = 1_300;

/// Takes whole frames; tells of each burst, the second time after a silence.
struct Frames {
    env: RealEnv,
    got: Vec<u8>,
    /// Receives from memory of the connection, and those of them that began with what was left.
    own: usize,
    continued: usize,
    left: usize,
    kept: Vec<u8>,
    bursts: usize,
    silent_until: Option<Mono>,
    tell: mpsc::Sender<(Vec<u8>, usize, usize)>,
}

impl Frames {
    fn take(&mut self, conn: ConnId, bytes: &[u8]) {
        self.got.extend_from_slice(bytes);
        // Off and on while the bytes are lent: nothing may be received over them.
        if (self.got.len() / FRAME).is_multiple_of(7) {
            self.env.net().set_reading(conn, false);
            self.env.net().set_reading(conn, true);
        }
    }
}

impl Reactor for Frames {
    fn event(&mut self, event: Event<'_>, _: Now) {
        if let Event::Received { conn, bytes } = event {
            self.take(conn, bytes);
        }
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8], left_max: usize, _: Now) -> usize {
        self.own += 1;
        self.continued += usize::from(self.left > 0);
        assert_eq!(bytes[..self.left], self.kept, "what was left comes first");
        // Shared receives before may have ended anywhere in a frame.
        let whole = (self.got.len() + bytes.len()) / FRAME * FRAME;
        let taken = whole.saturating_sub(self.got.len());
        self.left = bytes.len() - taken;
        assert!(self.left <= left_max);
        self.kept.clear();
        self.kept.extend_from_slice(&bytes[taken..]);
        self.take(conn, &bytes[..taken]);
        self.left
    }

    fn end_of_turn(&mut self, now: Now) -> TurnOutcome {
        let mut deadline = None;
        if self.got.len() == BURST {
            let due = *self.silent_until.get_or_insert(now.mono.plus_ms(SILENCE_MS));
            deadline = Some(due);
            if now.mono >= due {
                self.silent_until = None;
                self.bursts += 1;
                let got = std::mem::take(&mut self.got);
                self.tell
                    .send((got, std::mem::take(&mut self.own), std::mem::take(&mut self.continued)))
                    .unwrap();
            }
        }
        TurnOutcome { deadline, stop: self.bursts == 2 }
    }
}

#[test]
fn what_a_busy_connection_leaves_is_followed_by_what_comes() {
    let (tell, told) = mpsc::channel();
    let (tell_at, at) = mpsc::channel();
    let shard = start_shard(options(), move |env: RealEnv| async move {
        tell_at.send(env.net().listen(anywhere()).unwrap().1).unwrap();
        let got = Vec::with_capacity(BURST);
        Ok::<_, Infallible>(Frames {
            env,
            got,
            own: 0,
            continued: 0,
            left: 0,
            kept: Vec::new(),
            bursts: 0,
            silent_until: None,
            tell,
        })
    })
    .unwrap();
    let mut stream = TcpStream::connect(at.recv().unwrap()).unwrap();
    for _ in 0..2 {
        stream.write_all(&pattern(BURST)).unwrap();
        let (got, own, continued) = told.recv().unwrap();
        assert!(got == pattern(BURST));
        assert!(
            own > 10 && continued > 2,
            "{own} receives into its own memory, {continued} behind what was left"
        );
    }
    shard.join().unwrap();
}
