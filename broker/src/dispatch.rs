//! Which handler serves which request. Every known code has its place here, served or not: the match of
//! `dispatch_rare` has no wildcard, so a new row of the table does not compile until somebody decides.

use net::admin_sources;
use net::codes::Class;
use net::{Request, ResponseCode};
use rt::Env;

use crate::call::{Call, Done, Outcome, Refused};
use crate::shard::Shard;

use self::refused::{for_later_versions, for_name_servers, for_nobody_here, later_version, not_here};

mod refused;

impl<E: Env> Shard<E> {
    /// Who may ask: admin writes come from this host or from the networks the operator named (reliability.md 7, S2).
    pub(crate) fn admit(&self, call: &Call<'_>, request: &Request<'_>) -> Result<(), Refused> {
        if request.code().class() != Class::AdminWrite || self.admin.allow(call.peer, call.local) {
            return Ok(());
        }
        Err(Refused::new(
            ResponseCode::NO_PERMISSION,
            format!("{} from {}: {}", request.code(), call.peer.ip(), admin_sources::REFUSAL),
        ))
    }

    pub(crate) fn dispatch(&mut self, call: &Call<'_>, request: &Request<'_>, body: &[u8]) -> Outcome {
        match request {
            // Anybody's, and most of all there is: the class of the others is looked up first.
            Request::SendMessageV2(request) | Request::SendBatchMessage(request) => {
                self.send(call, request, body)
            }
            Request::SendMessage(request) => self.send(call, &(*request).into(), body),
            Request::PullMessage(request) => self.pull(call, request),
            Request::LitePullMessage(request) => self.lite_pull(call, request),
            _ => self.admit(call, request).and_then(|()| self.dispatch_rare(call, request, body)),
        }
    }

