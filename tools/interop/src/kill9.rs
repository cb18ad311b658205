//! `kill -9` at random moments, and what must hold afterwards: [`messages`] that were acknowledged, what was popped
//! ([`pop`]), what is consumed in [`order`].
//!
//! A suite is cycles of load, kill, restart and verification against the broker `broker-0`; what it must not lose it keeps
//! in a ledger of its own over all cycles, and in the end everything is read once more. Here is what all of them do.

use std::{
    thread::{Scope, sleep},
    time::{Duration, Instant},
};

use crate::{
    cluster::Cluster,
    random::Random,
    record::{Record, parse},
    trouble::Trouble,
    wire::Wire,
};

mod commits;
mod ledger;
mod load;
pub(crate) mod messages;
pub(crate) mod order;
pub(crate) mod pop;
mod waiting;

/// How long an answer may take. The broker starts anew in between, on processors that it shares.
const PATIENCE: Duration = Duration::from_secs(20);
const READERS: &str = "Kill9Readers";

/// The random numbers of a run, and the seed that repeats it, which is printed.
fn seeded(suite: &str) -> (u64, Random) {
    let seed = Random::seed();
    println!("  {suite}: INTEROP_SEED={seed}");
    (seed, Random::new(seed))
}

/// Kills the broker while `load` runs, `wait` after it began, and returns the moment when it was gone. The load is over
/// on return: its threads end when their connections break.
fn kill_under_load<'env>(
    cluster: &mut Cluster,
    wait: Duration,
    load: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>),
) -> Result<Instant, Trouble> {
    std::thread::scope(|scope| {
        load(scope);
        sleep(wait);
        kill(cluster)
    })
}

fn kill(cluster: &mut Cluster) -> Result<Instant, Trouble> {
    cluster.obey("kill broker-0")?;
    Ok(Instant::now())
}

/// Starts the broker that was killed; it serves on return.
fn restart(cluster: &mut Cluster) -> Result<(), Trouble> {
    cluster.obey("start broker-0")
}

/// Stops the broker in good order and starts it again.
fn stop_and_start(cluster: &mut Cluster) -> Result<(), Trouble> {
    cluster.obey("stop broker-0")?;
    restart(cluster)
}

/// A trial in which something never happened has proved nothing about it.
fn happened(count: usize, what: &str) -> Result<(), Trouble> {
    if count > 0 {
        Ok(())
    } else {
        Err(Trouble::Answer(format!("{what} never happened: nothing was proved")))
    }
}

/// Hands over every record of a queue from offset `from` to its present end, and returns that.
fn read_queue(
    wire: &mut Wire,
    (topic, queue_id): (&str, i32),
    from: i64,
    mut take: impl FnMut(Record) -> Result<(), Trouble>,
) -> Result<i64, Trouble> {
    let max = wire.max_offset(topic, queue_id)?;
    let mut next = from;
    while next < max {
        let answer = wire.pull(READERS, topic, queue_id, next, 32)?;
        let records = if answer.code == 0 { parse(&answer.body) } else { None };
        let records = records.filter(|records| !records.is_empty()).ok_or_else(|| {
            let (code, remark) = (answer.code, &answer.remark);
            Trouble::Answer(format!(
                "pull of {topic} {queue_id} at {next} of {max}: no records, {code} '{remark}'"
            ))
        })?;
        for record in records {
            if record.queue_offset != next || record.queue_id != queue_id {
                return Err(Trouble::Answer(format!(
                    "{topic} {queue_id} has {record:?} where offset {next} should be"
                )));
            }
            take(record)?;
            next += 1;
        }
    }
    Ok(max)
}
