//! `ringmq admin topic`.

use net::ResponseCode;
use net::body::TopicStatsTable;
use net::names;
use net::requests::{
    DeleteKvConfig, DeleteTopicInBroker, DeleteTopicInNamesrv, GetTopicStatsInfo, UpdateAndCreateTopic,
};
use serde_json::Value;

use super::{is_missing, targets};
use crate::cli::{AdminCommon, Target, TopicCommand};
use crate::client::cluster::{Cluster, parsed, refused};
use crate::failure::Failure;
use crate::output::Rows;
use crate::time;

/// Where name servers keep the order of ordered topics.
const ORDER_NAMESPACE: &str = "ORDER_TOPIC_CONFIG";

pub(crate) fn run(command: TopicCommand) -> Result<(), Failure> {
    match command {
        TopicCommand::Create { topic, queues, perm, attributes, target, common } => {
            create(&topic, queues, perm, attributes.as_deref(), &target, &common)
        }
        TopicCommand::List(common) => list(&common),
        TopicCommand::Delete { topic, target, common } => delete(&topic, &target, &common),
        TopicCommand::Route { topic, common } => route(&topic, &common),
        TopicCommand::Status { topic, common } => status(&topic, &common),
    }
}

fn create(
    topic: &str,
    queues: u32,
    perm: u32,
    attributes: Option<&str>,
    target: &Target,
    common: &AdminCommon,
) -> Result<(), Failure> {
    names::check_topic(topic).map_err(|error| Failure::Usage {
        what: error.to_string(),
        fix: "topics have letters, digits, '-', '_', '%' and '|', at most 127 of them".to_owned(),
    })?;
    let mut cluster = Cluster::new(&common.reach)?;
    let queues = i32::try_from(queues).expect("clap allows at most 65,535");
    let header = UpdateAndCreateTopic {
        perm: i32::try_from(perm).expect("clap allows at most 7"),
        attributes,
        ..UpdateAndCreateTopic::plain(topic, queues)
    };
    let mut rows = Rows::new(&["topic", "broker", "address", "queues", "perm"]);
    for member in targets(&mut cluster, target)? {
        cluster.ask(&member.address, &header, &[], &format!("creating {topic}"))?;
        rows.push(vec![
            topic.into(),
            member.broker.into(),
            member.address.into(),
            queues.into(),
            perm_text(header.perm).into(),
        ]);
    }
    Ok(rows.print(common.output)?)
}

fn list(common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let mut rows = Rows::new(&["topic", "kind"]);
    for topic in cluster.topics()? {
        let kind = if topic.starts_with(names::RETRY_PREFIX) {
            "retry"
        } else if topic.starts_with(names::DLQ_PREFIX) {
            "dead letters"
        } else if names::is_system_topic(&topic) {
            "system"
        } else {
            "user"
        };
        rows.push(vec![topic.into(), kind.into()]);
    }
    Ok(rows.print(common.output)?)
}

/// From the brokers first: a name server alone would hear of it again at the next registration.
fn delete(topic: &str, target: &Target, common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let members = targets(&mut cluster, target)?;
    let doing = format!("deleting {topic}");
    let mut rows = Rows::new(&["topic", "at", "address"]);
    for member in &members {
        cluster.ask(&member.address, &DeleteTopicInBroker { topic }, &[], &doing)?;
        rows.push(vec![topic.into(), member.broker.clone().into(), member.address.clone().into()]);
    }
    if target.broker.is_none() {
        let name = members.first().map(|member| member.cluster.as_str());
        for server in cluster.namesrv_all().to_vec() {
            cluster.ask(&server, &DeleteTopicInNamesrv { topic, cluster_name: name }, &[], &doing)?;
            let order = DeleteKvConfig { namespace: ORDER_NAMESPACE, key: topic };
            let answer = cluster.call(&server, &order, &[], &doing)?;
            if answer.code != ResponseCode::SUCCESS && !is_missing(answer.code) {
                return Err(refused(&server, &doing, &answer));
            }
            rows.push(vec![topic.into(), "name server".into(), server.into()]);
        }
    }
    Ok(rows.print(common.output)?)
}

fn route(topic: &str, common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let mut rows = Rows::new(&["broker", "cluster", "id", "address", "read_queues", "write_queues", "perm"]);
    for place in cluster.route(topic)? {
        for (id, address) in &place.addresses {
            rows.push(vec![
                place.broker.clone().into(),
                place.cluster.clone().into(),
                (*id).into(),
                address.clone().into(),
                place.read_queues.into(),
                place.write_queues.into(),
                perm_text(place.perm).into(),
            ]);
        }
    }
    Ok(rows.print(common.output)?)
}

fn status(topic: &str, common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let doing = format!("asking for the offsets of {topic}");
    let mut rows = Rows::new(&["broker", "queue", "min_offset", "max_offset", "messages", "last_updated"]);
    for place in cluster.route(topic)? {
        let Some(address) = place.readable() else { continue };
        let answer = cluster.ask(address, &GetTopicStatsInfo { topic }, &[], &doing)?;
        let stats: TopicStatsTable = parsed(address, &doing, &answer.body)?;
        for (queue, offsets) in stats.queues {
            let updated = if offsets.updated_at_ms > 0 {
                time::show(offsets.updated_at_ms).into()
            } else {
                Value::Null
            };
            rows.push(vec![
                queue.broker_name.into(),
                queue.queue_id.into(),
                offsets.min_offset.into(),
                offsets.max_offset.into(),
                (offsets.max_offset - offsets.min_offset).into(),
                updated,
            ]);
        }
    }
    Ok(rows.print(common.output)?)
}

/// `RW`, `R-`, `-W`, with `X` for inherit, as RocketMQ shows it.
fn perm_text(perm: i32) -> String {
    let bit = |mask: i32, letter: char| if perm & mask != 0 { letter } else { '-' };
    let inherit = if perm & 1 != 0 { "X" } else { "" };
    format!("{}{}{inherit}", bit(4, 'R'), bit(2, 'W'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_shown_as_rocketmq_does() {
        assert_eq!([6, 4, 2, 0, 7].map(perm_text), ["RW", "R-", "-W", "--", "RWX"]);
    }
}
