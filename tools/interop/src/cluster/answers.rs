//! What servers are asked until they are ready.

use std::time::Duration;

use crate::wire::Wire;

/// Whether the broker at `port` answers.
pub(super) fn answers(port: u16) -> bool {
    const GET_BROKER_RUNTIME_INFO: i32 = 28;
    Wire::connect(port, Duration::from_secs(2))
        .is_ok_and(|mut wire| wire.succeed(GET_BROKER_RUNTIME_INFO, &[], &[]).is_ok())
}

/// Whether the name server at `port` routes `topic` to all of `masters`.
pub(super) fn routed(port: u16, topic: &str, masters: &[String]) -> bool {
    const GET_ROUTEINFO_BY_TOPIC: i32 = 105;
    let Ok(mut wire) = Wire::connect(port, Duration::from_secs(2)) else { return false };
    let Ok(answer) = wire.call(GET_ROUTEINFO_BY_TOPIC, &[("topic", topic)], &[]) else { return false };
    let body = String::from_utf8_lossy(&answer.body);
    answer.code == 0 && masters.iter().all(|name| body.contains(&format!("\"brokerName\":\"{name}\"")))
}

/// Whether the name server at `port` answers and lists `masters`. Java's body has unquoted keys, so it is searched, not parsed.
pub(super) fn registered(port: u16, masters: &[String]) -> bool {
    const GET_BROKER_CLUSTER_INFO: i32 = 106;
    let Ok(mut wire) = Wire::connect(port, Duration::from_secs(2)) else { return false };
    let Ok(answer) = wire.call(GET_BROKER_CLUSTER_INFO, &[], &[]) else { return false };
    let body = String::from_utf8_lossy(&answer.body);
    masters.iter().all(|name| body.contains(&format!("\"brokerName\":\"{name}\"")))
}
