//! Heartbeats and group membership: requests 34, 35, 38 and 46, and the push 40. behaviour.md 3.

use std::rc::Rc;

use net::body::{CheckClientConfigBody, ConsumerData, ConsumerList, HeartbeatData, SubscriptionData};
use net::client::{RequestHead, encode};
use net::connection::Ending;
use net::json::{self, Style};
use net::names::RETRY_PREFIX;
use net::requests::{GetConsumerListByGroup, HeartBeatReply, NotifyConsumerIdsChanged, UnregisterClient};
use net::{Codec, RequestCode, ResponseCode};
use rt::{Env, Now};

use crate::call::{Call, Done, Outcome, Refused};
use crate::clients::{ConsumeMode, ConsumerBeat, Member, Subscription};
use crate::conflicts::wants;
use crate::shard::Shard;
use crate::subscription::{Filter, TagFilter};

/// Groups that one heartbeat may name, of each kind (reliability.md 7: every table is bounded).
const GROUPS_PER_CLIENT: usize = 1_024;

impl<E: Env> Shard<E> {
    pub(crate) fn heart_beat(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let beat: HeartbeatData = json::from_slice(body).map_err(|error| {
            Refused::system(format!("the heartbeat's body is not HeartbeatData: {error}"))
        })?;
        if beat.consumers.len() > GROUPS_PER_CLIENT || beat.producers.len() > GROUPS_PER_CLIENT {
            return Err(Refused::system(format!("a client may be in {GROUPS_PER_CLIENT} groups of a kind")));
        }
        let member = Member {
            client_id: beat.client_id.as_str().into(),
            peer: call.peer,
            language: call.language(),
            version: call.version(),
            updated_at_ms: call.now.unix_ms,
            updated: call.now.mono,
        };
        let mut changed = false;
        for consumer in beat.consumers {
            changed |= self.consumer_beat(call, &member, consumer, beat.without_subscriptions);
        }
        for producer in &beat.producers {
            self.clients.producer_beat(call.conn, member.clone(), &producer.group_name);
        }
        let reply = HeartBeatReply { supports_v2: Some(true), subscription_changed: Some(changed) };
        self.answer_header(call.conn, call.reply, &reply)
    }

    fn consumer_beat(
        &mut self,
        call: &Call<'_>,
        member: &Member,
        data: ConsumerData,
        without_subscriptions: bool,
    ) -> bool {
        let group = data.group_name.as_str();
        // Java skips an unknown group in silence; the consumer sees 26 at its pull.
        if self.group_or_make(group, call.now).is_err() {
            return false;
        }
        self.ensure_retry_topic(group, call.now);
        let mode = ConsumeMode {
            consume_type: data.consume_type,
            message_model: data.message_model,
            from_where: data.consume_from_where,
        };
        let subscriptions = if without_subscriptions {
            self.known_subscriptions(group)
        } else {
            data.subscriptions.into_iter().map(|one| self.compile(one)).collect()
        };
        let wants = (!without_subscriptions).then(|| wants(&subscriptions));
        let beat = ConsumerBeat { group, mode, subscriptions };
        let changed = self.clients.consumer_beat(call.conn, member.clone(), beat);
        if let Some(conflict) = wants.and_then(|wants| self.clients.note_wants(call.conn, group, wants)) {
            tracing::warn!(
                shard = self.identity.index,
                group,
                "members of a group subscribe differently, some miss messages: {conflict}"
            );
        }
        if changed {
            self.members_changed(group);
        }
        changed
    }

    /// What the group subscribed to so far: a heartbeat of version 2 that says "unchanged".
    fn known_subscriptions(&self, group: &str) -> Vec<(Box<str>, Subscription)> {
        let known = self.clients.consumer_group(group).map(|group| &group.subscriptions);
        known.into_iter().flatten().map(|(topic, one)| (topic.clone(), one.clone())).collect()
    }

