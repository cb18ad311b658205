//! What is refused before the first byte: options that contradict each other, or that no broker could serve.

use std::path::Path;
use std::time::Duration;

use net::names;

use crate::failure::Failure;

use super::{DURATION, Kind, Plan, WARMUP};
use crate::bench::options::Load;
use crate::bench::scrape;
use crate::bench::template::MARKS;
use crate::bench::units::{Arrivals, Rate};

/// Options of features that are not there yet: said, not swallowed.
pub(super) fn refuse_later(load: &Load) -> Result<(), Failure> {
    if load.tls {
        return Err(usage(
            "--tls: this build speaks no TLS yet; it comes with TLS on brokers and name servers",
            "leave it out, and measure over a trusted network",
        ));
    }
    if load.acl {
        return Err(usage(
            "--acl: this build signs no requests yet; it comes with access control",
            "leave it out, and measure a broker without access control",
        ));
    }
    Ok(())
}

/// Counts within their limits; how many producing connections there are to each broker.
pub(super) fn counts(kind: Kind, load: &Load) -> Result<u32, Failure> {
    within("--queues", u64::from(load.queues), 1, 65_535)?;
    within("--topics", u64::from(load.topics), 1, 10_000)?;
    within("--connections", u64::from(load.connections), 1, 10_000)?;
    within("--producers", u64::from(load.producers), 1, 10_000)?;
    within("--pull", u64::from(load.pull), 1, 1024)?;
    within("--backlog", load.backlog, 1, 100_000_000)?;
    let connections = load.connections.saturating_mul(load.producers);
    within("--connections times --producers", u64::from(connections), 1, 10_000)?;
    if let Some(consumers) = load.consumers {
        let least = u64::from(!matches!(kind, Kind::Delay | Kind::Mixed));
        within("--consumers", u64::from(consumers), least, 10_000)?;
    }
    if let Some(inflight) = load.inflight {
        within("--inflight", u64::from(inflight), 1, 1 << 20)?;
    }
    if let Some(messages) = load.messages {
        within("--messages", messages, 1, u64::MAX >> 16)?;
    }
    Ok(connections)
}

pub(super) fn times(load: &Load) -> Result<(), Failure> {
    if load.duration.is_some_and(|duration| duration.is_zero()) {
        return Err(usage("--duration 0s measures nothing", "give a time such as 20s, or --messages"));
    }
    if load.interval < Duration::from_millis(10) {
        return Err(usage(
            "--interval below 10ms",
            "give at least 10ms: an interval is a row and a histogram",
        ));
    }
    let longest = Duration::from_secs(30 * 24 * 3600);
    if load.duration.unwrap_or(DURATION) > longest
        || load.warmup.unwrap_or(WARMUP) > longest
        || load.interval > longest
        || load.reconnect > longest
    {
        return Err(usage("a time of more than 30 days", "give less"));
    }
    Ok(())
}

pub(super) fn topic(load: &Load) -> Result<(), Failure> {
    let Some(topic) = &load.topic else {
        return if load.topic_exists {
            Err(usage("--topic-exists without --topic", "name the topic: --topic NAME --topic-exists"))
        } else {
            Ok(())
        };
    };
    names::check_topic(topic).map_err(|error| {
        usage(
            format!("--topic {topic}: {error}"),
            "topics have letters, digits, '-', '_', '%' and '|', at most 127 of them",
        )
    })?;
    if names::is_system_topic(topic) && topic != BENCHMARK_TOPIC {
        return Err(usage(format!("--topic {topic} belongs to the broker itself"), "choose another name"));
    }
    Ok(())
}

