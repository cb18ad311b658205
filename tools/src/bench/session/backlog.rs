//! Messages that are stored before a load, so that it has something to read.

use std::sync::atomic::Ordering;

use net::ResponseCode;

use crate::bench::act::Shares;
use crate::bench::crew::{self, Crew};
use crate::bench::plan::{Kind, Plan};
use crate::bench::template::Shape;
use crate::failure::Failure;

use super::{Session, beside_the_load};

impl Session<'_> {
    /// Stores the backlog of a consume run. A broker that asks for patience gets what it refused again.
    pub(super) fn fill(&mut self) -> Result<(), Failure> {
        let wanted = self.plan.backlog * self.stage.queues.len() as u64;
        let before = self.stage.offsets()?;
        let (mut stored, mut tries) = (0, 0);
        while stored < wanted {
            let crew = self.fill_with(wanted - stored)?;
            stored += crew.acked_ever;
            tries += 1;
            let worst = crew.total.errors.iter().find(|(code, _)| **code != ResponseCode::SYSTEM_BUSY.0);
            let failed = crew.failure.clone().or_else(|| {
                let (code, (count, remark)) =
                    worst.or_else(|| crew.total.errors.iter().next().filter(|_| tries == FILLS_MAX))?;
                Some(format!("{count} sends were refused with code {code}: {remark}"))
            });
            if let Some(why) = failed {
                return Err(Failure::Partly { what: format!("storing the messages to be read: {why}") });
            }
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
        }
        self.stage.offsets_with(&before, stored)?;
        Ok(())
    }

    fn fill_with(&mut self, messages: u64) -> Result<Crew, Failure> {
        let batch = (FILL_BYTES / (self.plan.mean_body() as usize + 128)).clamp(1, 32);
        let plan = Plan {
            kind: Kind::Produce,
            rate: None,
            inflight: 8,
            messages: Some(messages),
            connections: self.plan.connections.min(4),
            shape: Shape { batch, oneway: false, stamped: false, sys_flag: 0, ..self.plan.shape.clone() },
            verify: false,
            shares: Shares::default(),
            delays: None,
            ..crew::modest(self.plan)
        };
        let parts = crew::sending_parts(&plan, &self.stage.brokers, &self.stage.queues);
        self.crew(parts, beside_the_load(&plan), &mut |_| {})
    }
}

/// How often a backlog is topped up with what a busy broker refused.
const FILLS_MAX: usize = 50;
/// Bodies in a request that stores a backlog.
const FILL_BYTES: usize = 128 << 10;
