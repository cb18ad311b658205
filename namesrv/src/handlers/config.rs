//! The configuration of the name server itself: 318, 319 (behaviour.md 1.8, reliability.md S4, S5).

use net::ResponseCode;
use rt::Env;
use settings::{Applies, Settings};

use super::Reply;
use crate::config::NamesrvConfig;
use crate::server::{Asked, NameServer};

/// GET_NAMESRV_CONFIG (319): properties text under Java's names, ours where Java has none.
pub(super) fn get<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>) {
    let config = &server.config;
    Reply::to(&mut server.connections, asked).ok_body(|out| {
        for (at, key) in NamesrvConfig::KEYS.iter().enumerate() {
            let name = if key.java.is_empty() { key.name } else { key.java };
            out.extend_from_slice(format!("{name}={}\n", config.show(at)).as_bytes());
        }
    });
}

/// UPDATE_NAMESRV_CONFIG (318): all of the given keys or none. Off unless the operator opened it.
pub(super) fn update<E: Env>(server: &mut NameServer<E>, asked: &Asked<'_>) {
    let outcome = match server.config.remote_config {
        true => changed(&server.config, asked.body),
        false => Err((ResponseCode::NO_PERMISSION, REMOTE_CONFIG_OFF.to_owned())),
    };
    if let Ok(config) = &outcome {
        let peer = server.connections.get(asked.conn).map(|connection| connection.peer());
        let change = String::from_utf8_lossy(asked.body);
        tracing::warn!(?peer, ?change, "configuration changed remotely, until the next start");
        server.adopt(config.clone());
    }
    let reply = Reply::to(&mut server.connections, asked);
    match outcome {
        Ok(_) => reply.ok(),
        Err((code, remark)) => reply.refused(code, &remark),
    }
}

type Refused = (ResponseCode, String);

fn changed(present: &NamesrvConfig, body: &[u8]) -> Result<NamesrvConfig, Refused> {
    let wrong = |what: String| (ResponseCode::INVALID_PARAMETER, what);
    let text = std::str::from_utf8(body).map_err(|_| wrong("the body is not UTF-8".to_owned()))?;
    let lines = settings::parse_properties(text)
        .map_err(|error| wrong(format!("line {} of the body: {}", error.line, error.what)))?;
    let mut config = present.clone();
    for line in lines {
        if BLACK_LIST.contains(&line.key.as_str()) {
            return Err((ResponseCode::NO_PERMISSION, "Can not update config in black list.".to_owned()));
        }
        let Some(at) = NamesrvConfig::find(&line.key) else {
            return Err(wrong(format!("unknown key {:?}", line.key)));
        };
        let key = &NamesrvConfig::KEYS[at];
        if key.applies != Applies::Hot || NOT_FROM_AFAR.contains(&key.name) {
            let remark = format!("{} cannot be changed remotely; change the file and restart", line.key);
            return Err((ResponseCode::NO_PERMISSION, remark));
        }
        config.set(at, &line.value).map_err(|rejection| wrong(format!("{}: {rejection}", line.key)))?;
    }
    Ok(config)
}

/// Java's black list: these answer with its remark.
const BLACK_LIST: &[&str] =
    &["configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome", "store.kv_file"];
/// Hot keys that no request may touch: who may write, and what only the process around this reactor can change.
const NOT_FROM_AFAR: &[&str] = &["admin.allow", "log.filter"];
const REMOTE_CONFIG_OFF: &str = "remote configuration changes are off; set admin.remote_config = true in the name server's file to allow them";
