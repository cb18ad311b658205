//! Oneway requests are done and never answered, not even with an error.

use net::requests::{NoHeader, ROWS, UpdateConsumerOffset};
use net::{Codec, RequestCode};

use crate::support::{Setup, World, commit, message, offset_query, pull};

#[test]
fn a_oneway_send_is_stored_and_a_oneway_commit_is_kept() {
    let world = World::new(1);
    let host = world.boot(&Setup::sync());
    for (number, codec) in [(0, Codec::Json), (1, Codec::Binary)] {
        let mut client = world.connect_with(&host, codec);
        client.begin_as(RequestCode::SEND_MESSAGE_V2, &message("T", 0), b"x", true);
        world.run_ms(1_000);
        assert_eq!(client.ask(&pull("g", "T", 0, number), b"").texts(), ["x"]);
        let commit: UpdateConsumerOffset<'_> = commit("g", "T", 0, number + 1);
        client.begin_as(RequestCode::UPDATE_CONSUMER_OFFSET, &commit, b"", true);
        assert_eq!(client.ask(&offset_query("g", "T", 0), b"").number("offset"), number + 1);
        assert!(client.rest().is_empty());
    }
}

#[test]
fn no_oneway_request_of_the_table_is_answered() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut client = world.connect(&host);
    for row in ROWS {
        client.begin_as(row.code, &NoHeader {}, b"", true);
        client.begin_as(row.code, &NoHeader {}, b"{", true);
    }
    client.begin_as(RequestCode(9_999), &NoHeader {}, b"", true);
    client.begin_as(RequestCode::SEND_MESSAGE_V2, &message("a b", 0), b"x", true);
    client.begin_as(RequestCode::PULL_MESSAGE, &pull("g", "nowhere", 0, 0), b"", true);
    world.run_ms(30_000);
    let came: Vec<_> = client.rest().into_iter().filter(|one| one.is_response).collect();
    assert!(came.is_empty(), "{came:?}");
    assert_eq!(client.ask(&message("T", 0), b"x").code, 0);
}
