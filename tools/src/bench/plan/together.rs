//! What single options do not tell: whether they go together. And whether there is a place for the result.

use std::path::Path;

use net::names;

use crate::bench::options::Load;
use crate::bench::report;
use crate::bench::scrape;
use crate::bench::template::MARKS;
use crate::bench::units::{Arrivals, Rate};
use crate::failure::Failure;

use super::checks::{usage, within};
use super::{Kind, Plan};

impl Plan {
    /// Refuses what contradicts itself.
    pub(super) fn check_together(&self, load: &Load) -> Result<(), Failure> {
        self.check_pops()?;
        self.check_pace(load)?;
        self.check_reads(load)?;
        self.check_account()?;
        self.check_messages()?;
        self.check_results()
    }

    /// Pops take messages away.
    fn check_pops(&self) -> Result<(), Failure> {
        if self.kind == Kind::Pop && (self.shape.stamped || self.messages.is_some()) {
            return Err(usage(
                "pop takes each stored message once: --verify and --messages mean nothing to it",
                "leave them out; --backlog says how many there are",
            ));
        }
        if self.kind == Kind::Pop && self.pull > 32 {
            return Err(usage("a pop takes at most 32 messages", "give --pull 32 or less"));
        }
        Ok(())
    }

    /// What does not go without a rate, and what does not go with one.
    fn check_pace(&self, load: &Load) -> Result<(), Failure> {
        let sends = !matches!(self.kind, Kind::Consume | Kind::Pop);
        if load.oneway && self.rate.is_none() {
            return Err(usage(
                "nothing limits --oneway at --rate max: no answer says when to send on",
                "give a rate, for example --rate 10k/s",
            ));
        }
        if self.has_consumers() && self.rate.is_none() {
            return Err(usage(
                "a run with deliveries measures from the time a message was due, and --rate max has no such times",
                "give a rate, for example --rate 10k/s, or use `bench produce` (tx) --rate max, or `bench delay --consumers 0 --rate max`",
            ));
        }
        if !sends && load.rate.is_some_and(|rate| rate != Rate::Max) {
            return Err(usage(
                "consume and pop read as fast as answers come; --rate is for sends",
                "leave out --rate, or use `bench e2e --rate ...`",
            ));
        }
        if load.arrivals != Arrivals::Uniform && self.rate.is_none() {
            return Err(usage(
                "--arrivals has no meaning in a closed loop: sends wait for answers",
                "give a rate, for example --rate 10k/s",
            ));
        }
        Ok(())
    }

    /// Nothing that it sends is read in the run.
    fn only_sends(&self) -> bool {
        match self.kind {
            Kind::Produce | Kind::Batch | Kind::Tx => true,
            Kind::Delay => self.consumers == Some(0),
            Kind::Consume | Kind::E2e | Kind::Pop | Kind::Mixed => false,
        }
    }

    /// Who reads, and which messages.
    fn check_reads(&self, load: &Load) -> Result<(), Failure> {
        if load.topic_on_demand && !self.only_sends() {
            let what = "--topic-on-demand: a topic that is read has to be there before the run";
            return Err(usage(what, "use --topic-exists, or leave both out for a topic of the run's own"));
        }
        if load.follow && (self.kind != Kind::Consume || !load.topic_exists) {
            let what = "--follow waits for what somebody else sends to a topic that is there";
            return Err(usage(what, "use `bench consume --topic NAME --topic-exists --follow`"));
        }
        names::check_group(&self.group)
            .map_err(|error| usage(format!("--group: {error}"), "give a plain name"))?;
        if (self.filter != "*" || self.sql) && self.kind != Kind::Consume {
            return Err(usage(
                "--filter and --sql are for consume",
                "leave them out: other runs read everything",
            ));
        }
        if self.sql && self.filter == "*" {
            return Err(usage("--sql without --filter", "write --sql --filter \"a > 5\""));
        }
        within("--subscriptions", u64::from(load.subscriptions), 1, 1_000)?;
        if load.subscriptions > 1 && (self.kind != Kind::E2e || self.verify) {
            return Err(usage(
                "--subscriptions is for e2e, and does not go with --verify",
                "leave out one of them",
            ));
        }
        Ok(())
    }

    /// Every message is told apart, and seen.
    fn check_account(&self) -> Result<(), Failure> {
        if self.verify && matches!(self.kind, Kind::Delay | Kind::Mixed) && !self.has_consumers() {
            return Err(usage(
                "--verify needs consumers that see what is delivered",
                "leave out --consumers 0, or --verify",
            ));
        }
        if self.shape.stamped && self.connections as usize > 1 << 12 {
            return Err(usage(
                "more than 4096 connections cannot be told apart in messages",
                "use fewer --connections, or leave out --verify",
            ));
        }
        Ok(())
    }

    /// Batches and properties.
    fn check_messages(&self) -> Result<(), Failure> {
        if self.kind == Kind::Batch && self.shape.batch == 1 {
            return Err(usage("a batch of 1 is no batch", "use `bench produce`, or --batch 2 and more"));
        }
        if let Some(name) = &self.shape.due_property
            && (name.is_empty() || name.contains(['\u{1}', '\u{2}']))
        {
            return Err(usage("--due-property: no name of a property", "give a plain name"));
        }
        for (name, value) in &self.shape.properties {
            if MARKS.iter().any(|mark| value.contains(mark) || name.contains(mark)) {
                return Err(usage(
                    format!("--props {name}={value} looks like a mark of ours"),
                    "choose another value",
                ));
            }
        }
        Ok(())
    }

    /// What is measured has a place.
    fn check_results(&self) -> Result<(), Failure> {
        if let Some(url) = &self.server_metrics {
            scrape::parts(url)?;
            if self.out.is_none() {
                return Err(usage(
                    "--server-metrics without --out: there is no place to keep them",
                    "add --out DIR",
                ));
            }
        }
        check_out(self.out.as_deref())
    }
}

/// A result is never written over another, and a directory that cannot be written is met before the run.
fn check_out(out: Option<&Path>) -> Result<(), Failure> {
    let Some(out) = out else { return Ok(()) };
    let at = out.display();
    if let Some(there) = report::FILES.iter().find(|name| out.join(name).exists()) {
        return Err(usage(
            format!("--out {at}: a result is there already ({there})"),
            "choose another directory; nothing is written over",
        ));
    }
    let (probe, there) = (out.join(".ringmq-bench"), out.exists());
    let written = std::fs::create_dir_all(out).and_then(|()| std::fs::write(&probe, [0; 4096]));
    // On a full disk the file is there all the same, without its bytes.
    let removed = if probe.exists() { std::fs::remove_file(&probe) } else { Ok(()) };
    written.and(removed).map_err(|error| {
        if !there {
            // Only if it is empty.
            let _ = std::fs::remove_dir(out);
        }
        usage(format!("--out {at}: {error}"), "choose a directory that can be written, with room")
    })
}
