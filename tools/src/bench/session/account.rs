//! Where the messages of a load are afterwards: how far queues grew, and with `--verify` each message.

use std::sync::atomic::AtomicBool;

use crate::bench::crew::{self, Crew, Readers};
use crate::bench::plan::Plan;
use crate::bench::receiver::Reading;
use crate::bench::stage::Queue;
use crate::failure::Failure;

use super::{Session, beside_the_load, cannot_run};

impl Session<'_> {
    /// What is wrong with the number of messages that the queues grew by. (A refused one may have been stored: a flush
    /// that timed out.)
    pub(super) fn stored_since(
        &mut self,
        before: &[(i64, i64)],
        crew: &Crew,
    ) -> Result<Option<String>, Failure> {
        let after = self.stage.offsets_with(before, crew.visible_ever)?;
        let end = |offsets: &[(i64, i64)]| offsets.iter().map(|(_, end)| end).sum::<i64>();
        let stored = (end(&after) - end(before)).unsigned_abs();
        // What a check committed is there beside what this run committed.
        let checked = crew.total.checks > 0;
        let exact = !self.plan.topic_exists && !self.plan.shape.oneway && !checked && crew.failed_ever == 0;
        let wrong = stored < crew.visible_ever || exact && stored != crew.visible_ever;
        Ok(wrong.then(|| format!("{} messages acknowledged, {stored} stored", crew.visible_ever)))
    }

    /// Reads everything stored since `before`, once.
    pub(super) fn read_back(&mut self, before: &[(i64, i64)], acked: u64) -> Result<Crew, Failure> {
        let after = self.stage.offsets_with(before, acked)?;
        let readings: Vec<(Queue, Reading)> = self
            .stage
            .queues
            .iter()
            .cloned()
            .zip(before.iter().zip(after))
            .map(|(queue, ((_, from), (_, to)))| (queue, Reading::Once(*from..to)))
            .filter(|(_, reading)| reading.messages() > 0)
            .collect();
        let mut parts = Vec::new();
        let plan = Plan { pull: 64, ..crew::modest(self.plan) };
        let consumers = READERS.min(readings.len()).max(1);
        let readers = Readers { consumers, deliveries: false, suspend: 0, budget: None };
        if !readings.is_empty() {
            crew::add_consumers(&mut parts, &plan, readers, &self.stage.brokers, &readings);
        }
        // An impatient user has ended the load; the account is still wanted, and a second Ctrl-C ends that too.
        crew::run(parts, beside_the_load(&plan), &[], &AtomicBool::new(false), &mut |_| {})
            .map_err(cannot_run)
    }
}

/// Connections that read back for `--verify`.
const READERS: usize = 4;
