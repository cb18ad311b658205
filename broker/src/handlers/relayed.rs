//! Asking clients on behalf of tools, and handing a reply to the client that waits for it: 307, 309, 324 and 325.

use std::rc::Rc;

use net::client::{RequestHead, encode};
use net::message_id::OffsetMessageId;
use net::properties::{self, keys};
use net::requests::{
    ConsumeMessageDirectly, GetConsumerRunningInfo, GetConsumerStatusFromClient,
    InvokeBrokerToGetConsumerStatus, PushReplyMessageToClient, SendMessageReply, SendMessageV2,
};
use net::{Codec, RequestCode, ResponseCode, reply};
use rt::{Class, ConnId, Env};
use store::PhysicalOffset;

use crate::call::{Call, Done, Outcome, Refused};
use crate::refusals;
use crate::shard::Shard;

/// Clients below cannot tell where they stand (V3_0_7_SNAPSHOT).
const STATUS_VERSION: i32 = 28;
/// Clients up to here cannot tell about themselves.
const TELLS_VERSION: i32 = 62;

impl<E: Env> Shard<E> {
    pub(crate) fn consumer_running_info(
        &mut self,
        call: &Call<'_>,
        request: &GetConsumerRunningInfo<'_>,
    ) -> Outcome {
        let client = self.online_member(request.consumer_group, request.client_id)?;
        let Some(to) = call.reply else { return Ok(Done::Answered) };
        self.relay((call.conn, to), client, request, &[], call.now)
    }

    pub(crate) fn consume_directly(
        &mut self,
        call: &Call<'_>,
        request: &ConsumeMessageDirectly<'_>,
    ) -> Outcome {
        let client = self.online_member(request.consumer_group, request.client_id.unwrap_or_default())?;
        let id = request.msg_id.unwrap_or_default();
        let at = OffsetMessageId::parse(id)
            .map(|id| PhysicalOffset::new(id.offset))
            .map_err(|_| Refused::system(format!("msgId {id:?} is not the offset id of a message")))?;
        let (group, client_id) = (request.consumer_group.to_owned(), request.client_id.map(str::to_owned));
        let (id, topic) = (id.to_owned(), request.topic.map(str::to_owned));
        let Some(to) = call.reply else { return Ok(Done::Answered) };
        let conn = call.conn;
        let work = self.store.record_at(at);
        self.connections.request_held(conn, 0);
        self.later(Class::Admin, work, move |shard, found, now| {
            shard.connections.request_done(conn, 0);
            let found = found.map_err(|error| refusals::of_read(&error, &shard.identity));
            let outcome = found.and_then(|record| {
                let record = record.ok_or_else(|| Refused::system("look message by offset failed"))?;
                let request = ConsumeMessageDirectly {
                    consumer_group: &group,
                    client_id: client_id.as_deref(),
                    msg_id: Some(&id),
                    topic: topic.as_deref(),
                    broker_name: Some(&shard.identity.name.clone()),
                    topic_sys_flag: Some(0),
                    group_sys_flag: Some(0),
                };
                shard.relay((conn, to), client, &request, &record, now)
            });
            shard.conclude(conn, Some(to), outcome);
        });
        Ok(Done::Later)
    }

    /// Where the members of a group stand, by their own account (223).
    pub(crate) fn consumer_status(
        &mut self,
        call: &Call<'_>,
        request: &InvokeBrokerToGetConsumerStatus<'_>,
    ) -> Outcome {
        let group = request.group;
        let wanted = request.client_addr.filter(|id| !id.trim().is_empty());
        let live = self.clients.consumer_group(group).filter(|live| !live.members.is_empty());
        let live = live.ok_or_else(|| {
            Refused::system(format!("No Any Consumer online in the consumer group: [{group}]"))
        })?;
        if let Some(old) = live.members.values().find(|member| member.version < STATUS_VERSION) {
            return Err(Refused::system(format!(
                "the client does not support this feature: {} of version {}",
                old.client_id, old.version
            )));
        }
        let clients: Vec<(ConnId, Rc<str>)> = live
            .members
            .iter()
            .filter(|(_, member)| wanted.is_none_or(|id| *member.client_id == *id))
            .map(|(conn, member)| (*conn, member.client_id.clone()))
            .collect();
        if clients.is_empty() {
            let id = wanted.unwrap_or_default();
            return Err(Refused::system(format!("The Consumer <{group}> <{id}> not online")));
        }
        let Some(to) = call.reply else { return Ok(Done::Answered) };
        let question = GetConsumerStatusFromClient { topic: request.topic, group };
        self.gather((call.conn, to), clients, &question, call.now)
    }