    /// Tells the members of a group to share the queues anew (40).
    pub(crate) fn members_changed(&mut self, group: &str) {
        let wanted = self.config.notify_members
            && self.groups.get(group).is_none_or(|config| config.notify_consumer_ids_changed_enable);
        let Some(live) = self.clients.consumer_group(group) else { return };
        if !wanted || live.mode.is_broadcasting() {
            return;
        }
        let push = NotifyConsumerIdsChanged { consumer_group: group };
        // JSON, as C++ clients read nothing else in pushes.
        let code = RequestCode::NOTIFY_CONSUMER_IDS_CHANGED;
        let head = RequestHead { codec: Codec::Json, code, opaque: 0, oneway: true };
        for conn in live.members.keys() {
            if let Some(out) = self.connections.reply(*conn) {
                encode(out.bytes(), head, &push, &[]);
            }
        }
    }

    pub(crate) fn unregister_client(&mut self, call: &Call<'_>, request: &UnregisterClient<'_>) -> Outcome {
        if let Some(group) = request.producer_group.filter(|group| !group.is_empty()) {
            self.clients.leave_producer(call.conn, group);
        }
        if let Some(group) = request.consumer_group.filter(|group| !group.is_empty())
            && self.clients.leave_consumer(call.conn, group)
        {
            self.members_changed(group);
        }
        Ok(Done::Success)
    }

    pub(crate) fn consumer_list(&mut self, call: &Call<'_>, request: &GetConsumerListByGroup<'_>) -> Outcome {
        let group = request.consumer_group;
        let Some(live) = self.clients.consumer_group(group) else {
            return Err(Refused::system(format!("no consumer for this group, {group}")));
        };
        let mut client_ids: Vec<String> =
            live.members.values().map(|member| member.client_id.to_string()).collect();
        client_ids.sort_unstable();
        client_ids.dedup();
        let body = json::to_vec(&ConsumerList { client_ids }, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn check_client_config(&mut self, body: &[u8]) -> Outcome {
        let check: CheckClientConfigBody = json::from_slice(body)
            .map_err(|error| Refused::system(format!("the body is not CheckClientConfig: {error}")))?;
        let subscription = check.subscription;
        if is_tag(&subscription) {
            TagFilter::parse(&subscription.expression).map_err(parse_failed)?;
        } else {
            self.sql_filter(&subscription.expression)?;
        }
        Ok(Done::Success)
    }

    /// The filter of an SQL92 expression, if the operator allows these.
    pub(crate) fn sql_filter(&mut self, expression: &str) -> Result<Rc<Filter>, Refused> {
        if !self.config.sql_filters {
            return Err(Refused::system(NO_SQL));
        }
        self.sql_filters.get(expression).map_err(|error| parse_failed(error.to_string()))
    }

    /// Compiles a subscription once. A retry topic is taken whole, whatever is written: its messages were chosen before.
    fn compile(&mut self, data: SubscriptionData) -> (Box<str>, Subscription) {
        let filter = if data.topic.starts_with(RETRY_PREFIX) {
            Some(Rc::new(Filter::Tags(TagFilter::All)))
        } else if is_tag(&data) {
            // What does not parse matches nothing at the broker; the client refused it long before.
            let tags = TagFilter::parse(&data.expression).unwrap_or(TagFilter::Codes(Default::default()));
            Some(Rc::new(Filter::Tags(tags)))
        } else {
            self.sql_filter(&data.expression).ok()
        };
        (data.topic.as_str().into(), Subscription { filter, data })
    }

    /// Drops clients whose heartbeats stopped, and locks that nobody renews.
    pub(crate) fn drop_silent_clients(&mut self, now: Now) {
        self.drop_expired_locks(now);
        let net = self.env.net().clone();
        for conn in self.clients.expired(now.mono, u64::from(self.config.client_expiry_ms)) {
            tracing::info!(shard = self.identity.index, ?conn, "client without heartbeats dropped");
            let groups = self.clients.disconnected(conn);
            self.connections.close(&net, conn, Ending::Asked);
            for group in groups {
                self.members_changed(&group);
            }
        }
    }
}

fn is_tag(data: &SubscriptionData) -> bool {
    matches!(data.expression_type.as_deref(), None | Some("" | "TAG"))
}

fn parse_failed(reason: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::new(ResponseCode::SUBSCRIPTION_PARSE_FAILED, reason)
}

/// What RocketMQ answers, and clients show.
pub(crate) const NO_SQL: &str = "The broker does not support consumer to filter message by SQL92";
