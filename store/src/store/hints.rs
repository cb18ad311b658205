//! High-water hints: how far the numbering of each queue may have gone, durable before a reader can see it.
//!
//! Where readers run ahead of the flush (ASYNC_FLUSH), a crash of the system can lose offsets that were seen. So every
//! 4,096 offsets the next bound is written to the tables ahead of use; a message at or above its queue's durable bound
//! is neither answered nor shown. After a restart that cannot prove the log whole, numbering resumes at the bound.
//!
//! A bound must be durable before it is needed, however long the disk takes: of a queue that uses 4,096 offsets in less
//! than some seconds the bounds lie further apart.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use rt::{Class, Env};

use crate::commitlog::Log;
use crate::tables::Tables;
use crate::worker::Worker;
use crate::{PhysicalOffset, QueueOffset, QueueRef};

pub(super) struct Hints {
    state: Rc<RefCell<State>>,
    /// Makes bounds durable, one batch at a time; set once the log is open.
    raiser: OnceCell<Worker>,
}

#[derive(Default)]
struct State {
    /// By queue.
    marks: Vec<Mark>,
    /// Bounds that are to be made durable.
    asked: Vec<(QueueRef, u64)>,
    /// Those on their way, or memory for the next ones.
    raised: Vec<(QueueRef, u64)>,
    /// Queues with a message at or above their durable bound.
    over: Vec<QueueRef>,
}

#[derive(Clone)]
struct Mark {
    /// In [`TABLE`], once there is a bound.
    key: Box<[u8]>,
    /// First offset that must not be used yet.
    durable: u64,
    /// The bound on its way, or the durable one.
    asked: u64,
    /// First offset not used yet.
    next: u64,
    /// First record at or above `durable`.
    over_at: Option<u64>,
    /// Offsets between two bounds.
    step: u64,
    /// When the last bound was asked for.
    asked_at_ms: i64,
}

impl Default for Mark {
    fn default() -> Self {
        Self { key: Box::default(), durable: 0, asked: 0, next: 0, over_at: None, step: STEP, asked_at_ms: 0 }
    }
}

impl Mark {
    /// The next bound, if it is time to ask for one.
    fn ask(&mut self, now_ms: i64) -> Option<u64> {
        if self.next + self.step / 2 <= self.asked {
            return None;
        }
        let lasted_ms = now_ms - self.asked_at_ms;
        if lasted_ms < BOUND_MS {
            let times = (BOUND_MS / lasted_ms.max(1)).cast_unsigned().next_power_of_two();
            self.step = (self.step * times.clamp(2, GROWTH_MAX)).min(STEP_MAX);
        } else if lasted_ms > 4 * BOUND_MS {
            let times = (lasted_ms / (2 * BOUND_MS)).cast_unsigned().next_power_of_two();
            self.step = (self.step / times).max(STEP);
        }
        self.asked_at_ms = now_ms;
        // Never back, when the step has become smaller.
        self.asked = self.asked.max((self.next / self.step + 1) * self.step + self.step / 2);
        Some(self.asked)
    }
}

impl Hints {
    pub(super) fn new() -> Self {
        Self { state: Rc::default(), raiser: OnceCell::new() }
    }

    /// Makes the task that raises bounds. It lives as long as this.
    pub(super) fn employ<E: Env>(&self, log: &Rc<Log<E>>, tables: &Tables<E>) {
        let (env, log, tables) = (log.env.clone(), log.clone(), Rc::new(RefCell::new(tables.share())));
        let raise = move |state| raise(state, log.clone(), tables.clone());
        let worker = Worker::start(&env, Class::Flush, &self.state, raise);
        assert!(self.raiser.set(worker).is_ok(), "employed once");
    }

    /// Offsets by queue in one of the store's tables, as an earlier run left them.
    pub(super) fn stored<E: Env>(tables: &Tables<E>, table: u8) -> Vec<(String, u32, QueueOffset)> {
        tables.iter(table).filter_map(|(key, value)| decode(&key, &value)).collect()
    }

    /// At start: `queue` has the durable bound `bound`.
    pub(super) fn load(&self, queue: QueueRef, bound: QueueOffset) {
        let mut state = self.state.borrow_mut();
        let mark = state.mark(queue);
        mark.durable = bound.get();
        mark.asked = bound.get();
    }

    /// `count` offsets of `queue` from `first` on were given, at `now_ms`, to records that start at `at`. Asks for the next
    /// bound if it is time for one. `name` is the queue's topic and number.
    pub(super) fn used(
        &self,
        queue: QueueRef,
        name: (&str, u32),
        (first, count): (QueueOffset, u64),
        at: PhysicalOffset,
        now_ms: i64,
    ) {
        let mut state = self.state.borrow_mut();
        let mark = state.mark(queue);
        mark.next = first.get() + count;
        let over = mark.next > mark.durable && mark.over_at.is_none();
        if over {
            mark.over_at = Some(at.get());
        }
        let raise = mark.ask(now_ms);
        if raise.is_some() && mark.key.is_empty() {
            mark.key = key(name.0, name.1).into();
        }
        if over {
            state.over.push(queue);
        }
        if let Some(bound) = raise {
            state.asked.push((queue, bound));
            self.raiser.get().expect("employed").ring();
        }
    }

    /// Everything below has a durable bound; `u64::MAX` if all has.
    pub(super) fn gate(&self) -> u64 {
        let state = self.state.borrow();
        state.over.iter().filter_map(|queue| state.marks[queue.index()].over_at).min().unwrap_or(u64::MAX)
    }

