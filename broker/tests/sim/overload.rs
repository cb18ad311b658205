//! More than the disk or a reader can take: bounded, told, and over when it is over.

use std::time::Duration;

use net::requests::{GetMaxOffset, PullMessage};
use rt::sim::{OpKind, Verdict};

use crate::support::{Client, Setup, World, attached, create_topic, message, pull};

/// The log's writes and flushes take `time`.
fn slow_log(host: &crate::support::Host, time: Duration) {
    host.disk().on_operation(move |operation| {
        let is_log = operation.path.to_string_lossy().contains("commitlog");
        match operation.kind {
            OpKind::Write | OpKind::DurableWrite | OpKind::Flush if is_log => Verdict::Delay(time),
            _ => Verdict::Proceed,
        }
    });
}

fn stored(client: &mut Client<'_>) -> i64 {
    client.ask(&GetMaxOffset { topic: "T", queue_id: 0, committed: true }, b"").number("offset")
}

#[test]
fn a_full_window_refuses_sends_as_busy_and_takes_them_again_when_the_disk_is_back() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut clients: Vec<_> = (0..40).map(|_| world.connect(&host)).collect();
    clients[0].ask(&message("T", 0), b"first");
    world.run_ms(1_000);
    slow_log(&host, Duration::from_secs(20));
    let opaques: Vec<_> =
        clients.iter_mut().map(|client| client.begin(&message("T", 0), &[b'x'; 60_000])).collect();
    world.run_ms(1_000);
    let mut refused = 0;
    for (client, opaque) in clients.iter_mut().zip(&opaques) {
        if let Some(answer) = client.take(*opaque) {
            assert_eq!(answer.code, 2, "{answer:?}");
            assert!(answer.remark.starts_with("[REJECTREQUEST]system busy"), "{answer:?}");
            refused += 1;
        }
    }
    assert!((20..40).contains(&refused), "{refused} of 40 times 60,000 bytes do not fit 1 MiB");
    host.disk().heal();
    world.run_ms(60_000);
    for (client, opaque) in clients.iter_mut().zip(&opaques) {
        if let Some(answer) = client.take(*opaque) {
            assert!(matches!(answer.code, 0 | 10), "{answer:?}");
        }
    }
    assert_eq!(stored(&mut clients[0]), 1 + 40 - refused, "what was refused is not there, the rest is");
    assert_eq!(clients[1].ask(&message("T", 0), b"again").code, 0);
}

#[test]
fn one_connection_has_a_bounded_number_of_sends_in_flight_and_loses_none() {
    let world = World::new(2);
    let host = world.boot(&Setup::sync());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"first");
    slow_log(&host, Duration::from_secs(2));
    let opaques: Vec<_> = (0..2_000).map(|_| client.begin(&message("T", 0), b"x")).collect();
    world.run_ms(1_000);
    let mut other = world.connect(&host);
    let table: net::body::KvTable = other.ask(&net::requests::GetBrokerRuntimeInfo {}, b"").json();
    let taken: usize = table.table["msgPutTotalTodayNow"].parse().unwrap();
    // And one of each piece that was received before reading stopped.
    assert!((256..=320).contains(&taken), "{taken} taken, 256 may wait");
    host.disk().heal();
    for (expected, opaque) in (1..).zip(opaques) {
        let answer = client.wait(opaque);
        assert_eq!((answer.code, answer.number("queueOffset")), (0, expected), "in the order of the sends");
    }
}

#[test]
fn requests_that_are_answered_by_tasks_are_bounded_too() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    let first = client.ask(&message("T", 0), b"first");
    let id = net::message_id::OffsetMessageId::parse(first.text("msgId")).unwrap();
    for _ in 0..40 {
        client.ask(&message("T", 0), &[b'x'; 60_000]);
    }
    let reads = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = reads.clone();
    host.disk().on_operation(move |operation| {
        if operation.kind != OpKind::Read {
            return Verdict::Proceed;
        }
        seen.set(seen.get() + 1);
        Verdict::Delay(Duration::from_secs(2))
    });
    let view = net::requests::ViewMessageById { topic: None, offset: i64::try_from(id.offset).unwrap() };
    let opaques: Vec<_> = (0..1_000).map(|_| client.begin(&view, b"")).collect();
    let began = world.now_ms();
    // A send behind them on the same connection waits for its turn; one of another connection does not.
    let late = client.begin(&message("T", 0), b"late");
    assert_eq!(world.connect(&host).ask(&message("T", 1), b"x").code, 0);
    assert!(world.now_ms() - began < 1_000);
    world.run_ms(1_000);
    assert!(!client.has(late), "256 requests of a connection may be in flight, not 1,000");
    host.disk().heal();
    for opaque in opaques {
        assert_eq!(client.wait(opaque).texts(), ["first"]);
    }
    assert_eq!(client.wait(late).code, 0);
}

#[test]
fn a_reader_that_does_not_drain_is_cut_off_and_the_others_do_not_feel_it() {
    let world = World::new(4);
    let host = world.boot(&Setup::default());
    let (mut slow, mut other) = (world.connect(&host), world.connect(&host));
    for _ in 0..10 {
        other.ask(&message("T", 0), &[b'x'; 60_000]);
    }
    slow.set_reading(false);
    for _ in 0..200 {
        slow.begin(&pull("g", "T", 0, 0), b"");
    }
    world.run_ms(1_000);
    let began = world.now_ms();
    assert_eq!(other.ask(&message("T", 1), b"x").code, 0);
    assert!(world.now_ms() - began < 100);
    assert!(slow.is_open());
    world.run_ms(45_000);
    slow.set_reading(true);
    world.run_ms(5_000);
    assert!(!slow.is_open(), "4 MiB of output for 30 s are enough");
}

#[test]
fn parked_pulls_do_not_count_as_requests_in_flight() {
    let world = World::new(5);
    let host = world.boot(&Setup::default());
    world.connect_local(&host).must(&create_topic("T", 1), b"");
    let mut client = world.connect(&host);
    let waiting: PullMessage<'_> = attached(pull("g", "T", 0, 0), 15_000);
    let opaques: Vec<_> = (0..400).map(|_| client.begin(&waiting, b"")).collect();
    world.run_ms(100);
    assert_eq!(client.ask(&message("T", 0), b"news").code, 0);
    for opaque in opaques {
        assert_eq!(client.wait(opaque).texts(), ["news"]);
    }
}

#[test]
fn sends_that_meet_a_full_window_for_a_moment_wait_and_are_not_refused() {
    let world = World::new(6);
    let host = world.boot(&Setup::default());
    let mut clients: Vec<_> = (0..4).map(|_| world.connect(&host)).collect();
    clients[0].ask(&message("T", 0), b"first");
    world.run_ms(1_000);
    // Each write takes half of what a send may wait for room; all together they take far longer.
    slow_log(&host, Duration::from_millis(20));
    let opaques: Vec<Vec<_>> = clients
        .iter_mut()
        .map(|client| (0..20).map(|_| client.begin(&message("T", 0), &[b'x'; 20_000])).collect())
        .collect();
    for (client, opaques) in clients.iter_mut().zip(opaques) {
        for opaque in opaques {
            let answer = client.wait(opaque);
            assert_eq!(answer.code, 0, "{answer:?}");
        }
    }
    assert_eq!(stored(&mut clients[0]), 1 + 4 * 20);
}
