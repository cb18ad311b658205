//! REGISTER_BROKER (103) and REGISTER_TOPIC_IN_NAMESRV (217): behaviour.md 1.2.

use net::requests::{RegisterBroker, RegisterBrokerReply, RegisterTopicInNamesrv};
use rt::Env;

use super::Reply;
use crate::bodies::{self, RegisterBody};
use crate::kv::ORDER_TOPIC_CONFIG;
use crate::registry::Registration;
use crate::server::{Asked, NameServer};

/// Takes a broker with its topics; answers with its master if it is a slave, and with the ordered topics.
pub(super) fn register<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, request: &RegisterBroker<'_>) {
    let refuse =
        |server: &mut NameServer<E>, remark: &str| Reply::to(&mut server.connections, asked).failed(remark);
    if request.body_crc32 != 0 && crc(asked.body) != request.body_crc32 {
        return refuse(server, "crc32 not match");
    }
    let body = match bodies::read_register(asked.body, asked.header.version) {
        Ok(body) => body,
        Err(error) => return refuse(server, &error.to_string()),
    };
    let zone = asked.header.ext.get("__ZONE_NAME");
    let registered = server.registry.register(&registration(request, zone, body), asked.conn, asked.now.mono);
    let Ok(registered) = registered else { return refuse(server, "register broker failed") };
    if let Some(peer) = server.connections.state(asked.conn) {
        peer.is_broker = true;
    }
    server.tell(registered.notify.as_slice(), asked.now.mono);
    let master = registered.master.as_ref();
    let header = RegisterBrokerReply {
        ha_server_addr: master.and_then(|master| master.ha_address.as_deref()),
        master_addr: master.map(|master| master.address.as_str()),
    };
    let reply = Reply::to(&mut server.connections, asked);
    if !server.config.return_order_topics {
        return reply.ok_with(&header);
    }
    server.kv.read(|table| match table.namespace(ORDER_TOPIC_CONFIG) {
        Some(ordered) => reply.ok_with_body(&header, |out| bodies::kv_table(out, ordered)),
        None => reply.ok_with(&header),
    });
}

/// Adds queues to a topic; brokers that are not known are passed over without an error.
pub(super) fn register_topic<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &RegisterTopicInNamesrv<'_>,
) {
    let outcome = bodies::read_queues(asked.body);
    let reply = Reply::to(&mut server.connections, asked);
    match outcome {
        Ok(queues) => {
            server.registry.register_topic(request.topic, queues);
            reply.ok();
        }
        Err(error) => reply.failed(&error.to_string()),
    }
}

fn registration(request: &RegisterBroker<'_>, zone: Option<&str>, body: RegisterBody) -> Registration {
    Registration {
        cluster: request.cluster_name.to_owned(),
        broker: request.broker_name.to_owned(),
        address: request.broker_addr.to_owned(),
        id: request.broker_id,
        ha_address: request.ha_server_addr.map(str::to_owned),
        zone: zone.map(str::to_owned),
        timeout_ms: request.heartbeat_timeout_ms.map(|ms| u64::try_from(ms).unwrap_or(0)),
        acting_master: request.enable_acting_master,
        version: body.version,
        topics: body.topics,
        has_static_topics: body.has_static_topics,
        filter_servers: Some(body.filter_servers),
    }
}

/// Java's CRC of a body: the sign bit is cleared.
fn crc(body: &[u8]) -> i32 {
    i32::try_from(rt::crc32::hash(body) & 0x7FFF_FFFF).expect("31 bits")
}
