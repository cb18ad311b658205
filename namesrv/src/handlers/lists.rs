//! What tools ask and order about brokers and topics: 106, 206, 224, 304, 311 to 313, 901, 205, 327, 216
//! (behaviour.md 1.6).

use net::requests::{
    AddWritePermOfBroker, AddWritePermReply, DeleteTopicInNamesrv, GetBrokerMemberGroup, GetTopicsByCluster,
    WipeWritePermOfBroker, WipeWritePermReply,
};
use rt::Env;

use super::Reply;
use crate::bodies;
use crate::registry::{Registry, UnitList};
use crate::server::{Asked, NameServer};

/// GET_BROKER_CLUSTER_INFO (106).
pub(super) fn cluster_info<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>) {
    let registry = &server.registry;
    Reply::to(&mut server.connections, asked).ok_body(|out| bodies::cluster_info(out, registry));
}

/// GET_BROKER_MEMBER_GROUP (901); an unknown broker is an empty group.
pub(super) fn member_group<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &GetBrokerMemberGroup<'_>,
) {
    let broker = server.registry.broker(request.broker_name);
    Reply::to(&mut server.connections, asked)
        .ok_body(|out| bodies::member_group(out, request.cluster_name, request.broker_name, broker));
}

/// GET_ALL_TOPIC_LIST_FROM_NAMESERVER (206).
pub(super) fn all_topics<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>) {
    let enabled = server.config.all_topic_list;
    list(server, asked, enabled, |out, registry| bodies::topic_list(out, registry.topics(), None));
}

/// GET_TOPICS_BY_CLUSTER (224).
pub(super) fn topics_of_cluster<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &GetTopicsByCluster<'_>,
) {
    let enabled = server.config.topic_list;
    list(server, asked, enabled, |out, registry| {
        bodies::topic_list(out, registry.topics_of_cluster(request.cluster), None);
    });
}

/// GET_SYSTEM_TOPIC_LIST_FROM_NS (304).
pub(super) fn system_topics<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>) {
    list(server, asked, true, |out, registry| {
        bodies::topic_list(out, registry.system_topics(), registry.any_address());
    });
}

/// GET_UNIT_TOPIC_LIST (311) and its two sisters.
pub(super) fn unit_topics<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, which: UnitList) {
    let enabled = server.config.topic_list;
    list(server, asked, enabled, |out, registry| bodies::topic_list(out, registry.unit_topics(which), None));
}

fn list<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    enabled: bool,
    fill: impl FnOnce(&mut Vec<u8>, &Registry),
) {
    let registry = &server.registry;
    let reply = Reply::to(&mut server.connections, asked);
    if enabled { reply.ok_body(|out| fill(out, registry)) } else { reply.failed("disable") }
}

/// WIPE_WRITE_PERM_OF_BROKER (205): drains a broker until it next registers a changed table.
pub(super) fn wipe_write_perm<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &WipeWritePermOfBroker<'_>,
) {
    let wiped = server.registry.wipe_write_perm(request.broker_name);
    tracing::info!(broker = %request.broker_name.escape_debug(), topics = wiped, "write permission wiped");
    Reply::to(&mut server.connections, asked).ok_with(&WipeWritePermReply { wipe_topic_count: wiped });
}

/// ADD_WRITE_PERM_OF_BROKER (327).
pub(super) fn add_write_perm<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &AddWritePermOfBroker<'_>,
) {
    let added = server.registry.add_write_perm(request.broker_name);
    tracing::info!(broker = %request.broker_name.escape_debug(), topics = added, "write permission added");
    Reply::to(&mut server.connections, asked).ok_with(&AddWritePermReply { add_topic_count: added });
}

/// DELETE_TOPIC_IN_NAMESRV (216).
pub(super) fn delete_topic<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &DeleteTopicInNamesrv<'_>,
) {
    server.registry.delete_topic(request.topic, request.cluster_name);
    tracing::info!(topic = %request.topic.escape_debug(), cluster = ?request.cluster_name, "topic deleted from the routes");
    Reply::to(&mut server.connections, asked).ok();
}
