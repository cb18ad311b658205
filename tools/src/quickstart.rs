//! RocketMQ's two quickstart programs, with their output.

use std::io::{self, Write};

use crate::cli::{Quickstart, Reach};
use crate::client::cluster::Cluster;
use crate::client::consumer::{Consumer, From, Options};
use crate::client::producer::{Draft, Producer};
use crate::client::selection::Selection;
use crate::failure::Failure;
use crate::output::line;
use crate::{signals, time};

const TOPIC: &str = "TopicTest";
const TAG: &str = "TagA";
const PRODUCER_GROUP: &str = "please_rename_unique_group_name";
const CONSUMER_GROUP: &str = "please_rename_unique_group_name_4";

/// Runs one of them.
///
/// # Errors
/// Unlike Java's, the producer ends with an error if a message could not be sent.
pub(crate) fn run(command: Quickstart) -> Result<(), Failure> {
    match command {
        Quickstart::Producer { reach, count } => producer(&reach, count),
        Quickstart::Consumer { reach, count } => consumer(&reach, count),
    }
}

fn producer(reach: &Reach, count: u32) -> Result<(), Failure> {
    let mut producer = Producer::new(Cluster::new(reach)?, PRODUCER_GROUP, TOPIC)?;
    for number in 0..count {
        let body = format!("Hello RocketMQ {number}");
        let draft = Draft { tag: Some(TAG), body: body.as_bytes(), ..Draft::default() };
        line(&producer.send(&draft)?.as_java(TOPIC))?;
    }
    Ok(())
}

fn consumer(reach: &Reach, count: Option<u64>) -> Result<(), Failure> {
    let interrupted = signals::interrupted()?;
    let options = Options {
        topic: TOPIC.to_owned(),
        group: Some(CONSUMER_GROUP.to_owned()),
        from: From::Latest,
        selection: Selection::all(),
        follow: true,
        count,
    };
    let consumer = Consumer::new(Cluster::new(reach)?, options)?;
    line("Consumer Started.")?;
    let mut out = io::stdout().lock();
    consumer.run(&interrupted, |message, bounds| {
        let text = message.as_java(bounds, time::now_ms());
        writeln!(out, "ConsumeMessageThread_1 Receive New Messages: [{text}] ")?;
        out.flush()?;
        Ok(())
    })
}
