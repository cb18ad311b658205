//! `replay`: a workload file of the OpenMessaging Benchmark, as an end-to-end run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::failure::Failure;

use super::options::{Load, Replay};
use super::payload::{Payload, Size};
use super::units::Rate;

/// OMB's `Workload`, version 0.0.1.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Workload {
    name: String,
    topics: u32,
    partitions_per_topic: u32,
    key_distributor: String,
    message_size: usize,
    use_randomized_payloads: bool,
    random_bytes_ratio: f64,
    randomized_payload_pool_size: u32,
    payload_file: Option<String>,
    subscriptions_per_topic: u32,
    producers_per_topic: u32,
    consumer_per_subscription: u32,
    producer_rate: f64,
    #[serde(rename = "consumerBacklogSizeGB")]
    consumer_backlog_size_gb: f64,
    backlog_drain_ratio: f64,
    test_duration_minutes: Option<f64>,
    warmup_duration_minutes: Option<f64>,
}

impl Default for Workload {
    /// What OMB assumes.
    fn default() -> Self {
        Self {
            name: String::new(),
            topics: 1,
            partitions_per_topic: 1,
            key_distributor: "NO_KEY".to_owned(),
            message_size: 0,
            use_randomized_payloads: false,
            random_bytes_ratio: 0.0,
            randomized_payload_pool_size: 0,
            payload_file: None,
            subscriptions_per_topic: 1,
            producers_per_topic: 1,
            consumer_per_subscription: 1,
            producer_rate: 0.0,
            consumer_backlog_size_gb: 0.0,
            backlog_drain_ratio: 1.0,
            test_duration_minutes: None,
            warmup_duration_minutes: None,
        }
    }
}

/// The load that the file of `replay` asks for.
///
/// # Errors
/// A file that cannot be read, keys that mean nothing, or a workload that cannot be run yet.
pub(crate) fn load(replay: &Replay) -> Result<Load, Failure> {
    let path = &replay.workload;
    let at = path.display();
    let wrong =
        |what: String| usage(format!("{at}: {what}"), "see the workloads of the OpenMessaging Benchmark");
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let workload: Workload = serde_yaml_ng::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    apply(&workload, path, replay.load.clone())
}

