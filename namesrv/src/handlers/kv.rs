//! The key-value configuration: 100, 101, 102, 219 (behaviour.md 1.7).

use net::ResponseCode;
use net::requests::{DeleteKvConfig, GetKvConfig, GetKvConfigReply, GetKvlistByNamespace, PutKvConfig};
use rt::Env;

use super::Reply;
use crate::bodies;
use crate::kv::Change;
use crate::server::{Asked, NameServer, Waiting};

/// PUT_KV_CONFIG (100): answered once it is durable.
pub(super) fn put<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, request: &PutKvConfig<'_>) {
    let (namespace, key) = (request.namespace.to_owned(), request.key.to_owned());
    change(server, asked, Change::Put { namespace, key, value: request.value.to_owned() });
}

/// DELETE_KV_CONFIG (102): answered once it is durable, also if there was nothing to delete.
pub(super) fn delete<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, request: &DeleteKvConfig<'_>) {
    change(
        server,
        asked,
        Change::Delete { namespace: request.namespace.to_owned(), key: request.key.to_owned() },
    );
}

fn change<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, change: Change) {
    tracing::info!(?change, "key-value configuration");
    server.kv.change(change, Waiting { conn: asked.conn, to: asked.to });
}

/// GET_KV_CONFIG (101).
pub(super) fn get<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, request: &GetKvConfig<'_>) {
    let reply = Reply::to(&mut server.connections, asked);
    server.kv.read(|table| match table.value(request.namespace, request.key) {
        Some(value) => reply.ok_with(&GetKvConfigReply { value: Some(value) }),
        None => {
            let remark = format!("No config item, Namespace: {} Key: {}", request.namespace, request.key);
            reply.refused(ResponseCode::QUERY_NOT_FOUND, &remark);
        }
    });
}

/// GET_KVLIST_BY_NAMESPACE (219).
pub(super) fn namespace<E: Env>(
    server: &mut NameServer<E>,
    asked: &Asked<'_>,
    request: &GetKvlistByNamespace<'_>,
) {
    let reply = Reply::to(&mut server.connections, asked);
    server.kv.read(|table| match table.namespace(request.namespace) {
        Some(values) => reply.ok_body(|out| bodies::kv_table(out, values)),
        None => {
            let remark = format!("No config item, Namespace: {}", request.namespace);
            reply.refused(ResponseCode::QUERY_NOT_FOUND, &remark);
        }
    });
}
