//! [`Plan`]: options that make sense together, decided and drawn before the first byte is sent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use net::Codec;
use net::names;
use rt::real::{Spin, cpus};

use crate::failure::Failure;

use super::keys;
use super::options::{Format, Load, Spelling};
use super::payload::{self, Size};
use super::template::{MARKS, Shape};
use super::threshold::{self, Threshold};
use super::units::{Arrivals, Rate};

/// Which kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sends.
    Produce,
    /// Sends of several messages a request.
    Batch,
    /// Pulls of what is stored.
    Consume,
    /// Sends and long polls.
    E2e,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What kind.
    pub kind: Kind,
    /// Messages per second; `None` is a closed loop.
    pub rate: Option<f64>,
    /// When they are due.
    pub arrivals: Arrivals,
    /// Topics: how many, and the name if it is given.
    pub topic: Option<String>,
    /// See `--topics`.
    pub topics: u32,
    /// Queues per topic and broker.
    pub queues: u32,
    /// Somebody else's topic.
    pub topic_exists: bool,
    /// Producing connections to each broker.
    pub connections: u32,
    /// Consumers asked for.
    pub consumers: Option<u32>,
    /// Groups that each receive everything.
    pub subscriptions: u32,
    /// Consume what comes.
    pub follow: bool,
    /// Consumer group.
    pub group: String,
    /// Tags that are read.
    pub filter: String,
    /// Messages per pull.
    pub pull: u32,
    /// Messages stored per queue before a consume run.
    pub backlog: u64,
    /// Requests in flight per connection.
    pub inflight: usize,
    /// Cores of the generator.
    pub cpus: Vec<Option<usize>>,
    /// How its threads wait.
    pub spin: Spin,
    /// What all messages have in common.
    pub shape: Shape,
    /// Tags, taken in turn.
    pub tags: Vec<String>,
    /// Keys, taken in turn.
    pub keys: Vec<u32>,
    /// Bodies as sent, taken in turn.
    pub bodies: Vec<Vec<u8>>,
    /// Measured time, unless messages are counted.
    pub duration: Option<Duration>,
    /// Measured messages.
    pub messages: Option<u64>,
    /// Load before.
    pub warmup: Duration,
    /// Length of an interval.
    pub interval: Duration,
    /// For an answer.
    pub timeout: Duration,
    /// Account for every message.
    pub verify: bool,
    /// What ends with exit code 3.
    pub thresholds: Vec<Threshold>,
    /// Percentiles the result claims.
    pub percentiles: Vec<f64>,
    /// Where files go.
    pub out: Option<PathBuf>,
    /// Form of the result.
    pub format: Format,
    /// RocketMQ's lines.
    pub rmq_format: bool,
    /// `--tag`.
    pub notes: Vec<(String, String)>,
    /// Everything random follows from it.
    pub seed: u64,
    /// Which run this is.
    pub run: u32,
    /// The broker's process.
    pub broker_pid: Option<u32>,
    /// `--server-metrics`.
    pub server_metrics: Option<String>,
}

