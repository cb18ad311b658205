//! Codes nobody knows, codes that go elsewhere, codes of later versions: each is answered, none is ignored.

use net::codes::Class;
use net::requests::{NoHeader, ROWS};
use net::{Codec, RequestCode};

use crate::support::{Setup, World, message};

#[test]
fn a_code_nobody_knows_is_answered_as_not_supported() {
    let world = World::new(1);
    let host = world.boot(&Setup::default());
    for codec in [Codec::Json, Codec::Binary] {
        let mut client = world.connect_with(&host, codec);
        for code in [0, 9, 99, 9_999] {
            let answer = client.ask_as(RequestCode(code), &NoHeader {}, b"");
            assert_eq!(answer.code, 3, "{answer:?}");
            assert!(answer.remark.contains(&format!("request type {code} not supported")), "{answer:?}");
        }
        assert_eq!(client.ask(&message("T", 0), b"x").code, 0);
    }
}

#[test]
fn every_code_of_the_table_is_answered() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut local = world.connect_local(&host);
    for row in ROWS {
        let answer = local.ask_as(row.code, &NoHeader {}, b"");
        assert!(answer.is_response, "{}", row.name);
        if row.class == Class::Unsupported {
            assert!(matches!(answer.code, 1 | 3), "{}: {answer:?}", row.name);
        }
        assert!(answer.code == 0 || !answer.remark.is_empty(), "a refusal says why: {} {answer:?}", row.name);
    }
    assert_eq!(local.ask(&message("T", 0), b"x").code, 0);
}

#[test]
fn every_code_of_the_table_survives_a_body_that_is_garbage() {
    let world = World::new(3);
    let host = world.boot(&Setup::default());
    let mut local = world.connect_local(&host);
    for row in ROWS {
        for body in [&b"{"[..], b"[1,2", b"\"", b"\xff\x00\xff", b"null", b"{\"a\":{\"b\":[]}}"] {
            assert!(local.ask_as(row.code, &NoHeader {}, body).is_response, "{}", row.name);
        }
    }
    assert_eq!(local.ask(&message("T", 0), b"x").code, 0);
}
