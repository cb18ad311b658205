//! Between the tables and the bodies on the wire.

use std::collections::BTreeMap;

use net::body::{
    BrokerData, BrokerMemberGroup, BrokerMemberGroupReply, ClusterInfo, KvTable, QueueData,
    RegisterBrokerBody, RegisterError, TopicList, TopicRouteData,
};
use net::json::{self, ReadError, Style};

use crate::kv::Namespace;
use crate::registry::{Broker, DataVersion, Queues, Registry, Route};

/// What a registration says in its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegisterBody {
    pub(crate) version: DataVersion,
    pub(crate) topics: BTreeMap<String, Queues>,
    pub(crate) has_static_topics: bool,
    pub(crate) filter_servers: Vec<String>,
}

/// TopicRouteData (105).
pub(crate) fn route(out: &mut Vec<u8>, route: &Route<'_>, order: Option<&str>, style: Style) {
    let body = TopicRouteData {
        broker_datas: route.brokers.iter().map(|(name, broker)| broker_data(name, broker)).collect(),
        filter_server_table: route
            .filter_servers
            .iter()
            .map(|(address, servers)| ((*address).to_owned(), servers.to_vec()))
            .collect(),
        order_topic_conf: order.map(str::to_owned),
        queue_datas: route.queues.iter().map(|(name, queues)| queue_data(name, queues)).collect(),
        topic_queue_mapping_by_broker: None,
    };
    json::append(out, &body, style);
}

/// ClusterInfo (106).
pub(crate) fn cluster_info(out: &mut Vec<u8>, registry: &Registry) {
    let body = ClusterInfo {
        broker_addr_table: registry
            .brokers()
            .map(|(name, broker)| (name.to_owned(), broker_data(name, broker)))
            .collect(),
        cluster_addr_table: registry
            .clusters()
            .map(|(name, names)| (name.to_owned(), names.clone()))
            .collect(),
    };
    json::append(out, &body, Style::Raw);
}

/// BrokerMemberGroup (901).
pub(crate) fn member_group(out: &mut Vec<u8>, cluster: &str, name: &str, broker: Option<&Broker>) {
    let group = BrokerMemberGroup {
        broker_addrs: broker.map(|broker| broker.addresses.clone()).unwrap_or_default(),
        broker_name: name.to_owned(),
        cluster: cluster.to_owned(),
    };
    json::append(out, &BrokerMemberGroupReply { broker_member_group: Some(group) }, Style::Raw);
}

/// TopicList (206 and others).
pub(crate) fn topic_list<'a>(
    out: &mut Vec<u8>,
    topics: impl Iterator<Item = &'a str>,
    broker_address: Option<&str>,
) {
    let topics = topics.map(str::to_owned).collect();
    json::append(out, &TopicList { broker_addr: broker_address.map(str::to_owned), topics }, Style::Raw);
}

/// KVTable (219, 103).
pub(crate) fn kv_table(out: &mut Vec<u8>, values: &Namespace) {
    json::append(out, &KvTable { table: values.clone() }, Style::Raw);
}

/// DataVersion (322).
pub(crate) fn data_version(out: &mut Vec<u8>, version: DataVersion) {
    let DataVersion { state_version, timestamp, counter } = version;
    json::append(out, &net::body::DataVersion { counter, state_version, timestamp }, Style::Raw);
}

/// Reads DataVersion (322).
pub(crate) fn read_data_version(body: &[u8]) -> Result<DataVersion, ReadError> {
    json::from_slice::<net::body::DataVersion>(body).map(version)
}

/// Reads RegisterBrokerBody (103) of a sender with this version ordinal; an empty one is data version 0 and no topics.
pub(crate) fn read_register(body: &[u8], sender: i32) -> Result<RegisterBody, RegisterError> {
    let body = RegisterBrokerBody::decode(body, sender)?;
    let topics = body.topics.topics.into_values().map(|topic| {
        let queues = Queues {
            read: topic.read_queues,
            write: topic.write_queues,
            perm: topic.perm,
            sys_flag: topic.sys_flag,
        };
        (topic.name, queues)
    });
    Ok(RegisterBody {
        version: version(body.topics.data_version),
        topics: topics.collect(),
        has_static_topics: !body.topics.mapping_infos.is_empty(),
        filter_servers: body.filter_servers,
    })
}

/// Reads the queues of TopicRouteData (217).
pub(crate) fn read_queues(body: &[u8]) -> Result<Vec<(String, Queues)>, ReadError> {
    let route: TopicRouteData = json::from_slice(body)?;
    let queues = route.queue_datas.into_iter().map(|data| {
        let queues = Queues {
            read: data.read_queues,
            write: data.write_queues,
            perm: data.perm,
            sys_flag: data.topic_sys_flag,
        };
        (data.broker_name, queues)
    });
    Ok(queues.collect())
}

fn version(version: net::body::DataVersion) -> DataVersion {
    let net::body::DataVersion { counter, state_version, timestamp } = version;
    DataVersion { state_version, timestamp, counter }
}

fn broker_data(name: &str, broker: &Broker) -> BrokerData {
    BrokerData {
        broker_addrs: broker.addresses.clone(),
        broker_name: name.to_owned(),
        cluster: broker.cluster.clone(),
        enable_acting_master: broker.acting_master,
        zone_name: broker.zone.clone(),
    }
}

fn queue_data(name: &str, queues: &Queues) -> QueueData {
    QueueData {
        broker_name: name.to_owned(),
        perm: queues.perm,
        read_queues: queues.read,
        topic_sys_flag: queues.sys_flag,
        write_queues: queues.write,
    }
}
