//! Rows between brokers, and those of controller mode, which we do not speak and know by name.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! cluster {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    // Between brokers.
    /// All offsets; body ConsumerOffsets.
    43 GET_ALL_CONSUMER_OFFSET GetAllConsumerOffset AdminRead "B>B,A>B" {} => NoHeader;
    /// Delay progress; body DelayOffsets.
    45 GET_ALL_DELAY_OFFSET GetAllDelayOffset Cluster "B>B" {} => NoHeader;
    /// Timer progress, binary.
    60 GET_TIMER_CHECK_POINT GetTimerCheckPoint Cluster "B>B" {} => NoHeader;
    /// Timer counts.
    61 GET_TIMER_METRICS GetTimerMetrics Cluster "B>B" {} => NoHeader;
    /// Broker container only.
    902 ADD_BROKER AddBroker<'a> AdminWrite "A>B" {
        config_path: Option<Text<'a>> = "configPath",
    } => NoHeader;
    /// Broker container only.
    903 REMOVE_BROKER RemoveBroker<'a> AdminWrite "A>B" {
        broker_name: Text<'a> = "brokerName",
        broker_cluster_name: Text<'a> = "brokerClusterName",
        broker_id: i64 = "brokerId",
    } => NoHeader;
    /// Replication addresses.
    906 EXCHANGE_BROKER_HA_INFO ExchangeBrokerHaInfo<'a> Cluster "B>B" {
        master_ha_address: Option<Text<'a>> = "masterHaAddress",
        master_flush_offset: Option<i64> = "masterFlushOffset",
        master_address: Option<Text<'a>> = "masterAddress",
    } => ExchangeBrokerHaInfoReply;
    /// Replication.
    908 RESET_MASTER_FLUSH_OFFSET ResetMasterFlushOffset Cluster "B>B" {
        master_flush_offset: i64 = "masterFlushOffset",
    } => NoHeader;
    // Controller mode: not spoken by us, known by name.
    /// Controller.
    1001 CONTROLLER_ALTER_SYNC_STATE_SET ControllerAlterSyncStateSet<'a> Unsupported "B>K" {
        broker_name: Option<Text<'a>> = "brokerName",
        master_broker_id: Option<i64> = "masterBrokerId",
        master_epoch: Option<i32> = "masterEpoch",
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1002 CONTROLLER_ELECT_MASTER ControllerElectMaster<'a> Unsupported "B>K,A>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        broker_id: i64 = "brokerId" or -1,
        designate_elect: bool = "designateElect" or false,
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1003 CONTROLLER_REGISTER_BROKER ControllerRegisterBroker<'a> Unsupported "B>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        broker_id: Option<i64> = "brokerId",
        broker_address: Option<Text<'a>> = "brokerAddress",
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1004 CONTROLLER_GET_REPLICA_INFO ControllerGetReplicaInfo<'a> Unsupported "B>K" {
        broker_name: Option<Text<'a>> = "brokerName",
    } => NoHeader;
    /// Controller.
    1005 CONTROLLER_GET_METADATA_INFO ControllerGetMetadataInfo Unsupported "B>K,A>K" {} => NoHeader;
    /// Controller.
    1006 CONTROLLER_GET_SYNC_STATE_DATA ControllerGetSyncStateData Unsupported "A>K" {} => NoHeader;
    /// Epochs of controller mode.
    1007 GET_BROKER_EPOCH_CACHE GetBrokerEpochCache AdminRead "A>B" {} => NoHeader;
    /// Controller mode.
    1008 NOTIFY_BROKER_ROLE_CHANGED NotifyBrokerRoleChanged<'a> Cluster "K>B" {
        master_address: Option<Text<'a>> = "masterAddress",
        master_epoch: Option<i32> = "masterEpoch",
        sync_state_set_epoch: Option<i32> = "syncStateSetEpoch",
        master_broker_id: Option<i64> = "masterBrokerId",
    } => NoHeader;
    /// Controller.
    1009 UPDATE_CONTROLLER_CONFIG UpdateControllerConfig Unsupported "A>K" {} => NoHeader;
    /// Controller.
    1010 GET_CONTROLLER_CONFIG GetControllerConfig Unsupported "A>K" {} => NoHeader;
    /// Controller.
    1011 CLEAN_BROKER_DATA CleanBrokerData<'a> Unsupported "A>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        broker_controller_ids_to_clean: Option<Text<'a>> = "brokerControllerIdsToClean",
        is_clean_living_broker: bool = "isCleanLivingBroker" or false,
        invoke_time: Option<i64> = "invokeTime",
    } => NoHeader;
    /// Controller.
    1012 CONTROLLER_GET_NEXT_BROKER_ID ControllerGetNextBrokerId<'a> Unsupported "B>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
    } => NoHeader;
    /// Controller.
    1013 CONTROLLER_APPLY_BROKER_ID ControllerApplyBrokerId<'a> Unsupported "B>K" {
        cluster_name: Option<Text<'a>> = "clusterName",
        broker_name: Option<Text<'a>> = "brokerName",
        applied_broker_id: Option<i64> = "appliedBrokerId",
        register_check_code: Option<Text<'a>> = "registerCheckCode",
    } => NoHeader;
    /// Inside controllers.
    1014 BROKER_CLOSE_CHANNEL_REQUEST BrokerCloseChannelRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1015 CHECK_NOT_ACTIVE_BROKER_REQUEST CheckNotActiveBrokerRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1016 GET_BROKER_LIVE_INFO_REQUEST GetBrokerLiveInfoRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1017 GET_SYNC_STATE_DATA_REQUEST GetSyncStateDataRequest Unsupported "K>K" {} => NoHeader;
    /// Inside controllers.
    1018 RAFT_BROKER_HEART_BEAT_EVENT_REQUEST RaftBrokerHeartBeatEventRequest Unsupported "K>K" {} => NoHeader;

    } };
}

pub(super) use cluster;