impl Plan {
    /// Decides what `load` means for `kind`.
    ///
    /// # Errors
    /// [`Failure::Usage`]: options that contradict each other, or that no broker could serve.
    pub(crate) fn new(kind: Kind, load: &Load) -> Result<Self, Failure> {
        refuse_later(load)?;
        let batch = load.batch.unwrap_or(if kind == Kind::Batch { BATCH } else { 1 });
        within("--batch", u64::from(batch), 1, BATCH_MAX)?;
        within("--queues", u64::from(load.queues), 1, 65_535)?;
        within("--topics", u64::from(load.topics), 1, 10_000)?;
        within("--connections", u64::from(load.connections), 1, 10_000)?;
        within("--producers", u64::from(load.producers), 1, 10_000)?;
        within("--pull", u64::from(load.pull), 1, 1024)?;
        within("--backlog", load.backlog, 1, 100_000_000)?;
        let connections = load.connections.saturating_mul(load.producers);
        within("--connections times --producers", u64::from(connections), 1, 10_000)?;
        if let Some(consumers) = load.consumers {
            within("--consumers", u64::from(consumers), 1, 10_000)?;
        }
        if let Some(inflight) = load.inflight {
            within("--inflight", u64::from(inflight), 1, 1 << 20)?;
        }
        if let Some(messages) = load.messages {
            within("--messages", messages, 1, u64::MAX >> 16)?;
        }
        times(load)?;
        topic(load)?;
        let seed = load.seed.unwrap_or_else(super::host::draw);
        let limit = BODY_BYTES_MAX / batch as usize;
        let mut bodies = payload::bodies(&load.size, &load.payload, seed, limit).map_err(|what| {
            usage(what, "a request carries at most 4 MiB of bodies; see --size, --payload and --batch")
        })?;
        let mut sys_flag = 0;
        if load.compress {
            if batch > 1 {
                return Err(usage(
                    "--compress does not go with batches",
                    "leave out one of the two: no client compresses batches",
                ));
            }
            bodies = bodies.iter().map(|body| compressed(body)).collect();
            sys_flag = COMPRESSED_ZLIB;
        }
        let rate = rate(kind, load, &bodies)?;
        let verify = load.verify;
        if verify && load.topic_exists && kind == Kind::Consume {
            return Err(usage(
                "--verify cannot account for messages that somebody else sent",
                "leave out --topic-exists, or verify the run that sends",
            ));
        }
        let run = super::host::draw() as u32;
        let keys = keys::keys(&load.keys, seed)
            .map_err(|what| usage(what, "write none, rr, rr:1000, zipf:1.1 or zipf:1.1:100000"))?;
        let shape = Shape {
            codec: if load.header == Spelling::Json { Codec::Json } else { Codec::Binary },
            group: "ringmq_bench".to_owned(),
            batch: batch as usize,
            oneway: load.oneway,
            java_properties: !load.bare,
            stamped: verify || kind == Kind::E2e,
            keyed: !keys.is_empty(),
            tag: None,
            properties: properties(load)?,
            sys_flag,
            run,
        };
        let plan = Self {
            kind,
            rate,
            arrivals: load.arrivals,
            topic: load.topic.clone(),
            topics: load.topics,
            queues: load.queues,
            topic_exists: load.topic_exists,
            connections,
            consumers: load.consumers,
            subscriptions: load.subscriptions,
            follow: load.follow,
            group: load.group.clone(),
            filter: load.filter.clone(),
            pull: load.pull,
            backlog: load.backlog,
            inflight: inflight(load, rate),
            cpus: cores(load)?,
            spin: match load.spin {
                Some(0) => Spin::Off,
                Some(micros) => Spin::Micros(micros),
                None if rate.is_some() && super::host::cores() > 1 => Spin::Micros(u32::MAX),
                None => Spin::Off,
            },
            shape,
            tags: load.tags.clone(),
            keys,
            bodies,
            duration: load.duration.or(load.messages.is_none().then_some(DURATION)),
            messages: load.messages,
            warmup: load.warmup.unwrap_or(WARMUP),
            interval: load.interval,
            timeout: Duration::from_millis(load.reach.timeout),
            verify,
            thresholds: threshold::parse(load.fail_if.as_deref().unwrap_or_default())
                .map_err(|what| usage(what, "write for example --fail-if 'p99>2ms,err>0,rate<100k'"))?,
            percentiles: percentiles(load)?,
            out: load.out.clone(),
            format: load.format,
            rmq_format: load.rmq_format,
            notes: pairs("--tag", &load.notes)?,
            seed,
            run,
            broker_pid: load.broker_pid,
            server_metrics: load.server_metrics.clone(),
        };
        plan.check_together(load)?;
        Ok(plan)
    }