    fn dispatch_rare(&mut self, call: &Call<'_>, request: &Request<'_>, body: &[u8]) -> Outcome {
        match request {
            Request::SendMessageV2(_)
            | Request::SendBatchMessage(_)
            | Request::SendMessage(_)
            | Request::PullMessage(_)
            | Request::LitePullMessage(_) => unreachable!("dispatched above"),

            // Clients and their groups.
            Request::HeartBeat(_) => self.heart_beat(call, body),
            Request::UnregisterClient(request) => self.unregister_client(call, request),
            Request::GetConsumerListByGroup(request) => self.consumer_list(call, request),
            Request::CheckClientConfig(_) => self.check_client_config(body),

            // Offsets of queues and groups.
            Request::QueryConsumerOffset(request) => self.query_consumer_offset(call, request),
            Request::UpdateConsumerOffset(request) => self.update_consumer_offset(request),
            Request::SearchOffsetByTimestamp(request) => self.search_offset(call, request),
            Request::GetMaxOffset(request) => self.max_offset(call, request),
            Request::GetMinOffset(request) => self.min_offset(call, request),
            Request::GetEarliestMsgStoretime(request) => self.earliest_store_time(call, request),
            Request::GetAllConsumerOffset(_) => self.all_consumer_offsets(call),

            // Messages that come back, go on to clients, or wait.
            Request::ConsumerSendMsgBack(request) => self.send_back(call, request),
            Request::SendReplyMessage(request) => self.send_reply(call, &(*request).into(), body),
            Request::SendReplyMessageV2(request) => self.send_reply(call, request, body),
            Request::GetConsumerRunningInfo(request) => self.consumer_running_info(call, request),
            Request::ConsumeMessageDirectly(request) => self.consume_directly(call, request),
            Request::InvokeBrokerToResetOffset(request) => self.reset_offset(call, request),
            Request::CloneGroupOffset(request) => self.clone_offsets(call, request),
            Request::QueryCorrectionOffset(request) => self.correction_offsets(call, request),
            Request::RecallMessage(request) => self.recall_message(call, request),
            Request::EndTransaction(request) => self.end_transaction(call, request),
            Request::ResumeCheckHalfMessage(request) => self.resume_check(call, request),
            Request::LockBatchMq(_) => self.lock_queues(call, body),
            Request::UnlockBatchMq(_) => self.unlock_queues(call, body),

            // Single messages.
            Request::QueryMessage(request) => self.query_message(call, request),
            Request::ViewMessageById(request) => self.view_message(call, request),

            // Topics.
            Request::UpdateAndCreateTopic(request) => self.update_topic(call, request),
            Request::UpdateAndCreateTopicList(_) => self.update_topics(call, body),
            Request::DeleteTopicInBroker(request) => self.delete_topic(call, request),
            Request::DeleteTopicInBrokerList(_) => self.delete_topics(call, body),
            Request::GetAllTopicConfig(request) => self.all_topics(call, request),
            Request::GetTopicConfig(request) => self.topic_config(call, request),
            Request::GetTopicStatsInfo(request) => self.topic_stats(call, request),
            Request::GetSystemTopicListFromBroker(_) => self.system_topics(call),

            // Groups.
            Request::UpdateAndCreateSubscriptiongroup(_) => self.update_group(call, body),
            Request::UpdateAndCreateSubscriptiongroupList(_) => self.update_groups(call, body),
            Request::DeleteSubscriptiongroup(request) => self.delete_group(call, request),
            Request::DeleteSubscriptionGroupList(_) => self.delete_groups(call, body),
            Request::GetAllSubscriptiongroupConfig(request) => self.all_groups(call, request),
            Request::GetSubscriptiongroupConfig(request) => self.group_config(call, request),
            Request::UpdateAndGetGroupForbidden(request) => self.group_forbidden(call, request),

            // Who is connected, and how far everybody is.
            Request::GetConsumerConnectionList(request) => self.consumer_connections(call, request),
            Request::GetProducerConnectionList(request) => self.producer_connections(call, request),
            Request::GetAllProducerInfo(_) => self.all_producers(call),
            Request::GetConsumeStats(request) => self.consume_stats(call, request),
            Request::QueryTopicConsumeByWho(request) => self.groups_of_topic(call, request),
            Request::QueryTopicsByConsumer(request) => self.topics_of_group(call, request),
            Request::QuerySubscriptionByConsumer(request) => self.subscription_of_group(call, request),
            Request::InvokeBrokerToGetConsumerStatus(request) => self.consumer_status(call, request),
            Request::QueryConsumeTimeSpan(request) => self.consume_time_span(call, request),
            Request::GetBrokerConsumeStats(request) => self.all_consume_stats(call, request),
            Request::QueryConsumeQueue(request) => self.queue_entries(call, request),
            Request::ViewBrokerStatsData(request) => self.view_statistic(call, request),

            // Upkeep.
            Request::CleanExpiredConsumequeue(_) => self.clean_queues(),
            Request::CleanUnusedTopic(_) => self.clean_unused_topics(call.now),
            Request::DeleteExpiredCommitlog(_) => self.delete_expired(),
            Request::SwitchTimerEngine(request) => self.switch_timer_engine(request),

            // The broker itself.
            Request::GetBrokerRuntimeInfo(_) => self.runtime_info(call),
            Request::GetBrokerHaStatus(_) => self.ha_status(call),
            Request::GetBrokerConfig(_) => self.broker_config(call),

            // Pop.
            Request::PopMessage(request) => self.pop_message(call, request),
            Request::AckMessage(request) => self.ack_message(call, request),
            Request::BatchAckMessage(_) => self.batch_ack(call, body),
            Request::ChangeMessageInvisibletime(request) => self.change_invisible_time(call, request),
            Request::Notification(request) => self.notification(call, request),
            Request::PollingInfo(request) => self.polling_info(call, request),
            Request::PeekMessage(request) => self.peek_message(call, request),
            Request::QueryAssignment(_) => self.query_assignment(call, body),
            Request::SetMessageRequestMode(_) => self.set_request_mode(call, body),
            Request::GetAllMessageRequestMode(_) => self.all_request_modes(call),

            // What is popped is in the store's tables already: there is no other place to move it to.
            Request::PopRollback(_) => Ok(Done::Success),

            for_later_versions!() => Err(later_version(request)),
            for_name_servers!() => Err(not_here(request, "this is a broker: ask a name server")),
            for_nobody_here!() => Err(not_here(request, "brokers do not serve it")),
        }
    }
}
