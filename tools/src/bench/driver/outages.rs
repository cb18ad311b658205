//! [`Outages`]: connections that were lost in the middle of a run, and when each is tried again.
//!
//! The first attempt is made at once, later ones with pauses that double up to a second: a broker that restarts answers
//! within moments, and ten thousand connections do not hammer one that does not. A connection that stays away for
//! longer than its user's patience ends the run.

use std::net::SocketAddr;
use std::time::Duration;

use rt::Mono;

/// See the module.
#[derive(Debug)]
pub(super) struct Outages {
    /// How long a connection may be away.
    patience: Duration,
    down: Vec<Outage>,
}

/// A connection that is away.
#[derive(Debug)]
struct Outage {
    line: usize,
    peer: SocketAddr,
    since: Mono,
    /// When it is tried next; `None` while an attempt is under way.
    next: Option<Mono>,
    pause_ms: u64,
    /// What was said last.
    why: String,
}

impl Outages {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, down: Vec::new() }
    }

    /// Nobody waits: a lost connection ends the run.
    pub(super) fn is_fatal(&self) -> bool {
        self.patience.is_zero()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.down.is_empty()
    }

    /// Connection `line` to `peer` ended, or an attempt to get it back did. True if it was up until now.
    pub(super) fn ended(&mut self, line: usize, peer: SocketAddr, why: String, now: Mono) -> bool {
        if let Some(outage) = self.down.iter_mut().find(|outage| outage.line == line) {
            outage.next = Some(now.plus_ms(outage.pause_ms));
            outage.pause_ms = (outage.pause_ms * 2).min(PAUSE_MS_MAX);
            outage.why = why;
            return false;
        }
        let next = Some(now);
        self.down.push(Outage { line, peer, since: now, next, pause_ms: PAUSE_MS_FIRST, why });
        true
    }

    /// Connection `line` is up. True if it was away.
    pub(super) fn back(&mut self, line: usize) -> bool {
        let before = self.down.len();
        self.down.retain(|outage| outage.line != line);
        self.down.len() < before
    }

    /// A connection to try again now.
    pub(super) fn next_due(&mut self, now: Mono) -> Option<(usize, SocketAddr)> {
        let due = self.down.iter_mut().find(|outage| outage.next.is_some_and(|at| at <= now))?;
        due.next = None;
        Some((due.line, due.peer))
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Mono> {
        // An attempt under way ends by itself, and its time is watched now and then.
        let soon = |outage: &Outage| outage.next.unwrap_or(Mono(u64::MAX));
        self.down.iter().map(soon).min()
    }

    /// What to say of a connection that was away for too long; of any that is away when the run is `over`.
    pub(super) fn failure(&self, now: Mono, over: bool) -> Option<String> {
        let patience = u64::try_from(self.patience.as_nanos()).unwrap_or(u64::MAX);
        let lost = self.down.iter().find(|outage| over || now.since(outage.since) >= patience)?;
        let until =
            if over { "when the run ended".to_owned() } else { format!("within {:?}", self.patience) };
        Some(format!("connection lost: {}: {}; not back {until}", lost.peer, lost.why))
    }
}

const PAUSE_MS_FIRST: u64 = 10;
const PAUSE_MS_MAX: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(0).plus_ms(ms)
    }

    #[test]
    fn pauses_double_up_to_a_second_and_patience_ends() {
        let peer: SocketAddr = ([10, 0, 0, 1], 1).into();
        let mut outages = Outages::new(Duration::from_secs(30));
        assert!(outages.ended(3, peer, "gone".into(), at(0)));
        let (mut now, mut attempts) = (0, Vec::new());
        while outages.failure(at(now), false).is_none() {
            if outages.next_due(at(now)).is_some() {
                assert_eq!(outages.next_due(at(now)), None, "one attempt at a time");
                attempts.push(now);
                assert!(!outages.ended(3, peer, "refused".into(), at(now)));
            }
            now += 1;
        }
        assert_eq!(attempts[..8], [0, 10, 30, 70, 150, 310, 630, 1_270]);
        assert!(attempts[8..].windows(2).all(|pair| pair[1] - pair[0] <= 1_000));
        assert_eq!(now, 30_000);
        let said = outages.failure(at(now), false).unwrap();
        assert_eq!(said, "connection lost: 10.0.0.1:1: refused; not back within 30s");
        assert!(outages.back(3) && !outages.back(3) && outages.is_empty());
        assert_eq!((outages.failure(at(now), true), outages.deadline()), (None, None));
    }
}
