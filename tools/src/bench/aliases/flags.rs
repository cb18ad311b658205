//! The flags of RocketMQ's benchmark programs, with the words of their help. What several have in common stands once.

use crate::links::commons_cli::Opt;

pub(super) const PRODUCER: &[Opt] = &[
    THREAD_COUNT,
    MESSAGE_SIZE,
    TOPIC,
    KEY_ENABLE,
    PROPERTY_SIZE,
    TAG_COUNT,
    MSG_TRACE_ENABLE,
    ACL_ENABLE,
    ACCESS_KEY,
    SECRET_KEY,
    value("q", "messageQuantity", "Send message quantity, Default: 0, running forever"),
    value("d", "delayEnable", "Delay message Enable, Default: false"),
    value("e", "delayLevel", "Delay message level, Default: 1"),
    value("y", "asyncEnable", "Enable async produce, Default: false"),
    COMPRESS_ENABLE,
    COMPRESS_TYPE,
    COMPRESS_LEVEL,
    COMPRESS_OVER_HOW_MUCH,
    REPORT_INTERVAL,
    NAMESRV_ADDR,
    HELP,
];

pub(super) const BATCH: &[Opt] = &[
    value("b", "batchSize", "Batch size, Default: 16"),
    THREAD_COUNT,
    MESSAGE_SIZE,
    TOPIC,
    KEY_ENABLE,
    PROPERTY_SIZE,
    TAG_COUNT,
    MSG_TRACE_ENABLE,
    ACL_ENABLE,
    ACCESS_KEY,
    SECRET_KEY,
    COMPRESS_ENABLE,
    COMPRESS_TYPE,
    COMPRESS_LEVEL,
    COMPRESS_OVER_HOW_MUCH,
    REPORT_INTERVAL,
    value("n", "namesrv", "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'"),
    HELP,
];

pub(super) const CONSUMER: &[Opt] = &[
    TOPIC,
    value("w", "threadCount", "Thread count, Default: 20"),
    value("g", "group", "Consumer group name, Default: benchmark_consumer"),
    value("p", "group prefix enable", "Is group prefix enable, Default: false"),
    value("f", "filterType", "TAG, SQL92"),
    value("e", "expression", "filter expression content file path.ie: ./test/expr"),
    value("r", "failRate", "consumer fail rate, default 0"),
    MSG_TRACE_ENABLE,
    ACL_ENABLE,
    ACCESS_KEY,
    SECRET_KEY,
    REPORT_INTERVAL,
    NAMESRV_ADDR,
    HELP,
];

pub(super) const TX: &[Opt] = &[
    value("w", "threadCount", "Thread count, Default: 32"),
    value("s", "messageSize", "Message Size, Default: 2048"),
    TOPIC,
    value("sr", "send rollback rate", "Send rollback rate, Default: 0.0"),
    value("su", "send unknown rate", "Send unknown rate, Default: 0.0"),
    value("cr", "check rollback rate", "Check rollback rate, Default: 0.0"),
    value("cu", "check unknown rate", "Check unknown rate, Default: 0.0"),
    value("b", "test batch id", "test batch id, Default: System.currentMillis()"),
    value("i", "send interval", "sleep interval in millis between messages, Default: 0"),
    MSG_TRACE_ENABLE,
    ACL_ENABLE,
    ACCESS_KEY,
    SECRET_KEY,
    REPORT_INTERVAL,
    NAMESRV_ADDR,
    HELP,
];

pub(super) const TIMER_PRODUCER: &[Opt] = &[
    TIMER_NAMESRV_ADDR,
    TIMER_TOPIC,
    value("tc", "threadCount", "Thread count, default: 16"),
    value("ms", "messageSize", "Message Size, default: 1024"),
    value("p", "precisionMs", "Precision (ms) for TimerMessage, default: 1000"),
    value("st", "slotsTotal", "Send messages to how many slots, default: 100"),
    value("mt", "msgsTotalPerSlotThread", "Messages total for each slot and each thread, default: 5000"),
    value("sd", "slotDis", "Time distance between two slots, default: 1000"),
    HELP,
];

pub(super) const TIMER_CONSUMER: &[Opt] = &[TIMER_NAMESRV_ADDR, TIMER_TOPIC, HELP];

const THREAD_COUNT: Opt = value("w", "threadCount", "Thread count, Default: 64");
const MESSAGE_SIZE: Opt = value("s", "messageSize", "Message Size, Default: 128");
const TOPIC: Opt = value("t", "topic", "Topic name, Default: BenchmarkTest");
const KEY_ENABLE: Opt = value("k", "keyEnable", "Message Key Enable, Default: false");
const PROPERTY_SIZE: Opt = value("p", "propertySize", "Bytes of properties, Default: 0");
const TAG_COUNT: Opt = value("l", "tagCount", "Tag count, Default: 0");
const MSG_TRACE_ENABLE: Opt = value("m", "msgTraceEnable", "Message Trace Enable, Default: false");
const ACL_ENABLE: Opt = value("a", "aclEnable", "Acl Enable, Default: false");
const ACCESS_KEY: Opt = value("ak", "accessKey", "Acl access key, Default: rocketmq2");
const SECRET_KEY: Opt = value("sk", "secretKey", "Acl secret key, Default: 12345678");
const COMPRESS_ENABLE: Opt = value("c", "compressEnable", "Enable compress msg over 4K, Default: false");
const COMPRESS_TYPE: Opt = value("ct", "compressType", "Message compressed type, Default: ZLIB");
const COMPRESS_LEVEL: Opt = value("cl", "compressLevel", "Message compressed level, Default: 5");
const COMPRESS_OVER_HOW_MUCH: Opt =
    value("ch", "compressOverHowMuch", "Compress message when body over how much(unit Byte), Default: 4096");
const REPORT_INTERVAL: Opt =
    value("ri", "reportInterval", "The number of ms between reports, Default: 10000");
const NAMESRV_ADDR: Opt =
    value("n", "namesrvAddr", "Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'");
const HELP: Opt = flag("h", "help", "Print help");
const TIMER_NAMESRV_ADDR: Opt = value("n", "namesrvAddr", "Nameserver address, default: localhost:9876");
const TIMER_TOPIC: Opt = value("t", "topic", "Send messages to which topic, default: BenchmarkTest");

const fn value(short: &'static str, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: true, help }
}

const fn flag(short: &'static str, long: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value: false, help }
}
