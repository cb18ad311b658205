//! Requests of consumers that pop: 200050, 200052, 200054 and 200055. Checks in RocketMQ's order.

use std::rc::Rc;

use net::requests::{
    Notification, NotificationReply, PeekMessage, PollingInfo, PollingInfoReply, PopMessage, PopReply,
};
use net::{ReplyTo, ResponseCode, reply};
use rt::{ConnId, Env, Now};

use crate::call::{Call, Done, Outcome, Refused};
use crate::pop::{MESSAGES_MAX, Want, Wish, shared};
use crate::shard::{Phase, Shard};
use crate::subscription::{Filter, TagFilter};
use crate::topics::perm;

/// A request that is this much older than it wanted to wait was given up by its client.
const TOO_LATE_MS: i64 = 500;
/// `initMode`: a group without an offset begins with the newest message.
const FROM_MAX: i32 = 1;
/// Longest wait and longest invisible time, whatever was asked for.
const WAIT_MS_MAX: i64 = 600_000;
const INVISIBLE_MS_MAX: i64 = 7 * 86_400_000;

impl<E: Env> Shard<E> {
    pub(crate) fn pop_message(&mut self, call: &Call<'_>, request: &PopMessage<'_>) -> Outcome {
        let now_ms = call.now.unix_ms;
        let born_ms = if request.born_at_ms == 0 { now_ms } else { request.born_at_ms };
        let until_ms = born_ms.saturating_add(request.poll_time_ms);
        if now_ms.saturating_sub(until_ms) > TOO_LATE_MS {
            return self.answer_too_late(call);
        }
        self.check_readable("pop message is forbidden")?;
        let count = usize::try_from(request.max_msg_nums).unwrap_or(0);
        if count > MESSAGES_MAX {
            return Err(Refused::invalid(format!(
                "the broker[{}] pop message's num is greater than 32",
                self.identity.address
            )));
        }
        self.check_popped(call, request.consumer_group, request.topic, request.queue_id)?;
        let filter = self.pop_filter(request.exp_type, request.exp)?;
        let waits = request.poll_time_ms > 0 && self.phase == Phase::Serving;
        let wish = Wish {
            want: Want::Pop,
            count: u32::try_from(count.max(1)).expect("at most 32"),
            invisible_ms: request.invisible_time_ms.clamp(0, INVISIBLE_MS_MAX),
            until_ms: if waits { until_ms.min(now_ms.saturating_add(WAIT_MS_MAX)) } else { 0 },
            from_max: request.init_mode == FROM_MAX,
            filter,
            order: request.order,
            attempt_id: request.attempt_id.filter(|id| !id.is_empty()).map(Into::into),
            ..Wish::of(request.consumer_group, request.topic, request.queue_id)
        };
        let Some(reply) = call.reply else { return Ok(Done::Answered) };
        self.pop(call.conn, reply, Rc::new(wish), call.now);
        Ok(Done::Later)
    }

    /// Clients read the numbers of this answer as of any other that says there is nothing.
    fn answer_too_late(&mut self, call: &Call<'_>) -> Outcome {
        let remark = format!("the broker[{}] pop message is timeout too much", self.identity.address);
        if let (Some(to), Some(out)) = (call.reply, self.connections.reply(call.conn)) {
            let header = PopReply {
                pop_time: 0,
                invisible_time: 0,
                revive_qid: 0,
                rest_num: Some(0),
                start_offset_info: None,
                msg_offset_info: None,
                order_count_info: None,
            };
            reply::with_body(out, to, ResponseCode::POLLING_TIMEOUT, Some(&remark), &header, &[]);
        }
        Ok(Done::Answered)
    }

    pub(crate) fn peek_message(&mut self, call: &Call<'_>, request: &PeekMessage<'_>) -> Outcome {
        self.check_readable("peeking message is forbidden")?;
        self.check_popped(call, request.consumer_group, request.topic, request.queue_id)?;
        let count = usize::try_from(request.max_msg_nums).unwrap_or(0).clamp(1, MESSAGES_MAX);
        let wish = Wish {
            want: Want::Peek,
            count: u32::try_from(count).expect("at most 32"),
            ..Wish::of(request.consumer_group, request.topic, request.queue_id)
        };
        let Some(reply) = call.reply else { return Ok(Done::Answered) };
        self.pop(call.conn, reply, Rc::new(wish), call.now);
        Ok(Done::Later)
    }

