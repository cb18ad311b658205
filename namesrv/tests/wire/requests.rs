//! Requests one by one: what the course recorded from Java does not show, and what is ours alone.

use std::io::Write;

use net::Codec;
use net::json;
use serde_json::Value;

use crate::peers::{Client, Server, register, registration};

fn body(answer: &crate::peers::Answer) -> Value {
    json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_oneway_request_is_done_and_not_answered() {
    let server = Server::start("oneway", |_| {});
    let mut broker = server.connect();
    let fields = r#"{"brokerName":"a","brokerAddr":"h:1","clusterName":"C","brokerId":"0"}"#;
    let header = format!(r#"{{"code":103,"extFields":{fields},"flag":2,"opaque":7,"version":515}}"#);
    broker.send(Codec::Json, header.as_bytes(), &registration(&[("T", 1, 6), ("U", 1, 6)], 1));
    broker.send(Codec::Json, br#"{"code":7777,"flag":2,"opaque":8}"#, b"");
    let answer = broker.ask(206, &[], b"");
    assert_eq!(
        body(&answer)["topicList"],
        serde_json::json!(["T", "U"]),
        "the first answer is that of the query"
    );
}

#[test]
fn an_answer_nobody_asked_for_is_ignored() {
    let server = Server::start("answer", |_| {});
    let mut client = server.connect();
    client.send(Codec::Json, br#"{"code":0,"flag":1,"opaque":3}"#, b"");
    client.send(Codec::Json, br#"{"code":0,"flag":3,"opaque":3}"#, b"");
    assert_eq!(client.ask(206, &[], b"").code, 0);
}

#[test]
fn the_binary_codec_is_answered_in_itself() {
    let server = Server::start("binary", |_| {});
    let mut broker = server.connect();
    register(&mut broker, "a", "h:1");
    let mut header = Vec::new();
    header.extend_from_slice(&105i16.to_be_bytes());
    header.extend_from_slice(&[0, 1, 61]);
    header.extend_from_slice(&42i32.to_be_bytes());
    header.extend_from_slice(&[0; 8]);
    let mut fields = Vec::new();
    fields.extend_from_slice(&5i16.to_be_bytes());
    fields.extend_from_slice(b"topic");
    fields.extend_from_slice(&1i32.to_be_bytes());
    fields.extend_from_slice(b"T");
    header.extend_from_slice(&i32::try_from(fields.len()).unwrap().to_be_bytes());
    header.extend_from_slice(&fields);
    broker.send(Codec::Binary, &header, b"");
    let answer = broker.receive().unwrap();
    assert_eq!((answer.codec, answer.code, answer.opaque), (Codec::Binary, 0, 42));
    // Version 317 reads raw keys.
    assert!(String::from_utf8(answer.body).unwrap().contains(r#""brokerAddrs":{0:"h:1"}"#));
}

#[test]
fn a_missing_field_is_refused_by_name() {
    let server = Server::start("missing", |_| {});
    let answer = server.connect().ask(105, &[], b"");
    assert_eq!(answer.code, 1);
    assert_eq!(answer.remark.as_deref(), Some("GET_ROUTEINFO_BY_TOPIC: the required field topic is missing"));
}

#[test]
fn bytes_that_are_no_frame_and_headers_that_are_none_end_only_their_connection() {
    let server = Server::start("garbage", |_| {});
    let mut good = server.connect();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x06\x00\x00\x00\x02{]",
        b"\x00\x00\x00\x04\x07\x00\x00\x00",
        b"\x00\x00\x00\x08\x00\x00\x00\xff{}{}",
        b"\xff\xff\xff\xff\x00\x00\x00\x02",
    ] {
        let mut bad = server.connect();
        bad.stream.write_all(bytes).unwrap();
        assert_eq!(bad.receive(), None, "{bytes:?}");
    }
    assert_eq!(good.ask(206, &[], b"").code, 0);
}

#[test]
fn many_requests_sent_at_once_are_answered_in_order() {
    let server = Server::start("pipeline", |_| {});
    let mut client = server.connect();
    let mut writer = client.stream.try_clone().unwrap();
    let sender = std::thread::Builder::new()
        .spawn(move || {
            for opaque in 0..20_000 {
                let header = format!(r#"{{"code":206,"flag":0,"opaque":{opaque},"version":515}}"#);
                let mut bytes = Vec::new();
                let frame = net::Frame { codec: Codec::Json, header: header.as_bytes(), body: b"" };
                net::frame::encode(&mut bytes, &frame);
                writer.write_all(&bytes).unwrap();
            }
        })
        .unwrap();
    for opaque in 0..20_000 {
        assert_eq!(client.receive().unwrap().opaque, opaque);
    }
    sender.join().unwrap();
}

#[test]
fn every_code_of_a_name_server_has_a_handler_and_every_other_is_refused() {
    let server = Server::start("codes", |_| {});
    let mut client = server.connect();
    for row in net::requests::ROWS {
        let answer = client.ask(row.code.0, &[], b"");
        assert_eq!(answer.code != 3, row.direction.contains(">N"), "{}: {answer:?}", row.name);
        if answer.code == 3 {
            assert_eq!(answer.remark, Some(format!(" request type {} not supported", row.code.0)));
        }
    }
}

#[test]
fn a_compressed_registration_is_read_whatever_its_header_says() {
    let server = Server::start("compressed", |_| {});
    let mut broker = server.connect();
    let plain = registration(&[("T", 3, 6), ("U", 2, 6)], 1);
    let packed = net::body::RegisterBrokerBody::decode(&plain, 515).unwrap().encode_compressed();
    for compressed in ["true", "false"] {
        let ext = [
            ("brokerName", compressed),
            ("brokerAddr", compressed),
            ("clusterName", "C"),
            ("brokerId", "0"),
            ("compressed", compressed),
        ];
        assert_eq!(broker.ask(103, &ext, &packed).code, 0);
    }
    let route = body(&broker.ask(105, &[("topic", "T")], b""));
    assert_eq!(route["queueDatas"].as_array().unwrap().len(), 2);
    assert_eq!(route["queueDatas"][0]["readQueueNums"], 3);
    let cut = &packed[..packed.len() / 2];
    let ext = [("brokerName", "c"), ("brokerAddr", "c"), ("clusterName", "C"), ("brokerId", "0")];
    assert_eq!(broker.ask(103, &ext, cut).code, 1);
}

#[test]
fn routes_are_withheld_until_brokers_had_time_if_asked_for() {
    let server = Server::start("wait", |config| config.wait_for_brokers = true);
    let mut client = server.connect();
    assert_eq!(register(&mut client, "a", "h:1").code, 0);
    let answer = client.ask(105, &[("topic", "T")], b"");
    assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("name server not ready")));
    let server =
        Server::start("no-wait", |config| (config.wait_for_brokers, config.wait_seconds) = (true, 0));
    let mut client = server.connect();
    register(&mut client, "a", "h:1");
    assert_eq!(client.ask(105, &[("topic", "T")], b"").code, 0);
}

#[test]
fn lists_can_be_switched_off() {
    let server = Server::start("lists", |config| (config.all_topic_list, config.topic_list) = (false, false));
    let mut client = server.connect();
    for (code, ext) in [(206, &[][..]), (224, &[("cluster", "C")]), (311, &[]), (312, &[]), (313, &[])] {
        let answer = client.ask(code, ext, b"");
        assert_eq!((answer.code, answer.remark.as_deref()), (1, Some("disable")), "{code}");
    }
    assert_eq!(client.ask(304, &[], b"").code, 0);
}

#[test]
fn the_ordered_topics_are_kept_from_brokers_if_switched_off() {
    let server = Server::start("order", |config| config.return_order_topics = false);
    let mut client = server.connect();
    let ext = [("namespace", "ORDER_TOPIC_CONFIG"), ("key", "T"), ("value", "a:4")];
    assert_eq!(client.ask(100, &ext, b"").code, 0);
    assert_eq!(register(&mut client, "a", "h:1").body, b"");
    assert!(body(&client.ask(105, &[("topic", "T")], b"")).get("orderTopicConf").is_none());
}

#[test]
fn the_configuration_is_shown_and_not_changed_unless_the_operator_opened_it() {
    let server = Server::start("config", |_| {});
    let mut client = server.connect();
    let text = String::from_utf8(client.ask(319, &[], b"").body).unwrap();
    assert!(text.lines().any(|line| line == "orderMessageEnable=false"), "{text}");
    let answer = client.ask(318, &[], b"orderMessageEnable=true\n");
    assert_eq!(answer.code, 16);
    assert!(answer.remark.unwrap().contains("admin.remote_config"));

    let server = Server::start("config-open", |config| config.remote_config = true);
    let mut client = server.connect();
    for (text, code) in [
        ("kvConfigPath=/tmp/x", 16),
        ("listenPort=1", 16),
        ("admin.allow=0.0.0.0/0", 16),
        ("admin.remote_config=false", 16),
        ("orderMessageEnable=perhaps", 29),
        ("orderMessageEnabled=true", 29),
        ("enableAllTopicList=false\nlistenPort=1", 16),
    ] {
        assert_eq!(client.ask(318, &[], text.as_bytes()).code, code, "{text}");
    }
    assert_eq!(client.ask(206, &[], b"").code, 0, "all or nothing");
    assert_eq!(client.ask(318, &[], b"enableAllTopicList=false\n# a comment\n").code, 0);
    assert_eq!(client.ask(206, &[], b"").code, 1);
    let text = String::from_utf8(client.ask(319, &[], b"").body).unwrap();
    assert!(text.lines().any(|line| line == "enableAllTopicList=false"), "{text}");
}

#[test]
fn key_values_survive_a_restart_and_a_damaged_file_falls_back_to_the_state_before() {
    let server = Server::start("kv", |_| {});
    let put = |client: &mut Client, value: &str| {
        let ext = [("namespace", "n"), ("key", "k"), ("value", value)];
        assert_eq!(client.ask(100, &ext, b"").code, 0);
    };
    let get = |client: &mut Client| client.ask(101, &[("namespace", "n"), ("key", "k")], b"").ext;
    let value = |text: &str| vec![("value".to_owned(), text.to_owned())];
    let mut client = server.connect();
    put(&mut client, "one");
    put(&mut client, "two");
    let directory = server.stop();

    let server = Server::start_in(&directory, |_| {});
    assert_eq!(get(&mut server.connect()), value("two"));
    let directory = server.stop();
    let file = directory.join("kv").join("kvConfig.json");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 3]).unwrap();

    let server = Server::start_in(&directory, |_| {});
    let mut client = server.connect();
    assert_eq!(get(&mut client), value("one"));
    put(&mut client, "three");
    let directory = server.stop();
    let server = Server::start_in(&directory, |_| {});
    assert_eq!(get(&mut server.connect()), value("three"));
}

#[test]
fn a_second_server_on_the_same_port_says_so() {
    let first = Server::start("first", |_| {});
    let config = namesrv::config::NamesrvConfig {
        listen_address: [127, 0, 0, 1].into(),
        listen_port: first.address().port(),
        ..Default::default()
    };
    let error = namesrv::start(config, None).expect_err("the port is taken");
    assert!(error.to_string().contains(&first.address().to_string()), "{error}");
}
