//! Look-ups: the young part, then run after run from the newest on.

use std::rc::Rc;

use rt::Env;

use super::{IndexError, KeyEntry, KeyHit, Shared};
use crate::PhysicalOffset;

#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) hash: u64,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) max: usize,
}

/// The newest hits, newest first.
pub(super) async fn run<E: Env>(shared: Rc<Shared<E>>, wanted: Wanted) -> Result<Vec<KeyHit>, IndexError> {
    let mut newest = Newest { wanted, positions: Vec::new(), log_min: 0 };
    let runs = {
        let state = shared.state.borrow();
        newest.log_min = state.log_min;
        state.young.find(wanted.hash, |entry| newest.offer(entry));
        state.runs.clone()
    };
    newest.settle();
    for run in runs.iter().rev() {
        if newest.positions.len() >= wanted.max {
            break;
        }
        let overlaps = run.footer.first_ms <= wanted.to_ms && run.footer.last_ms >= wanted.from_ms;
        if overlaps {
            run.find(&shared.config, wanted.hash, |entry| newest.offer(entry)).await?;
            newest.settle();
        }
    }
    let hit = |(at, stored_at_ms)| KeyHit { at: PhysicalOffset::new(at), stored_at_ms };
    Ok(newest.positions.into_iter().map(hit).collect())
}

/// Hits so far. Memory is bounded although a key may have a million.
struct Newest {
    wanted: Wanted,
    positions: Vec<(u64, i64)>,
    log_min: u64,
}

impl Newest {
    fn offer(&mut self, entry: KeyEntry) {
        let in_time = (self.wanted.from_ms..=self.wanted.to_ms).contains(&entry.stored_at_ms);
        if entry.at >= self.log_min && in_time {
            self.positions.push((entry.at, entry.stored_at_ms));
            if self.positions.len() >= (2 * self.wanted.max).max(HITS_MAX) {
                self.settle();
            }
        }
    }

    /// Newest first, each record once, no more than wanted.
    fn settle(&mut self) {
        self.positions.sort_unstable_by(|one, other| other.cmp(one));
        self.positions.dedup();
        self.positions.truncate(self.wanted.max);
    }
}

const HITS_MAX: usize = 1024;