    fn online_member(&self, group: &str, client_id: &str) -> Result<ConnId, Refused> {
        let members = self.clients.consumer_group(group).map(|live| &live.members);
        let found = members.into_iter().flatten().find(|(_, member)| *member.client_id == *client_id);
        match found {
            None => Err(Refused::system(format!("The Consumer <{group}> <{client_id}> not online"))),
            Some((_, member)) if member.version < TELLS_VERSION => Err(Refused::system(format!(
                "The Consumer <{group}> <{client_id}> is too old to tell about itself, version {}",
                member.version
            ))),
            Some((conn, _)) => Ok(*conn),
        }
    }

    /// The answer of request-reply: to the client that waits for it, and into the log.
    pub(crate) fn send_reply(
        &mut self,
        call: &Call<'_>,
        request: &SendMessageV2<'_>,
        body: &[u8],
    ) -> Outcome {
        let sent = request.properties.unwrap_or_default();
        let requester = properties::find_text(sent, keys::REPLY_TO_CLIENT).unwrap_or_default();
        let pushed = match self.clients.producer_by_id(requester) {
            Some(client) => {
                self.push_reply(call, client, request, body);
                Ok(())
            }
            None if requester.is_empty() => {
                Err(Refused::system("REPLY_TO_CLIENT is null, can not reply message"))
            }
            None => {
                Err(Refused::system(format!("push reply message fail, channel of <{requester}> not found.")))
            }
        };
        if !self.config.store_replies {
            pushed?;
            let header = SendMessageReply {
                msg_id: "0",
                queue_id: request.queue_id,
                queue_offset: 0,
                transaction_id: None,
                batch_uniq_id: None,
                recall_handle: None,
                region: Some(&self.identity.region),
                trace_on: Some(self.config.trace_on),
            };
            if let (Some(to), Some(out)) = (call.reply, self.connections.reply(call.conn)) {
                reply::with_body(out, to, ResponseCode::SUCCESS, None, &header, &[]);
            }
            return Ok(Done::Answered);
        }
        // The responder hears of a requester that is gone even if its reply is stored.
        let silent = Call { reply: if pushed.is_ok() { call.reply } else { None }, ..*call };
        let stored = self.send(&silent, request, body);
        pushed.and(stored)
    }

    fn push_reply(&mut self, call: &Call<'_>, client: ConnId, request: &SendMessageV2<'_>, body: &[u8]) {
        let (born_host, store_host) = (call.peer.to_string(), self.identity.address.to_string());
        let push = PushReplyMessageToClient {
            producer_group: request.producer_group,
            topic: request.topic,
            default_topic: request.default_topic,
            default_queues: request.default_queues,
            queue_id: request.queue_id,
            sys_flag: request.sys_flag,
            born_at_ms: request.born_at_ms,
            flag: request.flag,
            properties: request.properties,
            reconsume_times: request.reconsume_times,
            unit_mode: request.unit_mode.unwrap_or(false),
            born_host: &born_host,
            store_host: &store_host,
            stored_at_ms: call.now.unix_ms,
        };
        // Its answer says only that it came; nobody waits for it.
        let code = RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT;
        let head = RequestHead { codec: Codec::Json, code, opaque: -1, oneway: false };
        if let Some(out) = self.connections.reply(client) {
            encode(out.bytes(), head, &push, body);
        }
    }
}
