//! Signs of life and of leaving: 104, 322, 904 (behaviour.md 1.2, 1.3).

use net::requests::{BrokerHeartbeat, QueryDataVersion, QueryDataVersionReply, UnregisterBroker};
use rt::Env;

use super::Reply;
use crate::bodies;
use crate::registry::Unregistration;
use crate::server::{Asked, NameServer};

/// UNREGISTER_BROKER (104). Those of one turn are taken out together, before anything else is answered.
pub(super) fn unregister<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &UnregisterBroker<'_>,
) {
    server.leaving.push(Unregistration {
        cluster: request.cluster_name.to_owned(),
        broker: request.broker_name.to_owned(),
        address: request.broker_addr.to_owned(),
        id: request.broker_id,
    });
    Reply::to(&mut server.connections, asked).ok();
}

/// QUERY_DATA_VERSION (322): is my topic table another than the one you have?
pub(super) fn query_data_version<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &QueryDataVersion<'_>,
) {
    let (cluster, address) = (request.cluster_name, request.broker_addr);
    server.registry.heard_of(cluster, address, asked.now.mono);
    let ours = server.registry.data_version(cluster, address);
    let reply = Reply::to(&mut server.connections, asked);
    let theirs = match bodies::read_data_version(asked.body) {
        Ok(version) => version,
        Err(error) => return reply.failed(&error.to_string()),
    };
    let header = QueryDataVersionReply { changed: ours != Some(theirs) };
    reply.ok_with_body(&header, |out| {
        if let Some(version) = ours {
            bodies::data_version(out, version);
        }
    });
}

/// BROKER_HEARTBEAT (904): always a success, also for a broker never seen.
pub(super) fn heartbeat<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &BrokerHeartbeat<'_>,
) {
    server.registry.heard_of(request.cluster_name, request.broker_addr, asked.now.mono);
    Reply::to(&mut server.connections, asked).ok();
}
