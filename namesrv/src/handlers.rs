//! What each request does. One file per family; here the way to them: permission, decoding, dispatch.

mod config;
mod kv;
mod lists;
mod liveness;
mod registration;
mod reply;
mod route;

use net::reply::not_supported_remark;
use net::{Class, Request, RequestCode, ResponseCode};
use rt::Env;

pub(crate) use self::reply::Reply;

use crate::registry::UnitList;
use crate::server::{Asked, NameServer};

/// Answers one request.
pub(crate) fn handle<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>) {
    let code = RequestCode(asked.header.code);
    if !is_served(code) {
        let remark = not_supported_remark(code.0);
        return refuse(server, asked, ResponseCode::REQUEST_CODE_NOT_SUPPORTED, &remark);
    }
    if code.class() == Class::AdminWrite && !may_write(server, asked) {
        return refuse(server, asked, ResponseCode::NO_PERMISSION, net::admin_sources::REFUSAL);
    }
    match Request::decode(asked.header) {
        Ok(request) => dispatch(server, asked, &request),
        Err(error) => refuse(server, asked, ResponseCode::SYSTEM_ERROR, &error.to_string()),
    }
}

fn dispatch<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, request: &Request<'_>) {
    if let Request::UnregisterBroker(request) = request {
        return liveness::unregister(server, asked, request);
    }
    server.settle(asked.now);
    match request {
        Request::GetRouteinfoByTopic(request) => route::get(server, asked, request),
        Request::RegisterBroker(request) => registration::register(server, asked, request),
        Request::RegisterTopicInNamesrv(request) => registration::register_topic(server, asked, request),
        Request::QueryDataVersion(request) => liveness::query_data_version(server, asked, request),
        Request::BrokerHeartbeat(request) => liveness::heartbeat(server, asked, request),
        Request::GetBrokerClusterInfo(_) => lists::cluster_info(server, asked),
        Request::GetBrokerMemberGroup(request) => lists::member_group(server, asked, request),
        Request::GetAllTopicListFromNameserver(_) => lists::all_topics(server, asked),
        Request::GetTopicsByCluster(request) => lists::topics_of_cluster(server, asked, request),
        Request::GetSystemTopicListFromNs(_) => lists::system_topics(server, asked),
        Request::GetUnitTopicList(_) => lists::unit_topics(server, asked, UnitList::Unit),
        Request::GetHasUnitSubTopicList(_) => lists::unit_topics(server, asked, UnitList::UnitSub),
        Request::GetHasUnitSubUnunitTopicList(_) => {
            lists::unit_topics(server, asked, UnitList::UnitSubNotUnit)
        }
        Request::WipeWritePermOfBroker(request) => lists::wipe_write_perm(server, asked, request),
        Request::AddWritePermOfBroker(request) => lists::add_write_perm(server, asked, request),
        Request::DeleteTopicInNamesrv(request) => lists::delete_topic(server, asked, request),
        Request::PutKvConfig(request) => kv::put(server, asked, request),
        Request::GetKvConfig(request) => kv::get(server, asked, request),
        Request::DeleteKvConfig(request) => kv::delete(server, asked, request),
        Request::GetKvlistByNamespace(request) => kv::namespace(server, asked, request),
        Request::GetNamesrvConfig(_) => config::get(server, asked),
        Request::UpdateNamesrvConfig(_) => config::update(server, asked),
        // `is_served` let nothing else through.
        other => refuse(
            server,
            asked,
            ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
            &not_supported_remark(other.code().0),
        ),
    }
}

/// Whether the table of requests says that a name server gets this code. The rest of it is for brokers, clients and
/// controllers.
fn is_served(code: RequestCode) -> bool {
    code.row().is_some_and(|row| row.direction.contains(">N"))
}

/// S2: from this host or a named network. There is no authentication yet that could vouch for others.
fn may_write<E: Env>(server: &NameServer<E>, asked: &Asked<'_>) -> bool {
    let connection = server.connections.get(asked.conn);
    connection.is_some_and(|connection| server.admin.allow(connection.peer(), connection.state().local))
}

fn refuse<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, code: ResponseCode, remark: &str) {
    Reply::to(&mut server.connections, asked).refused(code, remark);
}
