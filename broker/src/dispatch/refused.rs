//! Requests that a broker does not serve, and what it says to them.
//!
//! The groups are patterns, so that the match of `dispatch_rare` names each request once, served or not, and stays without a
//! wildcard.

use net::{Request, ResponseCode};

use crate::call::Refused;

/// Served by RocketMQ, by us not yet.
macro_rules! for_later_versions {
    () => {
        // Lite topics.
        Request::PopLiteMessage(_)
        | Request::LiteSubscriptionCtl(_)
        | Request::GetBrokerLiteInfo(_)
        | Request::GetParentTopicInfo(_)
        | Request::GetLiteTopicInfo(_)
        | Request::GetLiteClientInfo(_)
        | Request::GetLiteGroupInfo(_)
        | Request::TriggerLiteDispatch(_)
        // Settings of a running broker, and of parts of the Java store.
        | Request::UpdateBrokerConfig(_)
        | Request::UpdateAndCreateStaticTopic(_)
        | Request::UpdateColdDataFlowCtrConfig(_)
        | Request::RemoveColdDataFlowCtrConfig(_)
        | Request::GetColdDataFlowCtrInfo(_)
        | Request::SetCommitlogReadMode(_)
        | Request::CheckRocksdbCqWriteProgress(_)
        | Request::ExportRocksdbConfigToJson(_)
        // Replication.
        | Request::GetAllDelayOffset(_)
        | Request::GetTimerCheckPoint(_)
        | Request::GetTimerMetrics(_)
        | Request::AddBroker(_)
        | Request::RemoveBroker(_)
        | Request::ExchangeBrokerHaInfo(_)
        | Request::ResetMasterFlushOffset(_)
        | Request::GetBrokerEpochCache(_)
        | Request::NotifyBrokerRoleChanged(_)
        | Request::NotifyMinBrokerIdChange(_)
        // Access control.
        | Request::AuthCreateUser(_)
        | Request::AuthUpdateUser(_)
        | Request::AuthDeleteUser(_)
        | Request::AuthGetUser(_)
        | Request::AuthListUser(_)
        | Request::AuthCreateAcl(_)
        | Request::AuthUpdateAcl(_)
        | Request::AuthDeleteAcl(_)
        | Request::AuthGetAcl(_)
        | Request::AuthListAcl(_)
    };
}

/// For name servers.
macro_rules! for_name_servers {
    () => {
        Request::GetRouteinfoByTopic(_)
            | Request::GetBrokerClusterInfo(_)
            | Request::GetAllTopicListFromNameserver(_)
            | Request::GetTopicsByCluster(_)
            | Request::GetSystemTopicListFromNs(_)
            | Request::GetUnitTopicList(_)
            | Request::GetHasUnitSubTopicList(_)
            | Request::GetHasUnitSubUnunitTopicList(_)
            | Request::PutKvConfig(_)
            | Request::GetKvConfig(_)
            | Request::DeleteKvConfig(_)
            | Request::GetKvlistByNamespace(_)
            | Request::WipeWritePermOfBroker(_)
            | Request::AddWritePermOfBroker(_)
            | Request::DeleteTopicInNamesrv(_)
            | Request::RegisterTopicInNamesrv(_)
            | Request::UpdateNamesrvConfig(_)
            | Request::GetNamesrvConfig(_)
            | Request::GetBrokerMemberGroup(_)
            | Request::RegisterBroker(_)
            | Request::UnregisterBroker(_)
            | Request::QueryDataVersion(_)
            | Request::BrokerHeartbeat(_)
    };
}

/// Sent by brokers, to controllers, or by nobody.
macro_rules! for_nobody_here {
    () => {
        Request::CheckTransactionState(_)
            | Request::NotifyConsumerIdsChanged(_)
            | Request::ResetConsumerClientOffset(_)
            | Request::GetConsumerStatusFromClient(_)
            | Request::PushReplyMessageToClient(_)
            | Request::NotifyUnsubscribeLite(_)
            | Request::AckLiteMessage(_)
            | Request::ControllerAlterSyncStateSet(_)
            | Request::ControllerElectMaster(_)
            | Request::ControllerRegisterBroker(_)
            | Request::ControllerGetReplicaInfo(_)
            | Request::ControllerGetMetadataInfo(_)
            | Request::ControllerGetSyncStateData(_)
            | Request::UpdateControllerConfig(_)
            | Request::GetControllerConfig(_)
            | Request::CleanBrokerData(_)
            | Request::ControllerGetNextBrokerId(_)
            | Request::ControllerApplyBrokerId(_)
            | Request::BrokerCloseChannelRequest(_)
            | Request::CheckNotActiveBrokerRequest(_)
            | Request::GetBrokerLiveInfoRequest(_)
            | Request::GetSyncStateDataRequest(_)
            | Request::RaftBrokerHeartBeatEventRequest(_)
            | Request::QueryBrokerOffset(_)
            | Request::GetTopicConfigList(_)
            | Request::GetTopicNameList(_)
            | Request::TriggerDeleteFiles(_)
            | Request::GetClientConfig(_)
            | Request::SuspendConsumer(_)
            | Request::ResumeConsumer(_)
            | Request::ResetConsumerOffsetInConsumer(_)
            | Request::ResetConsumerOffsetInBroker(_)
            | Request::AdjustConsumerThreadPool(_)
            | Request::WhoConsumeTheMessage(_)
            | Request::RegisterFilterServer(_)
            | Request::RegisterMessageFilterClass(_)
    };
}

pub(super) use {for_later_versions, for_name_servers, for_nobody_here};

pub(super) fn later_version(request: &Request<'_>) -> Refused {
    not_here(
        request,
        "this version of RingMQ does not serve it yet, see the compatibility table of its README",
    )
}

pub(super) fn not_here(request: &Request<'_>, why: &str) -> Refused {
    let code = request.code();
    let remark = format!(" request type {} not supported: {code}: {why}", code.0);
    Refused::new(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark)
}