    pub(crate) fn notification(&mut self, call: &Call<'_>, request: &Notification<'_>) -> Outcome {
        self.check_readable("peeking message is forbidden")?;
        self.check_popped(call, request.consumer_group, request.topic, request.queue_id)?;
        let now_ms = call.now.unix_ms;
        let born_ms = if request.born_at_ms == 0 { now_ms } else { request.born_at_ms };
        let waits = request.poll_time_ms > 0 && self.phase == Phase::Serving;
        let until_ms = born_ms.saturating_add(request.poll_time_ms).min(now_ms.saturating_add(WAIT_MS_MAX));
        let filter = self.pop_filter(request.exp_type, request.exp)?;
        let wish = Wish {
            want: Want::Notify,
            filter,
            until_ms: if waits { until_ms } else { 0 },
            order: request.order,
            attempt_id: request.attempt_id.filter(|id| !id.is_empty()).map(Into::into),
            ..Wish::of(request.consumer_group, request.topic, request.queue_id)
        };
        let Some(reply) = call.reply else { return Ok(Done::Answered) };
        self.notify_or_wait(call.conn, reply, wish, call.now);
        Ok(Done::Later)
    }

    fn notify_or_wait(&mut self, conn: ConnId, reply: ReplyTo, wish: Wish, now: Now) {
        let has_message = self.has_to_pop(&wish, now);
        if has_message || wish.until_ms <= now.unix_ms {
            return self.answer_notification(conn, reply, has_message, false);
        }
        if self.park_pop(conn, reply, Rc::new(wish), now).is_err() {
            self.answer_notification(conn, reply, false, true);
        }
    }

    pub(crate) fn answer_notification(
        &mut self,
        conn: ConnId,
        reply: ReplyTo,
        has_msg: bool,
        polling_full: bool,
    ) {
        // Written into the outbox; there is nothing that could go wrong.
        let _ = self.answer_header(conn, Some(reply), &NotificationReply { has_msg, polling_full });
    }

    pub(crate) fn polling_info(&mut self, call: &Call<'_>, request: &PollingInfo<'_>) -> Outcome {
        self.check_readable("peeking message is forbidden")?;
        self.check_popped(call, request.consumer_group, request.topic, request.queue_id)?;
        let waiting = self.pops.waits.count(request.consumer_group, request.topic, request.queue_id);
        let polling_num = i32::try_from(waiting).unwrap_or(i32::MAX);
        self.answer_header(call.conn, call.reply, &PollingInfoReply { polling_num })
    }

    fn check_readable(&self, what: &str) -> Result<(), Refused> {
        if self.config.permission & u32::from(perm::READ) == 0 {
            let remark = format!("the broker[{}] {what}", self.identity.address);
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        Ok(())
    }

    /// Topic, queue and group of a request that pops, as RocketMQ checks them.
    fn check_popped(
        &mut self,
        call: &Call<'_>,
        group: &str,
        topic: &str,
        queue_id: i32,
    ) -> Result<(), Refused> {
        let Some(config) = self.topics.config(topic) else { return Err(Refused::no_topic(topic)) };
        if config.perm & perm::READ == 0 {
            let remark = format!("the topic[{topic}] peeking message is forbidden");
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        let queues = config.read_queues;
        if u32::try_from(queue_id).is_ok_and(|queue_id| queue_id >= queues) {
            return Err(Refused::invalid(format!(
                "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{queues}] consumer:[{}]",
                call.peer
            )));
        }
        if !self.group_or_make(group, call.now)?.consume_enable {
            let remark = format!("subscription group no permission, {group}");
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        Ok(())
    }

    fn pop_filter(
        &mut self,
        kind: Option<&str>,
        expression: Option<&str>,
    ) -> Result<Option<Rc<Filter>>, Refused> {
        let Some(expression) = expression.filter(|text| !text.is_empty()) else { return Ok(None) };
        if !matches!(kind, None | Some("" | "TAG")) {
            return self.sql_filter(expression).map(Some);
        }
        match TagFilter::parse(expression) {
            Ok(TagFilter::All) => Ok(None),
            Ok(filter) => Ok(Some(Rc::new(Filter::Tags(filter)))),
            Err(_) => Err(Refused::new(
                ResponseCode::SUBSCRIPTION_PARSE_FAILED,
                "parse the consumer's subscription failed",
            )),
        }
    }
}

impl Wish {
    /// For everything there is, without waiting.
    fn of(group: &str, topic: &str, queue_id: i32) -> Self {
        Self {
            want: Want::Notify,
            group: shared(group),
            topic: shared(topic),
            queue_id: queue_id.max(-1),
            count: 1,
            invisible_ms: 0,
            until_ms: 0,
            from_max: false,
            filter: None,
            order: false,
            attempt_id: None,
        }
    }
}
