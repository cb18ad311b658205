//! GET_ROUTEINFO_BY_TOPIC (105), the request every client polls with (behaviour.md 1.4).

use net::ResponseCode;
use net::json::Style;
use net::requests::GetRouteinfoByTopic;
use rt::Env;

use super::Reply;
use crate::bodies;
use crate::kv::ORDER_TOPIC_CONFIG;
use crate::server::{Asked, NameServer};

/// Answers with the route, or 17: producers then ask for the template topic, consumers report it.
pub(super) fn get<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>, request: &GetRouteinfoByTopic<'_>) {
    let ready = server.is_ready(asked.now.mono);
    let reply = Reply::to(&mut server.connections, asked);
    if !ready {
        return reply.failed("name server not ready");
    }
    let Some(route) = server.registry.route(request.topic, zone(request)) else {
        let remark = format!("No topic route info in name server for the topic: {}{HELP}", request.topic);
        return reply.refused(ResponseCode::TOPIC_NOT_EXIST, &remark);
    };
    let standard =
        asked.header.version >= STANDARD_JSON_VERSION || request.accept_standard_json_only == Some(true);
    let style = if standard { Style::Standard } else { Style::Raw };
    let ordered = server.config.order_messages;
    server.kv.read(|table| {
        let order = table.value(ORDER_TOPIC_CONFIG, request.topic).filter(|_| ordered);
        reply.ok_body(|out| bodies::route(out, &route, order, style));
    });
}

/// The zone to stay in, if the client wants to.
fn zone<'a>(request: &GetRouteinfoByTopic<'a>) -> Option<&'a str> {
    let wanted = request.zone_mode.is_some_and(|mode| mode.eq_ignore_ascii_case("true"));
    request.zone_name.filter(|zone| wanted && !zone.trim().is_empty())
}

/// `V4_9_4`: clients from here on read standard JSON in routes.
const STANDARD_JSON_VERSION: i32 = 401;
/// Where Java's name server sends people who miss a topic.
const HELP: &str = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
