//! Whether a pull may read, and what it wants: permissions, then the filter attached or that of the heartbeats.

use std::rc::Rc;

use net::ResponseCode;
use net::requests::PullMessage;
use rt::Env;

use crate::call::{Call, Outcome, Refused};
use crate::handlers::NO_SQL;
use crate::shard::Shard;
use crate::subscription::{Filter, TagFilter};
use crate::topics::perm;

impl<E: Env> Shard<E> {
    /// The pull of a consumer that chooses its queues itself (361), unless the operator refuses these.
    pub(crate) fn lite_pull(&mut self, call: &Call<'_>, request: &PullMessage<'_>) -> Outcome {
        if self.config.reject_pull_consumers {
            return Err(forbidden(format!("the broker[{}] refuses pull consumers", self.identity.address)));
        }
        self.pull(call, request)
    }

    /// The checks of PROTOCOL.md "Pull" up to the subscription; returns the queue id.
    pub(super) fn check_pull(&mut self, call: &Call<'_>, request: &PullMessage<'_>) -> Result<u32, Refused> {
        if self.config.permission & u32::from(perm::READ) == 0 {
            return Err(forbidden(format!(
                "the broker[{}] pulling message is forbidden",
                self.identity.address
            )));
        }
        let group = self.group_or_make(request.consumer_group, call.now)?;
        if !group.consume_enable {
            return Err(forbidden(format!("subscription group no permission, {}", request.consumer_group)));
        }
        if self.config.light_queues {
            self.make_light(request.topic)?;
        }
        let Some(topic) = self.topics.config(request.topic) else {
            return Err(Refused::no_topic(request.topic));
        };
        if topic.perm & perm::READ == 0 {
            return Err(forbidden(format!("the topic[{}] pulling message is forbidden", request.topic)));
        }
        match u32::try_from(request.queue_id) {
            Ok(queue_id) if queue_id < topic.read_queues => Ok(queue_id),
            _ => Err(Refused::invalid(format!(
                "queueId[{}] is illegal, topic:[{}] topicConfig.readQueueNums:[{}] consumer:[{}]",
                request.queue_id, request.topic, topic.read_queues, call.peer
            ))),
        }
    }

    pub(super) fn filter_of(
        &mut self,
        call: &Call<'_>,
        request: &PullMessage<'_>,
    ) -> Result<Option<Rc<Filter>>, Refused> {
        let is_tag = matches!(request.expression_type, None | Some("" | "TAG"));
        if request.sys_flag & PullMessage::SUBSCRIPTION != 0 {
            let expression = request.subscription.unwrap_or("*");
            if !is_tag {
                return self.sql_filter(expression).map(Some);
            }
            return match TagFilter::parse(expression) {
                Ok(TagFilter::All) => Ok(None),
                Ok(filter) => Ok(Some(Rc::new(Filter::Tags(filter)))),
                Err(reason) => Err(Refused::new(ResponseCode::SUBSCRIPTION_PARSE_FAILED, reason)),
            };
        }
        self.filter_of_group(call, request)
    }

    /// No subscription attached: the group's heartbeats say what it wants.
    fn filter_of_group(
        &self,
        call: &Call<'_>,
        request: &PullMessage<'_>,
    ) -> Result<Option<Rc<Filter>>, Refused> {
        let missing = |what: String| Refused::new(ResponseCode::SUBSCRIPTION_NOT_EXIST, what);
        let group = request.consumer_group;
        let Some(live) = self.clients.consumer_group(group) else {
            return Err(missing(format!(
                "the consumer's group info not exist, group {group}: no heartbeat yet"
            )));
        };
        let broadcast = self.groups.get(group).is_none_or(|config| config.consume_broadcast_enable);
        if live.mode.is_broadcasting() && !broadcast {
            return Err(forbidden(format!("the consumer group[{group}] can not consume by broadcast way")));
        }
        if self.groups.is_forbidden(group, request.topic) {
            return Err(forbidden(format!(
                "the consumer group[{group}] is forbidden for topic[{}]",
                request.topic
            )));
        }
        let Some(subscription) = live.subscriptions.get(request.topic) else {
            return Err(missing(format!(
                "the consumer's subscription not exist: group {group} does not subscribe to {} (client {})",
                request.topic, call.peer
            )));
        };
        if subscription.data.version < request.sub_version {
            let remark =
                format!("the consumer's subscription not latest: group {group}, topic {}", request.topic);
            return Err(Refused::new(ResponseCode::SUBSCRIPTION_NOT_LATEST, remark));
        }
        match &subscription.filter {
            Some(filter) if filter.is_all() => Ok(None),
            Some(filter) => Ok(Some(filter.clone())),
            None if self.config.sql_filters => {
                let remark = "the consumer's filter could not be understood when it was subscribed";
                Err(Refused::new(ResponseCode::FILTER_DATA_NOT_EXIST, remark))
            }
            None => Err(Refused::system(NO_SQL)),
        }
    }
}

fn forbidden(remark: String) -> Refused {
    Refused::new(ResponseCode::NO_PERMISSION, remark)
}
