//! What a connection costs while it lives, and that nothing of it is left for the next one.

use super::*;

#[test]
fn a_quiet_connection_gives_its_decoder_memory_back() {
    let (net, mut connections) = one(ConnectionLimits::default());
    let bytes = frame(&[7; 3000]);
    echo(&net, &mut connections, id(0), &bytes[..2000], START);
    echo(&net, &mut connections, id(0), &bytes[2000..], START);
    assert!(connections.slots[0].as_ref().unwrap().decoder.as_ref().unwrap().memory_bytes() > 0);
    connections.sweep(&net, START.plus_ms(1_500));
    assert_eq!(connections.slots[0].as_ref().unwrap().decoder.as_ref().unwrap().memory_bytes(), 0);
}

#[test]
fn a_connection_and_its_state_take_less_than_a_kibibyte() {
    assert!(
        size_of::<Option<Connection<[u8; 64]>>>() <= 512,
        "{}",
        size_of::<Option<Connection<[u8; 64]>>>()
    );
}

#[test]
fn a_late_id_never_meets_the_next_connection_of_its_slot() {
    let (net, mut connections) = one(ConnectionLimits::default());
    assert_eq!(connections.closed(id(0)), Some(5));
    assert_eq!(connections.closed(id(0)), None);
    let next = ConnId { index: 0, generation: 1 };
    connections.accepted(&net, next, peer(2), START, 6).expect("admitted");
    assert!(connections.reply(id(0)).is_none());
    assert!(connections.lend_decoder(id(0)).is_none());
    connections.sent(id(0), Outbox::default(), START);
    connections.close(&net, id(0), Ending::Asked);
    assert!(net.take().is_empty());
    assert_eq!(connections.state(next), Some(&mut 6));
    assert_eq!(connections.len(), 1);
}
