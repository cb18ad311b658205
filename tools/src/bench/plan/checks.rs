//! What is refused of single options: what no broker could serve, and what is no number, name or time.

use std::time::Duration;

use net::names;

use crate::failure::Failure;

use super::{DURATION, Kind, WARMUP};
use crate::bench::host;
use crate::bench::options::Load;

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
    within("--pull", u64::from(load.pull.unwrap_or(1)), 1, 1024)?;
    within("--backlog", load.backlog.unwrap_or(1), 1, 100_000_000)?;
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

/// A process that is not there has no CPU time.
pub(super) fn broker_pid(load: &Load) -> Result<(), Failure> {
    match load.broker_pid {
        Some(pid) if host::cpu_time(&pid.to_string()).is_none() => Err(usage(
            format!("--broker-pid {pid}: there is no such process on this host"),
            "name the broker's process, or leave it out: it is found if it runs here",
        )),
        _ => Ok(()),
    }
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

/// Whether every message that is read can be accounted for.
pub(super) fn accountable(kind: Kind, load: &Load) -> Result<(), Failure> {
    if load.verify && load.topic_exists && kind == Kind::Consume {
        return Err(usage(
            "--verify cannot account for messages that somebody else sent",
            "leave out --topic-exists, or verify the run that sends",
        ));
    }
    Ok(())
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
    if let Some(twice) = all.windows(2).find(|two| two[0].0 == two[1].0) {
        return Err(usage(format!("--props: {} is there twice", twice[0].0), "give it one value"));
    }
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
            format!("--percentiles: {wrong} is no percentile"),
            "write numbers from 0 to below 100, such as 50,99,99.9",
        ));
    }
    all.sort_by(f64::total_cmp);
    all.dedup();
    Ok(all)
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