    /// The topic's queues are gone; a topic that comes back is numbered from 0.
    pub(super) fn forget<E: Env>(&self, topic: &str, queues: &[(u32, QueueRef)], tables: &mut Tables<E>) {
        let state = &mut *self.state.borrow_mut();
        for (queue_id, queue) in queues {
            // A failure of the tables is latched by whoever waits for them next.
            let _latched = tables.delete(TABLE, &key(topic, *queue_id));
            let _latched = tables.delete(FLOORS, &key(topic, *queue_id));
            *state.mark(*queue) = Mark::default();
            state.over.retain(|over| over != queue);
            state.asked.retain(|(asked, _)| asked != queue);
        }
    }
}

/// Makes the bounds asked for durable.
async fn raise<E: Env>(state: Rc<RefCell<State>>, log: Rc<Log<E>>, tables: Rc<RefCell<Tables<E>>>) {
    let durable = {
        let state = &mut *state.borrow_mut();
        std::mem::swap(&mut state.asked, &mut state.raised);
        let mut tables = tables.borrow_mut();
        let mut put = Ok(());
        for (queue, bound) in &state.raised {
            let key = &state.marks[queue.index()].key;
            put = put.and_then(|()| tables.put(TABLE, key, &bound.to_be_bytes()));
        }
        put.map(|()| tables.durable())
    };
    let outcome = match durable {
        Ok(durable) => durable.await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => state.borrow_mut().raised(),
        Err(error) => log.fail(log.end(), format!("queue numbering cannot be made durable: {error}")),
    }
    log.env.kick();
}

impl State {
    /// The bounds on their way have arrived.
    fn raised(&mut self) {
        for (queue, bound) in self.raised.drain(..) {
            let mark = &mut self.marks[queue.index()];
            // A queue deleted meanwhile starts over without a bound.
            if mark.asked >= bound {
                mark.durable = mark.durable.max(bound);
            }
            if mark.next <= mark.durable {
                mark.over_at = None;
            }
        }
        let marks = &self.marks;
        self.over.retain(|queue| marks[queue.index()].over_at.is_some());
    }

    fn mark(&mut self, queue: QueueRef) -> &mut Mark {
        if self.marks.len() <= queue.index() {
            self.marks.resize(queue.index() + 1, Mark::default());
        }
        &mut self.marks[queue.index()]
    }
}

/// Key of a queue's bound in [`TABLE`].
pub(super) fn key(topic: &str, queue_id: u32) -> Vec<u8> {
    [&queue_id.to_be_bytes()[..], topic.as_bytes()].concat()
}

fn decode(key: &[u8], value: &[u8]) -> Option<(String, u32, QueueOffset)> {
    let (queue_id, topic) = key.split_first_chunk::<4>()?;
    let bound = u64::from_be_bytes(*value.first_chunk::<8>()?);
    Some((String::from_utf8(topic.to_vec()).ok()?, u32::from_be_bytes(*queue_id), QueueOffset::new(bound)))
}

/// Offsets between two durable bounds, of a queue that is not fast.
const STEP: u64 = 4096;
/// What a crash of the system may skip: some seconds of the fastest queue.
const STEP_MAX: u64 = 1 << 22;
/// A bound should last so long at least: half of it is what its flush may take before messages wait. Disks of virtual
/// machines stand still for more than a second.
const BOUND_MS: i64 = 4000;
/// A short burst does not make a queue a fast one at once.
const GROWTH_MAX: u64 = 8;
/// The store's own table; see [`super::Store::tables`].
pub(super) const TABLE: u8 = 255;
/// Where numbering resumed after a loss. It stays: the queue may not be used again before the next crash.
pub(super) const FLOORS: u8 = 253;

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue that grows by `rate` offsets a second for half a minute: at each bound that was asked for, when, how far the
    /// queue was, and the bound before.
    fn asked(rate: u64) -> Vec<(i64, u64, u64)> {
        let mut mark = Mark::default();
        let mut asked = Vec::new();
        for ms in 0..30_000 {
            mark.next = rate * ms / 1000;
            let before = mark.asked;
            if let Some(bound) = mark.ask(1_700_000_000_000 + ms.cast_signed()) {
                assert!(bound > before && bound > mark.next, "a bound is ahead: {bound} at {}", mark.next);
                asked.push((ms.cast_signed(), mark.next, before));
            }
        }
        asked
    }

    #[test]
    fn a_disk_that_stands_still_for_a_second_stops_no_queue_however_fast() {
        for rate in [100, 3_000, 25_000, 175_000, 1_000_000] {
            let late = |(ms, next, before): &(i64, u64, u64)| *ms > 3_000 && (before - next) < rate;
            let asked = asked(rate);
            assert_eq!(asked.iter().find(|one| late(one)), None, "{rate}/s");
            assert!(asked.len() < 30, "{rate}/s asked for {} bounds", asked.len());
        }
    }

    #[test]
    fn what_a_crash_may_skip_is_small_for_a_slow_queue_and_becomes_so_again() {
        let mut mark = Mark::default();
        let mut now_ms = 0;
        let mut skipped = |mark: &mut Mark, offsets: u64, ms_each: i64| {
            for _ in 0..offsets / STEP {
                mark.next += STEP;
                now_ms += ms_each;
                mark.ask(now_ms);
            }
            mark.asked - mark.next
        };
        assert!(skipped(&mut mark, 40 * STEP, 60_000) <= 2 * STEP);
        assert!(skipped(&mut mark, 40 * STEP, 20) > 16 * STEP, "fast");
        assert!(
            skipped(&mut mark, 2 * STEP_MAX, 60_000) <= 2 * STEP,
            "slow again, behind the bound that was far"
        );
    }
}
