//! The configuration of a name server: one table of keys.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;

use settings::{ANY, Entry, JavaKeys, Problem, Resolved, within};

settings::settings! {
    /// Everything a name server can be told.
    pub struct NamesrvConfig {
        /// Address to listen on.
        listen_address: IpAddr = "0.0.0.0", "listen.address", "bindAddress", "", Restart, ANY;
        /// Port to listen on.
        listen_port: u16 = "9876", "listen.port", "listenPort", "", Restart, within(0, 65535);
        /// Connections that the kernel holds before they are accepted.
        listen_backlog: u32 = "1024", "listen.backlog", "serverSocketBacklog", "", Restart, within(1, 1_048_576);
        /// Socket send buffer; 0 leaves it to the kernel's own tuning, which wins.
        send_buffer_bytes: u32 = "0", "listen.send_buffer_bytes", "serverSocketSndBufSize", "bytes", Restart, within(0, 1_073_741_824);
        /// Socket receive buffer; 0 leaves it to the kernel.
        receive_buffer_bytes: u32 = "0", "listen.receive_buffer_bytes", "serverSocketRcvBufSize", "bytes", Restart, within(0, 1_073_741_824);
        /// A connection that is silent this long is closed.
        idle_seconds: u32 = "120", "listen.idle_seconds", "serverChannelMaxIdleTimeSeconds", "s", Restart, within(1, 86_400);
        /// File that keeps what PUT_KV_CONFIG stores, among it the order of ordered topics.
        kv_file: PathBuf = "/var/lib/ringmq/namesrv/kvConfig.json", "store.kv_file", "kvConfigPath", "", Restart, ANY;
        /// How often brokers are looked at: one that was silent for its timeout (120 s) is dropped.
        scan_interval_ms: u32 = "5000", "brokers.scan_interval_ms", "scanNotActiveBrokerInterval", "ms", Restart, within(10, 600_000);
        /// Put the order configuration of a topic into its route.
        order_messages: bool = "false", "routes.order_messages", "orderMessageEnable", "", Hot, ANY;
        /// Answer a registering broker with the table of ordered topics.
        return_order_topics: bool = "true", "routes.return_order_topics", "returnOrderTopicConfigToBroker", "", Hot, ANY;
        /// Answer the list of all topics (request 206).
        all_topic_list: bool = "true", "routes.all_topic_list", "enableAllTopicList", "", Hot, ANY;
        /// Answer the other topic lists.
        topic_list: bool = "true", "routes.topic_list", "enableTopicList", "", Hot, ANY;
        /// Refuse route queries for a while after the start, until the brokers have registered.
        wait_for_brokers: bool = "false", "routes.wait_for_brokers", "needWaitForService", "", Restart, ANY;
        /// How long.
        wait_seconds: u32 = "45", "routes.wait_seconds", "waitSecondsForService", "s", Restart, within(0, 3_600);
        /// A topic that a broker no longer registers is deleted from its routes.
        delete_unregistered: bool = "false", "routes.delete_unregistered", "deleteTopicWithBrokerRegistration", "", Hot, ANY;
        /// Tell the members of an acting-master group (of Java brokers) when its smallest living id changes.
        notify_min_id: bool = "false", "brokers.notify_min_id", "notifyMinBrokerIdChanged", "", Hot, ANY;
        /// Take configuration changes over the network (UPDATE_NAMESRV_CONFIG), for hot keys.
        remote_config: bool = "false", "admin.remote_config", "", "", Restart, ANY;
        /// Networks (CIDR, separated by ;) whose admin writes are taken. This host's always are.
        admin_allow: String = "", "admin.allow", "", "", Hot, ANY;
        /// What is logged: a level, or `target=level` pairs separated by commas.
        log_filter: String = "info", "log.filter", "", "", Hot, ANY;
    }
}

/// Understands `entries`, lowest precedence first.
///
/// # Errors
/// Every [`Problem`] there is.
pub fn load(entries: &[Entry]) -> Result<Resolved<NamesrvConfig>, Vec<Problem>> {
    settings::resolve::<NamesrvConfig>(java_keys(), entries)
}

/// Every key that a RocketMQ name server knows.
pub fn java_keys() -> &'static JavaKeys {
    static KEYS: OnceLock<JavaKeys> = OnceLock::new();
    KEYS.get_or_init(|| JavaKeys::parse(include_str!("java_keys.tsv"), REASONS))
}

const REASONS: &[(&str, &str)] = &[
    ("threads", "no effect: the name server is one thread without locks"),
    ("paths", "no effect: nothing needs ROCKETMQ_HOME, and the file is never rewritten"),
    ("other", "no effect: another mechanism does this here"),
    ("client", "no effect: the name server calls nobody"),
    ("tls", "no effect yet: TLS is not built, connections are plain"),
    ("no-controller", "controller mode is not built: going on would run a cluster without failover"),
    ("no-acting", "acting masters are not built: going on would give other routes than asked for"),
    ("no-zone", "the cluster test environment of RocketMQ is not supported"),
    ("no-tls", "TLS is not built: going on would take plain connections where you asked for none"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use settings::{JavaClass, Settings};

    use super::*;

    #[test]
    fn every_honoured_name_is_a_key_and_every_java_name_of_a_key_is_known() {
        for key in java_keys().iter() {
            let ours = NamesrvConfig::KEYS.iter().any(|own| own.java == key.name);
            assert_eq!(key.class == JavaClass::Honoured, ours, "{}", key.name);
        }
        for key in NamesrvConfig::KEYS.iter().filter(|key| !key.java.is_empty()) {
            assert!(java_keys().find(key.java).is_some(), "{}", key.java);
        }
    }

    #[test]
    fn a_properties_file_of_rocketmq_is_read() {
        let text =
            "listenPort=9877\nkvConfigPath=/tmp/kv.json\ndefaultThreadPoolNums=32\nclusterTest=false\n";
        let resolved = load(&settings::from_text(Path::new("namesrv.conf"), text).unwrap()).unwrap();
        assert_eq!(resolved.config.listen_port, 9877);
        assert_eq!(resolved.notes.len(), 1);
        let refused =
            settings::from_text(Path::new("namesrv.conf"), "enableControllerInNamesrv=true").unwrap();
        assert!(load(&refused).is_err());
    }
}
