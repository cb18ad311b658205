//! `ringmq admin`: look at and change a running cluster. Native counterparts of `mqadmin`.

use std::collections::BTreeMap;

use net::ResponseCode;
use net::body::KvTable;
use net::requests::{GetBrokerConfig, GetBrokerRuntimeInfo};
use serde_json::Value;

use crate::cli::{Admin, AdminBroker, AdminCommon, ClusterCommand, Target};
use crate::client::cluster::{Cluster, odd, parsed};
use crate::failure::Failure;
use crate::output::Rows;

mod dlq;
mod group;
mod message;
mod topic;
mod trace;

pub(crate) use dlq::DlqCommand;
pub(crate) use message::MessageCommand;

/// Runs it.
///
/// # Errors
/// Nobody answered, or somebody refused.
pub(crate) fn run(command: Admin) -> Result<(), Failure> {
    match command {
        Admin::Cluster(ClusterCommand::List(common)) => cluster_list(&common),
        Admin::Topic(command) => topic::run(command),
        Admin::Group(command) => group::run(command),
        Admin::Message(command) => message::run(&command),
        Admin::Dlq(command) => dlq::run(&command),
        Admin::Broker(AdminBroker::Config { target, key, common }) => {
            broker_config(&target, key.as_deref(), &common)
        }
    }
}

/// A broker of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    cluster: String,
    broker: String,
    id: i64,
    address: String,
}

/// All brokers, sorted by cluster, name and id.
fn members(cluster: &mut Cluster) -> Result<Vec<Member>, Failure> {
    let info = cluster.info()?;
    let mut all = Vec::new();
    for (name, brokers) in &info.cluster_addr_table {
        for broker in brokers.iter().filter_map(|broker| info.broker_addr_table.get(broker)) {
            all.extend(broker.broker_addrs.iter().map(|(id, address)| Member {
                cluster: name.clone(),
                broker: broker.broker_name.clone(),
                id: *id,
                address: address.clone(),
            }));
        }
    }
    Ok(all)
}

/// The masters that a change goes to.
fn targets(cluster: &mut Cluster, target: &Target) -> Result<Vec<Member>, Failure> {
    let all = members(cluster)?;
    if let Some(address) = &target.broker {
        let found = all.into_iter().find(|member| member.address == *address);
        // A broker that is not registered can still be asked.
        let member =
            Member { cluster: String::new(), broker: String::new(), id: 0, address: address.clone() };
        return Ok(vec![found.unwrap_or(member)]);
    }
    let mut names: Vec<&str> = all.iter().map(|member| member.cluster.as_str()).collect();
    names.dedup();
    let wanted = match (&target.cluster, names.as_slice()) {
        (Some(name), _) if names.contains(&name.as_str()) => name.clone(),
        (Some(name), _) => {
            return Err(Failure::Usage {
                what: format!("there is no cluster {name}"),
                fix: format!(
                    "the name servers know {}",
                    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
                ),
            });
        }
        (None, [only]) => (*only).to_owned(),
        (None, []) => {
            let what = format!("no broker is registered at {}", cluster.namesrv());
            return Err(Failure::Partly { what });
        }
        (None, several) => {
            return Err(Failure::Usage {
                what: format!("there are several clusters: {}", several.join(", ")),
                fix: format!("choose one, for example --cluster {}", several[0]),
            });
        }
    };
    Ok(all.into_iter().filter(|member| member.cluster == wanted && member.id == 0).collect())
}

fn cluster_list(common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let mut rows = Rows::new(&[
        "cluster",
        "broker",
        "id",
        "address",
        "version",
        "in_tps",
        "out_tps",
        "messages_today",
        "disk_percent",
        "state",
    ]);
    let mut silent = 0;
    for member in members(&mut cluster)? {
        let asked = runtime_info(&mut cluster, &member.address);
        let state = match &asked {
            Ok(_) => "up".to_owned(),
            Err(Failure::Unreachable { cause, .. }) => cause.clone(),
            Err(Failure::Refused { remark, .. }) => remark.clone(),
            Err(other) => other.to_string(),
        };
        silent += usize::from(asked.is_err());
        let info = asked.unwrap_or_default();
        let text = |key: &str| info.get(key).map(String::as_str);
        let first = |key: &str| {
            text(key).and_then(|text| text.split(' ').next()).and_then(|text| text.parse::<f64>().ok())
        };
        let number = |key: &str| text(key).and_then(|text| text.trim().parse::<i64>().ok());
        let today = number("msgPutTotalTodayNow")
            .zip(number("msgPutTotalTodayMorning"))
            .map(|(now, morning)| now - morning);
        let disk = text("commitLogDiskRatio").and_then(|text| text.parse::<f64>().ok());
        rows.push(vec![
            member.cluster.into(),
            member.broker.into(),
            member.id.into(),
            member.address.into(),
            text("brokerVersionDesc").map_or(Value::Null, Value::from),
            rounded(first("putTps")),
            rounded(first("getTransferredTps")),
            today.map_or(Value::Null, Value::from),
            rounded(disk.map(|ratio| ratio * 100.0)),
            state.into(),
        ]);
    }
    rows.print(common.output)?;
    if silent == 0 {
        Ok(())
    } else {
        Err(Failure::Partly { what: format!("{silent} brokers did not answer") })
    }
}

/// One decimal; absent stays absent.
fn rounded(number: Option<f64>) -> Value {
    number.map_or(Value::Null, |number| ((number * 10.0).round() / 10.0).into())
}

fn runtime_info(cluster: &mut Cluster, address: &str) -> Result<BTreeMap<String, String>, Failure> {
    let doing = "asking for runtime information";
    let answer = cluster.ask(address, &GetBrokerRuntimeInfo {}, &[], doing)?;
    let table: KvTable = parsed(address, doing, &answer.body)?;
    Ok(table.table)
}

fn broker_config(target: &Target, wanted: Option<&str>, common: &AdminCommon) -> Result<(), Failure> {
    let mut cluster = Cluster::new(&common.reach)?;
    let doing = "asking for the configuration";
    let mut rows = Rows::new(&["broker", "key", "value"]);
    for member in targets(&mut cluster, target)? {
        let answer = cluster.ask(&member.address, &GetBrokerConfig {}, &[], doing)?;
        let text = String::from_utf8_lossy(&answer.body);
        let mut pairs =
            settings::parse_properties(&text).map_err(|error| odd(&member.address, doing, error.what))?;
        pairs.sort_by(|a, b| a.key.cmp(&b.key));
        let name = if member.broker.is_empty() { member.address.clone() } else { member.broker.clone() };
        for pair in pairs {
            if wanted.is_none_or(|wanted| pair.key.to_lowercase().contains(&wanted.to_lowercase())) {
                rows.push(vec![name.clone().into(), pair.key.into(), pair.value.into()]);
            }
        }
    }
    Ok(rows.print(common.output)?)
}

/// Whether an answer says that there is nothing of that name.
fn is_missing(code: ResponseCode) -> bool {
    code == ResponseCode::QUERY_NOT_FOUND || code == ResponseCode::TOPIC_NOT_EXIST
}
