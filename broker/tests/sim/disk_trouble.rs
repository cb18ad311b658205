//! The disk says no: sends are refused with the reason, readers go on, and what can heal heals.

use rt::sim::{FaultRule, OpKind};
use rustix::io::Errno;

use crate::support::{Setup, World, message, pull};

#[test]
fn a_full_disk_refuses_sends_and_takes_them_again_when_there_is_room() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"first");
    world.run_ms(2_000);
    // What is there stays; the segment behind the one made ahead cannot be made.
    host.disk().inject(FaultRule::forever(OpKind::Create, "commitlog", Errno::NOSPC.raw_os_error()));
    let mut stored = 1;
    let refusal = loop {
        let answer = client.ask(&message("T", 0), &[b'x'; 60_000]);
        if answer.code != 0 {
            break answer;
        }
        stored += 1;
        assert!(stored < 60, "two segments of 1 MiB hold no more");
    };
    world.run_ms(2_000);
    let again = client.ask(&message("T", 0), b"x");
    assert!(matches!(refusal.code, 2 | 14), "{refusal:?}");
    assert_eq!(again.code, 14, "{again:?}");
    assert!(again.remark.contains("no room"), "{again:?}");
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").code, 0, "consumers go on");
    host.disk().heal();
    world.run_ms(60_000);
    let healed = client.ask(&message("T", 0), b"x");
    assert_eq!((healed.code, healed.number("queueOffset")), (0, stored), "{healed:?}");
}

#[test]
fn a_failed_flush_is_final_for_writers_and_nothing_for_readers() {
    for setup in [Setup::sync(), Setup::default()] {
        let world = World::new(2);
        let host = world.boot(&setup);
        let mut client = world.connect(&host);
        client.ask(&message("T", 0), b"kept");
        world.run_ms(2_000);
        host.disk().inject(FaultRule::once(OpKind::Flush, "commitlog", Errno::IO.raw_os_error()));
        let doubtful = client.ask(&message("T", 0), b"in doubt");
        assert!(matches!(doubtful.code, 0 | 10 | 14), "{doubtful:?}");
        world.run_ms(2_000);
        for _ in 0..3 {
            let answer = client.ask(&message("T", 0), b"x");
            assert_eq!(answer.code, 14, "the second flush would lie: {answer:?}");
            assert!(
                answer.remark.contains("broker-a") && answer.remark.contains("no more messages"),
                "{answer:?}"
            );
        }
        assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").texts()[0], "kept");
    }
}

#[test]
fn a_failed_write_is_final_too() {
    let world = World::new(3);
    let host = world.boot(&Setup::sync());
    let mut client = world.connect(&host);
    client.ask(&message("T", 0), b"kept");
    world.run_ms(2_000);
    for kind in [OpKind::Write, OpKind::DurableWrite] {
        host.disk().inject(FaultRule::once(kind, "commitlog", Errno::IO.raw_os_error()));
    }
    let doubtful = client.ask(&message("T", 0), b"in doubt");
    assert!(matches!(doubtful.code, 10 | 14), "{doubtful:?}");
    host.disk().heal();
    world.run_ms(10_000);
    assert_eq!(client.ask(&message("T", 0), b"x").code, 14);
    assert_eq!(client.ask(&pull("g", "T", 0, 0), b"").texts(), ["kept"], "no reader saw what is in doubt");
}