fn apply(workload: &Workload, path: &Path, mut load: Load) -> Result<Load, Failure> {
    let at = path.display();
    if workload.producer_rate <= 0.0 {
        return Err(usage(
            format!("{at}: producerRate 0 asks for the highest rate"),
            "use `bench find-max --e2e`, or give the file a rate",
        ));
    }
    if workload.consumer_backlog_size_gb > 0.0 {
        return Err(usage(
            format!("{at}: consumerBacklogSizeGB: this replay does not drain a backlog beside the traffic"),
            "set it to 0; `bench mixed --scan N --backlog N` reads what is stored beside traffic, `bench consume` alone",
        ));
    }
    // OMB counts per topic, and each of its producers has a connection of its own.
    let producers = workload.producers_per_topic.saturating_mul(workload.topics);
    let consumers = workload.consumer_per_subscription.saturating_mul(workload.topics);
    if workload.topics.max(producers).max(consumers) > EACH_MAX {
        return Err(usage(
            format!(
                "{at}: topics {}, with producersPerTopic {} and consumerPerSubscription {}: one generator serves {EACH_MAX} \
                 topics, producers and consumers at most",
                workload.topics, workload.producers_per_topic, workload.consumer_per_subscription
            ),
            "run a smaller workload, or several generators with a part of it each",
        ));
    }
    load.topics = workload.topics;
    load.queues = workload.partitions_per_topic;
    load.rate = Some(Rate::Messages(workload.producer_rate));
    load.producers = producers;
    load.connections = 1;
    load.consumers = Some(consumers);
    load.subscriptions = workload.subscriptions_per_topic;
    if workload.test_duration_minutes == Some(0.0) {
        return Err(usage(
            format!("{at}: testDurationMinutes 0 measures nothing"),
            "write a positive number",
        ));
    }
    // What the file does not say the command line may; then it is OMB's minute.
    let time = |said: Option<f64>, ours: Option<Duration>| match said {
        Some(count) => minutes(count, path),
        None => Ok(ours.unwrap_or(MINUTE)),
    };
    load.duration = Some(time(workload.test_duration_minutes, load.duration)?);
    load.warmup = Some(time(workload.warmup_duration_minutes, load.warmup)?);
    load.size = Size::Fixed(workload.message_size);
    load.payload = if workload.use_randomized_payloads {
        Payload::Ratio(workload.random_bytes_ratio.clamp(0.0, 1.0))
    } else if let Some(file) = &workload.payload_file {
        let (file, bytes) = payload_file(file, path)?;
        if workload.message_size == 0 {
            load.size = Size::Fixed(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        Payload::File(file)
    } else {
        Payload::Zero
    };
    load.keys = match workload.key_distributor.as_str() {
        "NO_KEY" => "none".to_owned(),
        "KEY_ROUND_ROBIN" => "rr:10000".to_owned(),
        // Evenly at random: Zipf's law with exponent 0.
        "RANDOM_NANO" => "zipf:0:10000".to_owned(),
        other => {
            return Err(usage(
                format!("{at}: keyDistributor {other:?} is unknown"),
                "write NO_KEY, KEY_ROUND_ROBIN or RANDOM_NANO",
            ));
        }
    };
    load.notes.push(format!(
        "workload={}",
        if workload.name.is_empty() { at.to_string() } else { workload.name.clone() }
    ));
    Ok(load)
}

/// A file of bodies and its size. OMB counts its path from where it is started, the root of its tree; workloads lie in a
/// directory of that.
fn payload_file(file: &str, workload: &Path) -> Result<(PathBuf, u64), Failure> {
    let dir = workload.parent().unwrap_or(Path::new("."));
    let above = dir.join("..");
    let mut found = [Path::new("."), dir, &above]
        .into_iter()
        .map(|from| from.join(file))
        .filter_map(|path| Some((fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len(), path)));
    found.next().map(|(bytes, path)| (path, bytes)).ok_or_else(|| {
        usage(
            format!("{}: payloadFile {file} is not there", workload.display()),
            "start it where the file's path counts from, or put it beside the workload or one directory up",
        )
    })
}

fn minutes(count: f64, path: &Path) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(count * 60.0).map_err(|error| {
        usage(format!("{}: {count} minutes: {error}", path.display()), "write a positive number")
    })
}

/// What OMB assumes of both.
const MINUTE: Duration = Duration::from_secs(60);
/// As in `plan::checks`.
const EACH_MAX: u32 = 10_000;

fn usage(what: String, fix: &str) -> Failure {
    Failure::Usage { what, fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::bench::Line;

    const FILE: &str = "name: 1-topic-16-partitions-1kb\ntopics: 2\npartitionsPerTopic: 16\nkeyDistributor: KEY_ROUND_ROBIN\n\
                        messageSize: 1024\nuseRandomizedPayloads: true\nrandomBytesRatio: 0.5\nrandomizedPayloadPoolSize: 1000\n\
                        subscriptionsPerTopic: 1\nproducersPerTopic: 4\nconsumerPerSubscription: 4\nproducerRate: 50000\n\
                        consumerBacklogSizeGB: 0\ntestDurationMinutes: 15\nwarmupDurationMinutes: 0.5\n";

    fn applied(text: &str) -> Result<Load, String> {
        let workload: Workload = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
        let load = Line::try_parse_from(["ringmq"]).unwrap().load;
        apply(&workload, Path::new("dir/w.yaml"), load).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_workload_of_omb_becomes_an_end_to_end_load() {
        let load = applied(FILE).unwrap();
        assert_eq!((load.topics, load.queues, load.producers, load.consumers), (2, 16, 8, Some(8)));
        assert_eq!((load.rate, load.size), (Some(Rate::Messages(50_000.0)), Size::Fixed(1024)));
        assert_eq!((load.payload, load.keys.as_str()), (Payload::Ratio(0.5), "rr:10000"));
        assert_eq!(
            (load.duration, load.warmup),
            (Some(Duration::from_secs(900)), Some(Duration::from_secs(30)))
        );
    }

    #[test]
    fn the_command_line_says_what_the_file_does_not_and_the_file_wins() {
        let ours = |text: &str| {
            let workload: Workload = serde_yaml_ng::from_str(text).unwrap();
            let load = Line::try_parse_from(["ringmq", "--warmup=3s", "--duration=7s"]).unwrap().load;
            let load = apply(&workload, Path::new("w.yaml"), load).unwrap();
            (load.warmup.unwrap().as_secs(), load.duration.unwrap().as_secs())
        };
        assert_eq!(ours("producerRate: 1\n"), (3, 7));
        assert_eq!(ours("producerRate: 1\ntestDurationMinutes: 2\n"), (3, 120));
        assert_eq!(ours("producerRate: 1\nwarmupDurationMinutes: 0\n"), (0, 7));
        let load = applied("producerRate: 1\n").unwrap();
        assert_eq!((load.warmup, load.duration), (Some(MINUTE), Some(MINUTE)));
    }

    #[test]
    fn what_it_cannot_do_is_said() {
        for (change, said) in [
            ("producerRate: 0\n", "find-max"),
            ("producerRate: 1\nconsumerBacklogSizeGB: 100\n", "backlog"),
            ("producerRate: 1\nkeyDistributor: LUCK\n", "LUCK"),
            ("producerRate: 1\ntopics: 10000\nproducersPerTopic: 4\n", "producersPerTopic 4"),
            ("producerRat: 1\n", "unknown field `producerRat`"),
            ("producerRate: 1\ntestDurationMinutes: -1\n", "-1 minutes"),
        ] {
            let error = applied(change).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
