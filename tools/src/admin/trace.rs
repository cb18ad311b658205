//! What clients wrote about their messages into the trace topic (behaviour.md 17.3).
//!
//! A trace message holds contexts, each ended by 0x02, of fields separated by 0x01; the first names its kind.

use serde_json::Value;

use super::message::{by_key, each_record};
use crate::cli::AdminCommon;
use crate::client::cluster::Cluster;
use crate::client::message::Message;
use crate::failure::Failure;
use crate::output::Rows;
use crate::time;

/// Trace messages per broker that are looked at.
const LOOK_AT: u32 = 64;

/// One thing that a client did with a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Step {
    kind: &'static str,
    at_ms: Option<i64>,
    group: String,
    topic: String,
    msg_id: String,
    offset_msg_id: String,
    keys: String,
    store_host: String,
    retry_times: Option<i64>,
    cost_ms: Option<i64>,
    /// It worked; for a decision which it was.
    outcome: String,
}

pub(super) fn trace(
    id: &str,
    trace_topic: &str,
    span: (i64, i64),
    common: &AdminCommon,
) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let mut steps: Vec<(Step, String)> = Vec::new();
    for (broker, bytes) in by_key(&mut cluster, trace_topic, id, false, LOOK_AT, span)? {
        each_record(&broker, "reading traces", &bytes, |record| {
            let client = record.born_host().to_string();
            let message = Message::new(*record, &broker);
            let text = String::from_utf8_lossy(message.body()).into_owned();
            let is_about = |step: &Step| {
                step.msg_id == id || step.offset_msg_id == id || step.keys.split(' ').any(|key| key == id)
            };
            // Steps without a time happened about when they were told.
            let stored = record.stored_at_ms();
            let timed = |step: Step| Step { at_ms: step.at_ms.or(Some(stored)), ..step };
            steps.extend(
                steps_of(&text).into_iter().filter(is_about).map(|step| (timed(step), client.clone())),
            );
        })?;
    }
    if steps.is_empty() {
        return Err(Failure::Partly {
            what: format!(
                "nothing is traced about {id} in {trace_topic}: do its clients trace, and does the topic exist \
                 (topics.trace_topic)?"
            ),
        });
    }
    steps.sort_by_key(|(step, _)| step.at_ms);
    steps.dedup();
    let mut rows = Rows::new(&[
        "time",
        "what",
        "topic",
        "group",
        "client",
        "msg_id",
        "keys",
        "store_host",
        "retry",
        "cost_ms",
        "outcome",
    ]);
    for (step, client) in steps {
        let number = |number: Option<i64>| number.map_or(Value::Null, Value::from);
        rows.push(vec![
            step.at_ms.map_or(Value::Null, |ms| time::show(ms).into()),
            step.kind.into(),
            step.topic.into(),
            step.group.into(),
            client.into(),
            step.msg_id.into(),
            step.keys.into(),
            step.store_host.into(),
            number(step.retry_times),
            number(step.cost_ms),
            step.outcome.into(),
        ]);
    }
    Ok(rows.print(common.output)?)
}

/// The contexts of a trace message; what is of no kind we know is left out.
fn steps_of(text: &str) -> Vec<Step> {
    text.split('\u{2}').filter_map(step).collect()
}

fn step(context: &str) -> Option<Step> {
    let fields: Vec<&str> = context.split('\u{1}').collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default().to_owned();
    let number = |at: usize| fields.get(at).and_then(|text| text.parse().ok());
    let outcome = |at: usize| match fields.get(at) {
        Some(&"true") => "ok".to_owned(),
        Some(&"false") => "failed".to_owned(),
        _ => String::new(),
    };
    let begin = Step { at_ms: number(1), group: field(3), ..Step::default() };
    Some(match *fields.first()? {
        "Pub" => Step {
            kind: "sent",
            topic: field(4),
            msg_id: field(5),
            keys: field(7),
            store_host: field(8),
            cost_ms: number(10),
            offset_msg_id: field(12),
            outcome: outcome(13),
            ..begin
        },
        "SubBefore" => {
            Step { kind: "received", msg_id: field(5), retry_times: number(6), keys: field(7), ..begin }
        }
        "SubAfter" => Step {
            kind: "consumed",
            at_ms: number(7),
            group: field(8),
            msg_id: field(2),
            cost_ms: number(3),
            keys: field(5),
            outcome: outcome(4),
            ..Step::default()
        },
        "EndTransaction" => Step {
            kind: "decided",
            topic: field(4),
            msg_id: field(5),
            keys: field(7),
            store_host: field(8),
            outcome: field(11),
            ..begin
        },
        "Recall" => {
            Step { kind: "recalled", topic: field(4), msg_id: field(5), outcome: outcome(6), ..begin }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As RocketMQ's `TraceDataEncoder` joins them.
    fn context(fields: &[&str]) -> String {
        fields.join("\u{1}") + "\u{2}"
    }

    #[test]
    fn every_kind_of_context_is_read() {
        let text = context(&[
            "Pub",
            "1700",
            "DefaultRegion",
            "g",
            "T",
            "ID",
            "tag",
            "k1 k2",
            "10.0.0.1:10911",
            "5",
            "3",
            "0",
            "OFF",
            "true",
        ]) + &context(&["SubBefore", "1701", "DefaultRegion", "c", "REQ", "ID", "2", "k1"])
            + &context(&["SubAfter", "REQ", "ID", "7", "false", "k1", "4", "1708", "c"])
            + &context(&[
                "EndTransaction",
                "1709",
                "R",
                "g",
                "T",
                "ID",
                "",
                "",
                "h:1",
                "2",
                "tx",
                "COMMIT_MESSAGE",
                "false",
            ])
            + &context(&["Recall", "1710", "R", "g", "T", "ID", "true"])
            + &context(&["Later", "1"]);
        let steps = steps_of(&text);
        let told: Vec<(&str, Option<i64>, &str, &str)> = steps
            .iter()
            .map(|step| (step.kind, step.at_ms, step.group.as_str(), step.outcome.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("sent", Some(1700), "g", "ok"),
                ("received", Some(1701), "c", ""),
                ("consumed", Some(1708), "c", "failed"),
                ("decided", Some(1709), "g", "COMMIT_MESSAGE"),
                ("recalled", Some(1710), "g", "ok"),
            ]
        );
        assert!(steps.iter().all(|step| step.msg_id == "ID"));
        assert_eq!(
            (steps[0].offset_msg_id.as_str(), steps[1].retry_times, steps[2].cost_ms),
            ("OFF", Some(2), Some(7))
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(Pub|SubBefore|SubAfter|Recall)?[a-z0-9\u{1}\u{2}]{0,60}") {
            let _ = steps_of(&text);
        }
    }
}
