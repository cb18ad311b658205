//! PROTOCOL.md lists exactly the rows of the table. `BLESS=1 cargo test -p net --test protocol_md` rewrites it.

use std::fmt::Write;

use net::requests::ROWS;
use net::{Class, RequestCode};

const START: &str = "<!-- codes -->\n";
const END: &str = "<!-- end of codes -->";

#[test]
fn the_code_table_of_the_document_is_that_of_the_rows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/PROTOCOL.md");
    let document = std::fs::read_to_string(path).unwrap();
    let from = document.find(START).expect("start marker") + START.len();
    let to = document.find(END).expect("end marker");
    let expected = table();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, format!("{}{expected}{}", &document[..from], &document[to..])).unwrap();
        return;
    }
    assert!(document[from..to] == expected, "PROTOCOL.md is out of date; run with BLESS=1");
}

fn table() -> String {
    let mut rows = ROWS.to_vec();
    rows.sort_by_key(|row| row.code);
    let mut out = String::from(
        "| code | name | direction | class | ext fields | answer |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (code, name, direction, class) = (row.code.0, row.name, row.direction, row.class.name());
        let (keys, reply) = (row.keys.join(" "), if row.reply == "NoHeader" { "" } else { row.reply });
        let line = writeln!(out, "| {code} | {name} | {direction} | {class} | {keys} | {reply} |");
        line.expect("a String takes every line");
    }
    out
}

#[test]
fn codes_have_the_names_of_rocketmq() {
    let java = include_str!("fixtures/java-5.5.0/request_codes.txt");
    let mut count = 0;
    for line in java.lines().filter(|line| !line.is_empty()) {
        let (number, name) = line.split_once(' ').unwrap();
        assert_eq!(RequestCode(number.parse().unwrap()).name(), Some(name));
        count += 1;
    }
    assert!(count > 140, "only {count} codes in the fixture");
    let java = include_str!("fixtures/java-5.5.0/response_codes.txt");
    for line in java.lines().filter(|line| !line.is_empty()) {
        let (number, name) = line.split_once(' ').unwrap();
        assert!(net::ResponseCode(number.parse().unwrap()).name().is_some(), "{number} {name} is unknown");
    }
}

#[test]
fn codes_that_change_something_are_not_open() {
    assert_eq!(RequestCode::UPDATE_BROKER_CONFIG.class(), Class::AdminWrite);
    assert_eq!(RequestCode(4711).class(), Class::Unsupported);
    for row in ROWS {
        let writes = ["UPDATE", "DELETE", "CLEAN", "RESET_", "PUT_", "WIPE", "ADD_", "REMOVE", "SET_"];
        let changes =
            writes.iter().any(|word| row.name.starts_with(word)) && row.name != "UPDATE_CONSUMER_OFFSET";
        let guarded = matches!(row.class, Class::AdminWrite | Class::Cluster | Class::Unsupported);
        assert!(!changes || guarded, "{} is {:?}", row.name, row.class);
    }
}
