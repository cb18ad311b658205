//! The background half of the index: one task at a time spreads, writes, merges and drops.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use rt::{Class, Disk, Env};

use super::merge::{self, Plan};
use super::run::Run;
use super::{IndexError, Shared, YOUNG_RUNS_MAX};
use crate::consume_queue::LogPositions;
use crate::worker::Worker;

#[derive(Debug)]
pub(super) struct Builder {
    running: bool,
    next_name: u64,
    /// A full disk was met: not before this time, in monotonic nanoseconds.
    not_before: u64,
    pub(super) failure: Option<Rc<str>>,
}

impl Builder {
    pub(super) fn new(next_name: u64) -> Self {
        Self { running: false, next_name, not_before: 0, failure: None }
    }
}

/// Takes in the positions of a turn and starts the task if there is work.
pub(super) fn tick<E: Env>(shared: &Rc<Shared<E>>, log: LogPositions) {
    let mut state = shared.state.borrow_mut();
    state.young.log_end = log.end.get();
    state.young.log_flushed = log.flushed.get();
    state.log_min = state.log_min.max(log.min.get());
    // Without a disk that takes runs, memory is bounded by forgetting.
    while state.young.keys() > shared.config.run_keys * YOUNG_RUNS_MAX && !state.builder.running {
        state.young.drop_oldest();
    }
    let young = &state.young;
    let work = is_due(shared, &state) || young.is_behind() || has_expired(&state);
    if !work || state.builder.running || state.builder.failure.is_some() {
        return;
    }
    if state.builder.not_before > 0 && shared.env.now().mono.0 < state.builder.not_before {
        return;
    }
    state.builder.running = true;
    shared.builder.get().expect("employed").ring();
}

/// Makes the task. It lives as long as the index.
pub(super) fn employ<E: Env>(shared: &Rc<Shared<E>>) {
    let work = |shared: Rc<Shared<E>>| async move {
        if !shared.state.borrow().builder.running {
            return;
        }
        let outcome = work_off(&shared, false).await;
        let mut state = shared.state.borrow_mut();
        state.builder.running = false;
        state.builder.not_before = 0;
        match outcome {
            Ok(()) => {}
            Err(IndexError::Io { source, .. }) if is_full(&source) => {
                state.builder.not_before = shared.env.now().mono.0 + RETRY_NS;
            }
            Err(error) => {
                tracing::error!(%error, "no more runs are written; keys may be unfindable after a restart");
                state.builder.failure = Some(error.to_string().into());
            }
        }
    };
    let worker = Worker::start(&shared.env, Class::Flush, shared, work);
    assert!(shared.builder.set(worker).is_ok(), "employed once");
}

/// As [`tick`], in the foreground; with `all`, everything young becomes a run.
pub(super) async fn settle<E: Env>(
    shared: &Rc<Shared<E>>,
    log: LogPositions,
    all: bool,
) -> Result<(), IndexError> {
    while shared.state.borrow().builder.running {
        shared.env.sleep(PAUSE).await;
    }
    {
        let mut state = shared.state.borrow_mut();
        state.young.log_end = log.end.get();
        state.young.log_flushed = log.flushed.get();
        state.builder.running = true;
    }
    let outcome = work_off(shared, all).await;
    shared.state.borrow_mut().builder.running = false;
    outcome
}

fn is_due<E: Env>(shared: &Shared<E>, state: &super::State<E>) -> bool {
    let young = &state.young;
    let log_bytes = young.log_end.saturating_sub(young.first_covered());
    young.keys() >= shared.config.run_keys || log_bytes >= shared.config.run_log_bytes
}

fn has_expired<E: Env>(state: &super::State<E>) -> bool {
    state.runs.first().is_some_and(|run| run.footer.covers_to <= state.log_min)
}

async fn work_off<E: Env>(shared: &Rc<Shared<E>>, all: bool) -> Result<(), IndexError> {
    drop_expired(shared).await?;
    while shared.state.borrow_mut().young.keep_up() {
        shared.env.yield_now().await;
    }
    let due = || {
        let state = shared.state.borrow();
        is_due(shared, &state) || (all && state.young.log_end > state.young.first_covered())
    };
    while due() {
        write_young(shared).await?;
        while merge_some(shared).await? {}
    }
    Ok(())
}

async fn write_young<E: Env>(shared: &Rc<Shared<E>>) -> Result<(), IndexError> {
    let (generations, covers, log_min, name) = {
        let mut state = shared.state.borrow_mut();
        state.builder.next_name += 1;
        let (generations, covers_to) = state.young.seal();
        (generations, state.young.first_covered()..covers_to, state.log_min, state.builder.next_name - 1)
    };
    // A run must not cover records that a crash can still take.
    while shared.state.borrow().young.log_flushed < covers.end {
        shared.env.sleep(PAUSE).await;
    }
    let covers_to = covers.end;
    let plan = Plan { name, covers, level: 0, log_min };
    // Keys go on coming meanwhile.
    let breathe = || {
        shared.state.borrow_mut().young.keep_up();
    };
    let run = merge::write_young(&shared.env, &shared.config, plan, &generations, breathe).await?;
    let count = generations.len();
    drop(generations);
    let mut state = shared.state.borrow_mut();
    state.runs.push(Rc::new(run));
    state.young.written(count, covers_to);
    Ok(())
}

/// Merges neighbouring runs of one level, if there are enough.
async fn merge_some<E: Env>(shared: &Rc<Shared<E>>) -> Result<bool, IndexError> {
    let config = &shared.config;
    let (first, runs, log_min, name) = {
        let mut state = shared.state.borrow_mut();
        let mergeable = |runs: &[Rc<Run<E>>]| {
            let keys: u64 = runs.iter().map(|run| run.footer.keys).sum();
            keys <= config.merge_keys_max && runs.iter().all(|run| run.footer.level == runs[0].footer.level)
        };
        let Some(first) = state.runs.windows(config.merge_runs).position(mergeable) else { return Ok(false) };
        let runs: Vec<_> = state.runs[first..first + config.merge_runs].to_vec();
        state.builder.next_name += 1;
        (first, runs, state.log_min, state.builder.next_name - 1)
    };
    let covers = runs[0].footer.covers_from..runs[runs.len() - 1].footer.covers_to;
    let level = runs[0].footer.level + 1;
    let plan = Plan { name, covers, level, log_min };
    let merged = merge::write_runs(&shared.env, config, plan, &runs).await?;
    shared.state.borrow_mut().runs.splice(first..first + runs.len(), [Rc::new(merged)]);
    for run in runs {
        remove(shared, &run).await?;
    }
    Ok(true)
}

async fn drop_expired<E: Env>(shared: &Rc<Shared<E>>) -> Result<(), IndexError> {
    loop {
        let expired = {
            let mut state = shared.state.borrow_mut();
            has_expired(&state).then(|| state.runs.remove(0))
        };
        match expired {
            Some(run) => remove(shared, &run).await?,
            None => return Ok(()),
        }
    }
}

async fn remove<E: Env>(shared: &Rc<Shared<E>>, run: &Run<E>) -> Result<(), IndexError> {
    shared.env.disk().remove(&run.path).await.map_err(super::run::io("remove"))
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

const PAUSE: Duration = Duration::from_millis(2);
const RETRY_NS: u64 = 1_000_000_000;
