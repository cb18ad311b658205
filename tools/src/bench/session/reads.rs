//! The loads that send nothing: reads of a backlog, pops of it, or waiting for what others send.

use crate::bench::crew::{self, Readers};
use crate::bench::receiver::Reading;
use crate::bench::recorder::Interval;
use crate::bench::stage::Queue;
use crate::failure::Failure;

use super::{Ran, SUSPEND_MS, Session, consumers};

impl Session<'_> {
    /// Reads what is stored, again and again.
    pub(super) fn consume(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        if !self.plan.topic_exists {
            self.fill()?;
        }
        if self.plan.follow {
            return self.follow(each);
        }
        let offsets = self.stage.offsets()?;
        let readings: Vec<(Queue, Reading)> = self
            .stage
            .queues
            .iter()
            .cloned()
            .zip(offsets)
            .map(|(queue, (first, end))| (queue, Reading::Again(first..end)))
            .collect();
        let total: i64 = readings.iter().map(|(_, reading)| reading.messages()).sum();
        if total == 0 {
            return Err(Failure::Partly {
                what: format!(
                    "{} has no messages to read\n  fix    send some first, or leave out --topic-exists",
                    self.stage.topics().join(", ")
                ),
            });
        }
        let readings: Vec<_> = readings.into_iter().filter(|(_, reading)| reading.messages() > 0).collect();
        let consumers = consumers(self.plan, readings.len());
        let readers = Readers { consumers, deliveries: false, suspend: 0, budget: self.plan.messages };
        let mut parts = Vec::new();
        crew::add_consumers(&mut parts, self.plan, readers, &self.stage.brokers, &readings);
        let crew = self.crew(parts, self.span(), each)?;
        Ok((crew, None))
    }

    /// Pops what is stored.
    pub(super) fn pop(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        if !self.plan.topic_exists {
            self.fill()?;
        }
        let names: Vec<String> =
            (0..self.stage.brokers.len()).map(|broker| self.stage.name_of(broker)).collect();
        let topics = self.stage.topics().to_vec();
        let consumers = consumers(self.plan, usize::MAX);
        let parts = crew::popping_parts(self.plan, &self.stage.brokers, &names, &topics, consumers);
        let crew = self.crew(parts, self.span(), each)?;
        Ok((crew, None))
    }

    /// Waits for what others send.
    fn follow(&mut self, each: &mut dyn FnMut(&Interval)) -> Ran {
        let readings = self.ends()?;
        let consumers = consumers(self.plan, readings.len()).min(readings.len());
        let readers =
            Readers { consumers, deliveries: true, suspend: SUSPEND_MS, budget: self.plan.messages };
        let mut parts = Vec::new();
        crew::add_consumers(&mut parts, self.plan, readers, &self.stage.brokers, &readings);
        let crew = self.crew(parts, self.span(), each)?;
        Ok((crew, None))
    }
}
