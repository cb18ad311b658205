//! Bytes of RocketMQ 5.5.0 (see fixtures/java-5.5.0/README.md): decode as recorded, encode back.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use net::body::*;
use net::client::{RequestHead, encode};
use net::fields::{Decode, Fields};
use net::json::{self, Style};
use net::requests::*;
use net::{
    Codec, FrameDecoder, FrameLimits, Header, Language, ReplyTo, Request, ResponseCode, Scratch, reply,
};
use rt::Outbox;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/java-5.5.0").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Decodes the only frame in `bytes`.
fn with_frame<R>(bytes: &[u8], read: impl FnOnce(Codec, &Header<'_>, &[u8]) -> R) -> R {
    let (mut scratch, mut read, mut result) = (Scratch::default(), Some(read), None);
    let mut decoder = FrameDecoder::new(FrameLimits::default());
    decoder
        .feed(bytes, |frame| {
            let header = Header::decode(frame.codec, frame.header, &mut scratch).unwrap();
            assert_eq!((header.version, header.language), (515, Language::Java));
            result = Some(read.take().expect("one frame")(frame.codec, &header, frame.body));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(decoder.pending_bytes(), 0);
    result.expect("a frame")
}

fn ext(header: &Header<'_>) -> BTreeMap<String, String> {
    header.ext.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

const CODECS: [(Codec, &str); 2] = [(Codec::Json, "json"), (Codec::Binary, "binary")];
const PROPERTIES: &str = "KEYS\u{1}k1 k2\u{2}UNIQ_KEY\u{1}7F000001ABCD18B4AAC2000000000001\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagÄ\"\\";

const SEND: SendMessageV2<'_> = SendMessageV2 {
    producer_group: "please_rename",
    topic: "TopicTest",
    default_topic: "TBW102",
    default_queues: 4,
    queue_id: 3,
    sys_flag: 0,
    born_at_ms: 1_700_000_000_123,
    flag: 0,
    properties: Some(PROPERTIES),
    reconsume_times: Some(0),
    unit_mode: Some(false),
    max_reconsume_times: Some(16),
    batch: Some(false),
    broker_name: Some("broker-a"),
};

/// The request in fixture `name` is `expected`, and encodes to what Java wrote (ext fields in any order).
fn request(name: &str, check: impl Fn(&Request<'_>), body: &[u8]) {
    for (codec, suffix) in CODECS {
        let bytes = fixture(&format!("{name}.{suffix}.frame"));
        let (fields, ours) = with_frame(&bytes, |seen, header, frame_body| {
            assert_eq!((seen, frame_body), (codec, body), "{name}");
            let request = Request::decode(header).unwrap();
            check(&request);
            let head = RequestHead {
                codec,
                code: request.code(),
                opaque: header.opaque,
                oneway: header.is_oneway(),
            };
            let mut ours = Vec::new();
            encode(&mut ours, head, &request, frame_body);
            (ext(header), ours)
        });
        // `bname` is for static topics and no field of ours; what we add are defaults that Java leaves out.
        let sent = with_frame(&ours, |_, header, _| ext(header));
        for (key, value) in &fields {
            assert!(key == "bname" || sent.get(key) == Some(value), "{name}: {key}");
        }
    }
}

#[test]
fn requests_of_java_decode_to_their_rows() {
    let send = |request: &Request<'_>| {
        let &Request::SendMessage(long) = request else { panic!("{request:?}") };
        assert_eq!(SendMessageV2::from(long), SEND);
    };
    request("send", send, b"Hello");
    request("send_v2", |request| assert_eq!(*request, Request::SendMessageV2(SEND)), b"Hello");
    let pull = PullMessage {
        consumer_group: "group",
        topic: "TopicTest",
        queue_id: 1,
        queue_offset: 77,
        max_msg_nums: 32,
        sys_flag: 3,
        commit_offset: 70,
        suspend_timeout_ms: 15_000,
        subscription: Some("TagA || TagB"),
        sub_version: 1_700_000_000_456,
        expression_type: Some("TAG"),
        max_msg_bytes: Some(i32::MAX),
        request_source: Some(0),
        forward_client_id: None,
        lite_topic: None,
    };
    request("pull", |request| assert_eq!(*request, Request::PullMessage(pull)), b"");
    request(
        "cluster",
        |request| assert_eq!(*request, Request::GetBrokerClusterInfo(GetBrokerClusterInfo {})),
        b"",
    );
    let notify = NotifyConsumerIdsChanged { consumer_group: "group" };
    request("notify", |request| assert_eq!(*request, Request::NotifyConsumerIdsChanged(notify)), b"");
    let update =
        UpdateConsumerOffset { consumer_group: "group", topic: "TopicTest", queue_id: 2, commit_offset: 99 };
    request("update_offset", |request| assert_eq!(*request, Request::UpdateConsumerOffset(update)), b"");
    let back = ConsumerSendMsgBack {
        offset: 1234,
        group: "group",
        delay_level: 3,
        origin_msg_id: Some("7F00"),
        origin_topic: Some("TopicTest"),
        unit_mode: false,
        max_reconsume_times: Some(16),
    };
    request("send_back", |request| assert_eq!(*request, Request::ConsumerSendMsgBack(back)), b"");
    for name in ["route", "query_offset", "register"] {
        request(name, |_| {}, b"");
    }
}

#[test]
fn sends_are_spelled_byte_for_byte_as_java_spells_them() {
    let mut ours = Vec::new();
    let code = net::RequestCode::SEND_MESSAGE_V2;
    encode(&mut ours, RequestHead { codec: Codec::Json, code, opaque: 2, oneway: false }, &SEND, b"Hello");
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&fixture("send_v2.json.frame")));
}

/// Our answer is Java's, byte for byte in JSON, by fields in binary; and decodes to `fields`.
fn answer<F>(name: &str, opaque: i32, code: i32, remark: Option<&str>, fields: F, body: &[u8])
where
    F: Fields + for<'a> Decode<'a> + PartialEq + std::fmt::Debug,
{
    for (codec, suffix) in CODECS {
        let java = fixture(&format!("{name}.{suffix}.frame"));
        let mut out = Outbox::default();
        reply::with_body(&mut out, ReplyTo { codec, opaque }, ResponseCode(code), remark, &fields, body);
        let ours = out.bytes().clone();
        if codec == Codec::Json {
            assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&java), "{name}");
        }
        let read = |bytes: &[u8]| {
            with_frame(bytes, |_, header, body| {
                assert!(header.is_response());
                let remark = header.remark.map(str::to_owned);
                let fields = F::decode(&header.ext).unwrap();
                (header.code, header.opaque, remark, ext(header), body.to_owned(), fields)
            })
        };
        assert_eq!(read(&ours), read(&java), "{name}");
        assert_eq!(read(&java).5, fields, "{name}");
    }
}

