//! `ringmq admin group`.

use net::ResponseCode;
use net::body::{ConsumeStats, ConsumerConnection, ResetOffsetBody, SubscriptionGroupWrapper};
use net::names;
use net::requests::{
    CloneGroupOffset, GetAllSubscriptiongroupConfig, GetConsumeStats, GetConsumerConnectionList,
    InvokeBrokerToResetOffset,
};
use serde_json::Value;

use crate::cli::{AdminCommon, GroupCommand};
use crate::client::cluster::{Cluster, parsed, refused};
use crate::failure::Failure;
use crate::output::Rows;
use crate::time;

pub(crate) fn run(command: GroupCommand) -> Result<(), Failure> {
    match command {
        GroupCommand::Lag { group, topic, common } => lag(&group, topic.as_deref(), &common),
        GroupCommand::Conflicts { group, common } => conflicts(group.as_deref(), &common),
        GroupCommand::Reset { group, topic, to, only_back, common } => {
            reset(&group, &topic, target(&to)?, !only_back, &common)
        }
        GroupCommand::Skip { group, topic, common } => reset(&group, &topic, END, true, &common),
        GroupCommand::Clone { from, to, topic, common } => clone(&from, &to, &topic, &common),
    }
}

/// The end of each queue, as a time.
const END: i64 = -1;

fn target(text: &str) -> Result<i64, Failure> {
    match text {
        "earliest" => Ok(0),
        "latest" => Ok(END),
        _ => time::parse(text, time::now_ms()).ok_or_else(|| Failure::Usage {
            what: format!("--to \"{text}\" is no place"),
            fix: "write earliest, latest, a time such as 2026-11-21T14:00:00Z, milliseconds since 1970, or an age such as 15m"
                .to_owned(),
        }),
    }
}

fn lag(group: &str, topic: Option<&str>, common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let doing = format!("asking how far {group} is");
    let now = time::now_ms();
    let mut rows = Rows::new(&["topic", "broker", "queue", "end", "consumed", "lag", "lag_seconds"]);
    for member in super::members(&mut cluster)?.into_iter().filter(|member| member.id == 0) {
        let request = GetConsumeStats { consumer_group: group, topic, topic_list: None };
        let answer = cluster.ask(&member.address, &request, &[], &doing)?;
        let stats: ConsumeStats = parsed(&member.address, &doing, &answer.body)?;
        for (queue, progress) in stats.queues {
            let behind = progress.broker_offset - progress.consumer_offset;
            let seconds = match (behind, progress.last_timestamp) {
                (..=0, _) => Value::from(0),
                // Nothing consumed yet: nobody knows since when.
                (_, ..=0) => Value::Null,
                (_, since) => Value::from((now - since).max(0) / 1_000),
            };
            rows.push(vec![
                queue.topic.into(),
                queue.broker_name.into(),
                queue.queue_id.into(),
                progress.broker_offset.into(),
                progress.consumer_offset.into(),
                behind.into(),
                seconds,
            ]);
        }
    }
    Ok(rows.print(common.output)?)
}

fn conflicts(group: Option<&str>, common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let mut rows = Rows::new(&["group", "broker", "conflict"]);
    let mut found = 0;
    for member in super::members(&mut cluster)?.into_iter().filter(|member| member.id == 0) {
        let groups = match group {
            Some(group) => vec![group.to_owned()],
            None => all_groups(&mut cluster, &member.address)?,
        };
        for group in groups {
            let doing = format!("asking who is in {group}");
            let request = GetConsumerConnectionList { consumer_group: &group };
            let answer = cluster.call(&member.address, &request, &[], &doing)?;
            match answer.code {
                ResponseCode::SUCCESS => {}
                ResponseCode::CONSUMER_NOT_ONLINE => continue,
                _ => return Err(refused(&member.address, &doing, &answer)),
            }
            let body: ConsumerConnection = parsed(&member.address, &doing, &answer.body)?;
            for conflict in body.conflicts.unwrap_or_default() {
                found += 1;
                rows.push(vec![group.clone().into(), member.broker.clone().into(), conflict.into()]);
            }
        }
    }
    rows.print(common.output)?;
    if found == 0 { Ok(()) } else { Err(Failure::Checks) }
}

fn all_groups(cluster: &mut Cluster, address: &str) -> Result<Vec<String>, Failure> {
    let doing = "asking for all groups";
    let request = GetAllSubscriptiongroupConfig { group_seq: None, max_group_num: None, data_version: None };
    let answer = cluster.ask(address, &request, &[], doing)?;
    let all: SubscriptionGroupWrapper = parsed(address, doing, &answer.body)?;
    Ok(all.groups.into_keys().collect())
}

fn reset(
    group: &str,
    topic: &str,
    timestamp: i64,
    is_force: bool,
    common: &AdminCommon,
) -> Result<(), Failure> {
    check(&[group])?;
    let mut cluster = Cluster::new(&common.reach)?;
    let doing = format!("resetting {group} on {topic}");
    let request = InvokeBrokerToResetOffset { topic, group, timestamp, is_force, queue_id: -1, offset: None };
    let mut rows = Rows::new(&["topic", "broker", "queue", "offset"]);
    for place in cluster.route(topic)? {
        let Some(address) = place.readable() else { continue };
        let answer = cluster.ask(address, &request, &[], &doing)?;
        let body: ResetOffsetBody = parsed(address, &doing, &answer.body)?;
        for (queue, offset) in body.offsets {
            rows.push(vec![
                queue.topic.into(),
                queue.broker_name.into(),
                queue.queue_id.into(),
                offset.into(),
            ]);
        }
    }
    Ok(rows.print(common.output)?)
}

fn clone(from: &str, to: &str, topic: &str, common: &AdminCommon) -> Result<(), Failure> {
    check(&[from, to])?;
    let mut cluster = Cluster::new(&common.reach)?;
    let doing = format!("copying the offsets of {from} to {to}");
    let request = CloneGroupOffset { src_group: from, dest_group: to, topic: Some(topic), offline: false };
    let mut rows = Rows::new(&["topic", "broker", "from", "to"]);
    for place in cluster.route(topic)? {
        let Some(address) = place.readable() else { continue };
        cluster.ask(address, &request, &[], &doing)?;
        rows.push(vec![topic.into(), place.broker.clone().into(), from.into(), to.into()]);
    }
    Ok(rows.print(common.output)?)
}

fn check(groups: &[&str]) -> Result<(), Failure> {
    for group in groups {
        names::check_group(group).map_err(|error| Failure::Usage {
            what: error.to_string(),
            fix: "names have letters, digits, '-', '_', '%' and '|'".to_owned(),
        })?;
    }
    Ok(())
}