impl Plan {
    /// What single options do not tell: whether they go together.
    pub(super) fn check_together(&self, load: &Load) -> Result<(), Failure> {
        let sends = !matches!(self.kind, Kind::Consume | Kind::Pop);
        if self.kind == Kind::Pop && (self.shape.stamped || self.messages.is_some()) {
            return Err(usage(
                "pop takes each stored message once: --verify and --messages mean nothing to it",
                "leave them out; --backlog says how many there are",
            ));
        }
        if self.kind == Kind::Pop && self.pull > 32 {
            return Err(usage("a pop takes at most 32 messages", "give --pull 32 or less"));
        }
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
        within("--subscriptions", u64::from(load.subscriptions), 1, 1_000)?;
        if load.subscriptions > 1 && (self.kind != Kind::E2e || self.verify) {
            return Err(usage(
                "--subscriptions is for e2e, and does not go with --verify",
                "leave out one of them",
            ));
        }
        if let Some(url) = &self.server_metrics {
            scrape::parts(url)?;
            if self.out.is_none() {
                return Err(usage(
                    "--server-metrics without --out: there is no place to keep them",
                    "add --out DIR",
                ));
            }
        }
        if self.verify && matches!(self.kind, Kind::Delay | Kind::Mixed) && !self.has_consumers() {
            return Err(usage(
                "--verify needs consumers that see what is delivered",
                "leave out --consumers 0, or --verify",
            ));
        }
        if self.sql && self.filter == "*" {
            return Err(usage("--sql without --filter", "write --sql --filter \"a > 5\""));
        }
        if let Some(name) = &self.shape.due_property
            && (name.is_empty() || name.contains(['\u{1}', '\u{2}']))
        {
            return Err(usage("--due-property: no name of a property", "give a plain name"));
        }
        if self.kind == Kind::Batch && self.shape.batch == 1 {
            return Err(usage("a batch of 1 is no batch", "use `bench produce`, or --batch 2 and more"));
        }
        if self.shape.stamped && self.connections as usize > 1 << 12 {
            return Err(usage(
                "more than 4096 connections cannot be told apart in messages",
                "use fewer --connections, or leave out --verify",
            ));
        }
        for (name, value) in &self.shape.properties {
            if MARKS.iter().any(|mark| value.contains(mark) || name.contains(mark)) {
                return Err(usage(
                    format!("--props {name}={value} looks like a mark of ours"),
                    "choose another value",
                ));
            }
        }
        check_out(self.out.as_deref())
    }
}

pub(super) fn properties(load: &Load) -> Result<Vec<(String, String)>, Failure> {
    let mut all = pairs("--props", &load.props)?;
    let wrong = |text: &str| text.chars().any(|letter| matches!(letter, '\u{1}' | '\u{2}'));
    if let Some((name, _)) = all.iter().find(|(name, value)| wrong(name) || wrong(value)) {
        return Err(usage(
            format!("--props {name}: the characters U+0001 and U+0002 separate properties"),
            "leave them out",
        ));
    }
    let bytes: usize = all.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if bytes > PROPERTIES_BYTES_MAX {
        return Err(usage(
            format!("--props: {bytes} bytes of properties are over the limit of {PROPERTIES_BYTES_MAX}"),
            "send fewer",
        ));
    }
    if let Some(tag) =
        load.tags.iter().find(|tag| tag.is_empty() || tag.len() > 255 || wrong(tag) || tag.contains("||"))
    {
        return Err(usage(format!("--tags: {tag:?} is no tag"), "a tag is a short word"));
    }
    all.sort();
    all.dedup_by(|a, b| a.0 == b.0);
    Ok(all)
}

pub(super) fn pairs(option: &str, texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    texts
        .iter()
        .map(|text| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok((name.to_owned(), value.to_owned()))
            }
            _ => Err(usage(
                format!("{option} {text:?} is no name=value"),
                &format!("write {option} name=value"),
            )),
        })
        .collect()
}

pub(super) fn percentiles(load: &Load) -> Result<Vec<f64>, Failure> {
    let mut all = load.percentiles.clone();
    if let Some(wrong) = all.iter().find(|one| !(0.0..100.0).contains(*one)) {
        return Err(usage(
            format!("--percentiles {wrong} is none"),
            "write numbers from 0 to below 100, such as 50,99,99.9",
        ));
    }
    all.sort_by(f64::total_cmp);
    all.dedup();
    Ok(all)
}

/// A result is never written over another, and a directory that cannot be written is met before the run.
fn check_out(out: Option<&Path>) -> Result<(), Failure> {
    let Some(out) = out else { return Ok(()) };
    let at = out.display();
    if out.join("summary.json").exists() {
        return Err(usage(
            format!("--out {at}: a result is there already"),
            "choose another directory; nothing is written over",
        ));
    }
    let probe = out.join(".ringmq-bench");
    std::fs::create_dir_all(out)
        .and_then(|()| std::fs::write(&probe, [0; 4096]))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| usage(format!("--out {at}: {error}"), "choose a directory that can be written"))
}

pub(super) fn within(option: &str, value: u64, least: u64, most: u64) -> Result<(), Failure> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(usage(format!("{option} {value} is out of range"), &format!("give a number from {least} to {most}")))
}

pub(super) fn usage(what: impl Into<String>, fix: &str) -> Failure {
    Failure::Usage { what: what.into(), fix: fix.to_owned() }
}

/// Every broker has it for this.
const BENCHMARK_TOPIC: &str = "BenchmarkTest";
/// Leaves room for what is ours beside what the wire allows.
const PROPERTIES_BYTES_MAX: usize = 32_000;