#[test]
fn answers_are_those_of_java() {
    let pull = PullReply {
        suggest_broker_id: 0,
        next_begin_offset: 80,
        max_offset: 100,
        min_offset: 0,
        offset_delta: None,
        topic_sys_flag: None,
        group_sys_flag: None,
        forbidden_type: None,
    };
    answer("pull_reply", 3, 0, Some("FOUND"), pull, b"records");
    answer("offset_reply", 5, 0, None, OffsetReply { offset: 99 }, b"");
    answer("ok_reply", 6, 0, None, NoHeader {}, b"");
    let remark = "No topic route info in name server for the topic: \"T\"\nSee ü\u{1}\u{7f}";
    answer("error_reply", 4, 17, Some(remark), NoHeader {}, b"");
}

#[test]
fn the_answer_to_a_send_is_that_of_java() {
    let fields = SendMessageReply {
        queue_id: 3,
        msg_id: "7F00000100002A9F0000000000001234",
        queue_offset: 42,
        transaction_id: Some("7F000001ABCD18B4AAC2000000000001"),
        batch_uniq_id: None,
        recall_handle: None,
        region: None,
        trace_on: None,
    };
    for (codec, suffix) in CODECS {
        let java = fixture(&format!("send_reply.{suffix}.frame"));
        let mut out = Outbox::default();
        reply::with_body(&mut out, ReplyTo { codec, opaque: 2 }, ResponseCode::SUCCESS, None, &fields, &[]);
        with_frame(&java, |_, header, _| assert_eq!(SendMessageReply::decode(&header.ext), Ok(fields)));
        let ours = with_frame(out.bytes(), |_, header, _| ext(header));
        assert_eq!(ours, with_frame(&java, |_, header, _| ext(header)));
        if codec == Codec::Json {
            assert_eq!(String::from_utf8_lossy(out.bytes()), String::from_utf8_lossy(&java));
        }
    }
}

fn body<T: Serialize + DeserializeOwned>(name: &str, style: Style) -> T {
    let java = fixture(&format!("{name}.body"));
    let value: T = json::from_slice(&java).unwrap_or_else(|error| panic!("{name}: {error}"));
    let ours = json::to_vec(&value, style);
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&java), "{name}");
    value
}

