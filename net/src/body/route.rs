//! Routes and clusters: what a name server answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::bodies;

bodies! {
    /// Where a topic lives (105). Write it in standard style: Go strips no raw keys but there, and every client reads it.
    TopicRouteData {
        broker_datas: Vec<BrokerData> = "brokerDatas",
        filter_server_table: BTreeMap<String, Vec<String>> = "filterServerTable",
        order_topic_conf: Option<String> = "orderTopicConf",
        queue_datas: Vec<QueueData> = "queueDatas",
        topic_queue_mapping_by_broker: Option<BTreeMap<String, Value>> = "topicQueueMappingByBroker",
    }

    /// One broker name: its addresses by broker id, 0 the master.
    BrokerData {
        broker_addrs: BTreeMap<i64, String> = "brokerAddrs",
        broker_name: String = "brokerName",
        cluster: String = "cluster",
        enable_acting_master: bool = "enableActingMaster",
        zone_name: Option<String> = "zoneName",
    }

    /// The queues of a topic on one broker name.
    QueueData {
        broker_name: String = "brokerName",
        /// Bits: 4 read, 2 write, 1 inherit.
        perm: i32 = "perm",
        read_queues: i32 = "readQueueNums",
        topic_sys_flag: i32 = "topicSysFlag",
        write_queues: i32 = "writeQueueNums",
    }

    /// All brokers by cluster (106). Raw style.
    ClusterInfo {
        broker_addr_table: BTreeMap<String, BrokerData> = "brokerAddrTable",
        cluster_addr_table: BTreeMap<String, BTreeSet<String>> = "clusterAddrTable",
    }

    /// The addresses of one broker name (901). Raw style.
    BrokerMemberGroup {
        broker_addrs: BTreeMap<i64, String> = "brokerAddrs",
        broker_name: String = "brokerName",
        cluster: String = "cluster",
    }

    /// Answer of 901.
    BrokerMemberGroupReply {
        broker_member_group: Option<BrokerMemberGroup> = "brokerMemberGroup",
    }
}
