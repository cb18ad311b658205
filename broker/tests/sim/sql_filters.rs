//! Filters over properties: attached to a pull, from a heartbeat, on a pull that waits, refused when they are off.

use net::requests::{HeartBeat, PullMessage, SendMessageV2};

use crate::support::{
    Client, Host, Setup, World, attached, create_topic, heartbeat, message, property, pull, subscription,
};

fn boot(world: &World, enabled: bool) -> Host {
    let host = world.boot(&Setup::with(|config| config.sql_filters = enabled));
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    host
}

fn send(client: &mut Client<'_>, number: u32) {
    let properties = property("a", &number.to_string()) + &property("TAGS", "red");
    client.must(
        &SendMessageV2 { properties: Some(&properties), ..message("T", 0) },
        format!("m{number}").as_bytes(),
    );
}

fn sql(text: &str, offset: i64) -> PullMessage<'_> {
    PullMessage { subscription: Some(text), expression_type: Some("SQL92"), ..pull("g", "T", 0, offset) }
}

#[test]
fn a_pull_gets_what_its_filter_selects_and_goes_on_behind_the_rest() {
    let world = World::new(1);
    let host = boot(&world, true);
    let mut client = world.connect(&host);
    (0..100).for_each(|number| send(&mut client, number));
    let answer = client.ask(&sql("a >= 10 AND a < 13 OR a = 99", 0), b"");
    assert_eq!(answer.texts(), ["m10", "m11", "m12", "m99"]);
    assert_eq!(answer.number("nextBeginOffset"), 100);
    let nothing = client.ask(&sql("a > 1000", 0), b"");
    assert_eq!((nothing.code, nothing.number("nextBeginOffset")), (20, 100), "nothing matched");
    let wrong = client.ask(&sql("a >", 0), b"");
    assert_eq!(wrong.code, 23, "{wrong:?}");
}

#[test]
fn the_filter_of_the_heartbeat_is_used_and_a_waiting_pull_is_woken_by_a_match_only() {
    let world = World::new(2);
    let host = boot(&world, true);
    let (mut producer, mut consumer) = (world.connect(&host), world.connect(&host));
    let mut wanted = subscription("T", "a BETWEEN 5 AND 6", 7);
    wanted.expression_type = Some("SQL92".to_owned());
    consumer.must(&HeartBeat {}, &heartbeat("c", "g", &[wanted]));
    let request = PullMessage {
        sys_flag: 2,
        subscription: None,
        sub_version: 7,
        ..attached(pull("g", "T", 0, 0), 15_000)
    };
    let opaque = consumer.begin(&request, b"");
    for number in 0..5 {
        send(&mut producer, number);
    }
    world.run_ms(1_000);
    assert!(!consumer.has(opaque), "nobody asked for these");
    send(&mut producer, 5);
    assert_eq!(consumer.wait(opaque).texts(), ["m5"]);
}

#[test]
fn records_that_left_the_window_are_filtered_too() {
    let world = World::new(3);
    let host = boot(&world, true);
    let mut client = world.connect(&host);
    for number in 0..60 {
        let properties = property("a", &number.to_string());
        client.must(&SendMessageV2 { properties: Some(&properties), ..message("T", 0) }, &[b'x'; 40_000]);
        world.run_ms(10);
    }
    let (mut found, mut from) = (0, 0);
    while from < 60 {
        let answer = client.ask(&sql("a = 3 OR a = 58", from), b"");
        found += answer.messages().len();
        from = answer.number("nextBeginOffset");
    }
    assert_eq!(found, 2);
}

#[test]
fn without_the_operators_leave_they_are_refused() {
    let world = World::new(4);
    let host = boot(&world, false);
    let mut client = world.connect(&host);
    send(&mut client, 1);
    let answer = client.ask(&sql("a = 1", 0), b"");
    assert_eq!(
        (answer.code, answer.remark.as_str()),
        (1, "The broker does not support consumer to filter message by SQL92")
    );
}