    /// Whether messages are due at times, not when answers come.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.rate.is_some()
    }

    /// Mean bytes of a body.
    #[must_use]
    pub fn mean_body(&self) -> f64 {
        self.bodies.iter().map(Vec::len).sum::<usize>() as f64 / self.bodies.len() as f64
    }

    fn check_together(&self, load: &Load) -> Result<(), Failure> {
        let sends = self.kind != Kind::Consume;
        if load.oneway && self.rate.is_none() {
            return Err(usage(
                "nothing limits --oneway at --rate max: no answer says when to send on",
                "give a rate, for example --rate 10k/s",
            ));
        }
        if self.kind == Kind::E2e && self.rate.is_none() {
            return Err(usage(
                "e2e measures from the time a message was due, and --rate max has no such times",
                "give a rate, for example --rate 10k/s, or use `bench produce --rate max`",
            ));
        }
        if !sends && load.rate.is_some_and(|rate| rate != Rate::Max) {
            return Err(usage(
                "consume reads as fast as answers come; --rate is for sends",
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
        if self.filter != "*" && !load.follow {
            return Err(usage(
                "--filter is for consume --follow",
                "leave it out: other runs read everything",
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
            super::scrape::parts(url)?;
            if self.out.is_none() {
                return Err(usage(
                    "--server-metrics without --out: there is no place to keep them",
                    "add --out DIR",
                ));
            }
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

/// Options of features that are not there yet: said, not swallowed.
fn refuse_later(load: &Load) -> Result<(), Failure> {
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

fn times(load: &Load) -> Result<(), Failure> {
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
    {
        return Err(usage("a time of more than 30 days", "give less"));
    }
    Ok(())
}

fn topic(load: &Load) -> Result<(), Failure> {
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

fn rate(kind: Kind, load: &Load, bodies: &[Vec<u8>]) -> Result<Option<f64>, Failure> {
    let mean = bodies.iter().map(Vec::len).sum::<usize>() as f64 / bodies.len() as f64;
    let rate = match load.rate {
        None if kind == Kind::E2e => Some(E2E_RATE),
        None | Some(Rate::Max) => None,
        Some(Rate::Messages(rate)) => Some(rate),
        Some(Rate::Bytes(_)) if mean == 0.0 => {
            return Err(usage("a rate in bytes of empty bodies", "give --size, or a rate in messages"));
        }
        Some(Rate::Bytes(bytes)) => Some(bytes / mean),
    };
    match rate {
        Some(rate) if rate > RATE_MAX => Err(usage(
            format!("--rate: {rate:.0} messages per second is beyond any machine"),
            "give less, or `max` for a closed loop",
        )),
        rate => Ok(rate),
    }
}

fn inflight(load: &Load, rate: Option<f64>) -> usize {
    let default = if load.sync {
        1
    } else if rate.is_some() {
        INFLIGHT_OPEN
    } else {
        INFLIGHT_CLOSED
    };
    load.inflight.map_or(default, |inflight| inflight as usize)
}

/// One thread, on the last core, unless told.
fn cores(load: &Load) -> Result<Vec<Option<usize>>, Failure> {
    let usable = cpus::usable().unwrap_or_default();
    let Some(list) = &load.cpus else {
        return Ok(vec![usable.last().copied().filter(|_| usable.len() > 1)]);
    };
    let wanted = cpus::parse(list)
        .map_err(|error| usage(format!("--cpus {list}: {error}"), "write for example --cpus 2-3,6"))?;
    if let Some(missing) = wanted.iter().find(|cpu| !usable.contains(cpu)) {
        let have = usable.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        return Err(usage(
            format!("--cpus {list}: this process may not run on core {missing}"),
            &format!("it may run on {have}"),
        ));
    }
    Ok(wanted.into_iter().map(Some).collect())
}

fn properties(load: &Load) -> Result<Vec<(String, String)>, Failure> {
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

fn pairs(option: &str, texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
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

fn percentiles(load: &Load) -> Result<Vec<f64>, Failure> {
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

fn within(option: &str, value: u64, least: u64, most: u64) -> Result<(), Failure> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(usage(format!("{option} {value} is out of range"), &format!("give a number from {least} to {most}")))
}

fn usage(what: impl Into<String>, fix: &str) -> Failure {
    Failure::Usage { what: what.into(), fix: fix.to_owned() }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(5));
    packer.write_all(body).expect("memory takes any bytes");
    packer.finish().expect("memory takes any bytes")
}

impl Kind {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Batch => "batch",
            Self::Consume => "consume",
            Self::E2e => "e2e",
        }
    }
}

/// What `Size` says, for people.
#[must_use]
pub fn size_text(size: &Size) -> String {
    let one = |bytes: usize| {
        if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) {
            format!("{} MiB", bytes >> 20)
        } else if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) {
            format!("{} KiB", bytes >> 10)
        } else {
            format!("{bytes} B")
        }
    };
    match size {
        Size::Fixed(bytes) => one(*bytes),
        Size::Range(low, high) => format!("{} to {}", one(*low), one(*high)),
        Size::Listed(path) => format!("sizes of {}", path.display()),
    }
}

/// Every broker has it for this.
const BENCHMARK_TOPIC: &str = "BenchmarkTest";
/// `maxMessageSize` of brokers, RocketMQ's default.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Leaves room for what is ours beside what the wire allows.
const PROPERTIES_BYTES_MAX: usize = 32_000;
const BATCH: u32 = 32;
const BATCH_MAX: u64 = 4096;
const WARMUP: Duration = Duration::from_secs(10);
const DURATION: Duration = Duration::from_secs(20);
const E2E_RATE: f64 = 1_000.0;
const RATE_MAX: f64 = 1e9;
const INFLIGHT_OPEN: usize = 1024;
const INFLIGHT_CLOSED: usize = 64;
/// `sysFlag` of a body compressed with zlib (Java: `MessageSysFlag`).
const COMPRESSED_ZLIB: i32 = 1 | 3 << 8;

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;
    use crate::bench::Line;

    /// The plan of a command line.
    pub(crate) fn plan(kind: Kind, arguments: &[&str]) -> Plan {
        try_plan(kind, arguments).unwrap()
    }

    fn try_plan(kind: Kind, arguments: &[&str]) -> Result<Plan, Failure> {
        let line = Line::try_parse_from(std::iter::once(&"ringmq").chain(arguments)).unwrap();
        Plan::new(kind, &line.load)
    }

    #[test]
    fn a_rate_in_bytes_is_one_in_messages() {
        let plan = plan(Kind::Produce, &["--rate=10MiB/s", "--size=1k"]);
        assert_eq!(plan.rate, Some(10_240.0));
    }

    #[test]
    fn what_is_not_said_depends_on_the_kind_of_loop() {
        let closed = plan(Kind::Produce, &[]);
        assert_eq!((closed.rate, closed.inflight, closed.spin), (None, 64, Spin::Off));
        let open = plan(Kind::Produce, &["--rate=1k"]);
        assert_eq!((open.rate, open.inflight), (Some(1_000.0), 1024));
        assert_eq!(plan(Kind::E2e, &[]).rate, Some(1_000.0));
        assert_eq!(plan(Kind::Batch, &[]).shape.batch, 32);
        assert_eq!(plan(Kind::Produce, &["--sync"]).inflight, 1);
        let both = plan(Kind::Produce, &["--messages=10", "--duration=3s"]);
        assert_eq!((both.messages, both.duration), (Some(10), Some(Duration::from_secs(3))));
        assert_eq!(plan(Kind::Produce, &["--messages=10"]).duration, None);
    }

    #[test]
    fn the_largest_body_fits_and_one_byte_more_is_refused() {
        let size = |bytes: usize| format!("--size={bytes}");
        assert!(try_plan(Kind::Produce, &[&size(4 << 20)]).is_ok());
        assert!(try_plan(Kind::Produce, &[&size((4 << 20) + 1)]).is_err());
        assert!(try_plan(Kind::Batch, &["--batch=4", &size(1 << 20)]).is_ok());
        assert!(try_plan(Kind::Batch, &["--batch=4", &size((1 << 20) + 1)]).is_err());
    }
}
