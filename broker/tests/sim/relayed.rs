//! Requests passed on to clients, and replies handed to the client that waits for them.

use net::RequestCode;
use net::requests::{ConsumeMessageDirectly, GetConsumerRunningInfo, HeartBeat, SendMessageV2};

use crate::support::{Setup, World, create_topic, heartbeat, message, property, pull, subscription};

#[test]
fn a_client_is_asked_and_its_answer_passed_back() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 1), b"");
    let mut consumer = world.connect(&host);
    let sent = consumer.must(&message("T", 0), b"look at this").text("msgId").to_owned();
    consumer.must(&HeartBeat {}, &heartbeat("me", "g", &[subscription("T", "*", 1)]));
    let info = GetConsumerRunningInfo { consumer_group: "g", client_id: "me", jstack_enable: false };
    let opaque = admin.begin(&info, b"");
    world.run_ms(50);
    let asked = consumer.pushes(RequestCode::GET_CONSUMER_RUNNING_INFO).remove(0);
    assert_eq!(asked.text("clientId"), "me");
    consumer.answer(asked.opaque, 0, b"{\"properties\":{}}");
    assert_eq!(admin.wait(opaque).body, b"{\"properties\":{}}");

    let directly = ConsumeMessageDirectly {
        consumer_group: "g",
        client_id: Some("me"),
        msg_id: Some(&sent),
        topic: Some("T"),
        broker_name: None,
        topic_sys_flag: None,
        group_sys_flag: None,
    };
    let opaque = admin.begin(&directly, b"");
    world.run_ms(50);
    let asked = consumer.pushes(RequestCode::CONSUME_MESSAGE_DIRECTLY).remove(0);
    assert_eq!(asked.messages()[0].body, b"look at this");
    assert_eq!(asked.text("brokerName"), "broker-a");
    assert_eq!(admin.wait(opaque).code, 207, "nobody answered in time");

    let opaque = admin.begin(&info, b"");
    world.run_ms(50);
    consumer.close();
    assert_eq!(admin.wait(opaque).code, 1, "the client is gone");
    assert_eq!(admin.ask(&info, b"").code, 1, "and not online any more");
}

#[test]
fn a_reply_reaches_the_client_that_waits_for_it() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut requester = world.connect(&host);
    requester.must(&HeartBeat {}, &heartbeat("asker", "g", &[]));
    let mut responder = world.connect(&host);
    let properties = property("REPLY_TO_CLIENT", "asker")
        + &property("CORRELATION_ID", "c1")
        + &property("MSG_TYPE", "reply");
    let reply = SendMessageV2 { properties: Some(&properties), ..message("DefaultCluster_REPLY_TOPIC", 0) };
    let code = RequestCode::SEND_REPLY_MESSAGE_V2;
    assert_eq!(responder.ask_as(code, &reply, b"42").code, 0);
    world.run_ms(50);
    let pushed = requester.pushes(RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT).remove(0);
    assert_eq!(pushed.body, b"42");
    assert!(pushed.text("properties").contains("CORRELATION_ID"));
    let stored = responder.ask(&pull("g", "DefaultCluster_REPLY_TOPIC", 0, 0), b"");
    assert_eq!(stored.texts(), ["42"]);
    requester.close();
    world.run_ms(50);
    let lost = responder.ask_as(code, &reply, b"43");
    assert_eq!(lost.code, 1);
    assert!(lost.remark.contains("channel of <asker> not found"), "{lost:?}");
}