#[test]
fn bodies_of_java_come_back_byte_for_byte() {
    let route: TopicRouteData = body("route", Style::Raw);
    assert_eq!(route, body("route_standard", Style::Standard));
    assert_eq!(route.broker_datas[0].broker_addrs[&1], "10.0.0.2:10911");
    assert_eq!(body::<ClusterInfo>("cluster", Style::Raw).cluster_addr_table.len(), 1);
    let heartbeat: HeartbeatData = body("heartbeat", Style::Raw);
    assert_eq!(heartbeat.consumers[0].subscriptions[0].codes, [2_598_919, 2_598_920]);
    assert_eq!(body::<SubscriptionGroupConfig>("group", Style::Raw), SubscriptionGroupConfig::named("g"));
    assert_eq!(body::<ConsumerOffsets>("offsets", Style::Raw).offsets["T@G"][&1], 20);
    let queue = MessageQueue { broker_name: "broker-a".into(), queue_id: 0, topic: "TopicTest".into() };
    assert_eq!(body::<ResetOffsetBody>("reset", Style::Raw).offsets[&queue], 123);
    assert_eq!(body::<ConsumeStats>("consume_stats", Style::Raw).queues[&queue].pull_offset, 7);
    assert_eq!(body::<LockBatchReply>("lock_reply", Style::Raw).locked, [queue]);
    body::<QueryAssignmentBody>("assignment", Style::Raw);
    body::<BatchAckBody>("batch_ack", Style::Raw);
    body::<CheckClientConfigBody>("check", Style::Raw);
    body::<ConsumerConnection>("consumer_connection", Style::Raw);
    body::<ConsumerList>("consumer_list", Style::Raw);
    body::<DataVersion>("data_version", Style::Raw);
    body::<GroupForbidden>("forbidden", Style::Raw);
    body::<GroupList>("group_list", Style::Raw);
    body::<SubscriptionGroupWrapper>("groups", Style::Raw);
    body::<KvTable>("kv", Style::Raw);
    body::<LockBatch>("lock", Style::Raw);
    body::<BrokerMemberGroupReply>("members", Style::Raw);
    body::<ProducerConnection>("producer_connection", Style::Raw);
    body::<RegisterBrokerBody>("register", Style::Raw);
    body::<BrokerStatsData>("stats_data", Style::Raw);
    body::<ConsumerStatusBody>("status", Style::Raw);
    body::<TopicList>("topic_list", Style::Raw);
    body::<TopicConfigSerializeWrapper>("topics", Style::Raw);
}

#[test]
fn a_map_by_queue_comes_back_whatever_its_order_was() {
    let java: TopicStatsTable = json::from_slice(&fixture("topic_stats.body")).unwrap();
    assert_eq!(java.queues.len(), 2);
    let ours = json::to_vec(&java, Style::Raw);
    assert!(
        ours.starts_with(
            br#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}:{"last"#
        )
    );
    assert_eq!(json::from_slice(&ours), Ok(java));
}

#[test]
fn a_registration_is_the_same_in_both_forms() {
    let plain = RegisterBrokerBody::decode(&fixture("register.body"), 515).unwrap();
    let compressed = RegisterBrokerBody::decode(&fixture("register_compressed.body"), 515).unwrap();
    assert_eq!(plain.topics.topics, compressed.topics.topics);
    assert_eq!(plain.topics.data_version, compressed.topics.data_version);
    let again = RegisterBrokerBody::decode(&compressed.encode_compressed(), 515).unwrap();
    assert_eq!(again, compressed);
    assert_eq!(RegisterBrokerBody::decode(&plain.encode(), 515), Ok(plain));
}

#[test]
fn a_damaged_registration_is_refused() {
    let whole = fixture("register_compressed.body");
    for cut in 1..whole.len() - 8 {
        assert!(RegisterBrokerBody::decode(&whole[..cut], 515).is_err(), "cut at {cut}");
    }
    assert_eq!(RegisterBrokerBody::decode(b"xyz", 515), Err(RegisterError::CutOff));
    assert_eq!(RegisterBrokerBody::decode(b"", 515), Ok(RegisterBrokerBody::default()));
}

#[test]
fn enums_come_as_names_ordinals_and_strangers() {
    let text =
        br#"{"consumerDataSet":[{"consumeFromWhere":0,"consumeType":1,"groupName":"G","messageModel":1,
        "subscriptionDataSet":[{"subString":"*","subVersion":"17","topic":"T"}]},
        {"consumeType":"CONSUME_SIDEWAYS","messageModel":"LITE_SELECTIVE"}]}"#;
    let heartbeat: HeartbeatData = json::from_slice(text).unwrap();
    let [cpp, stranger] = &heartbeat.consumers[..] else { panic!("{heartbeat:?}") };
    assert_eq!(
        (cpp.consume_from_where, cpp.consume_type, cpp.message_model),
        (ConsumeFromWhere::LastOffset, ConsumeType::Passively, MessageModel::Clustering)
    );
    assert_eq!(cpp.subscriptions[0], SubscriptionData::all("T", 17));
    assert_eq!(
        (stranger.consume_type, stranger.message_model),
        (ConsumeType::Other, MessageModel::LiteSelective)
    );
    let written = String::from_utf8(json::to_vec(stranger, Style::Raw)).unwrap();
    assert!(!written.contains("consumeType"), "{written}");
}
