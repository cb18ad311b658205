//! Writes the seeds of the corpora that are no captured frames: `cargo run -p fuzz --bin seeds`.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::Path;

use net::batch::{self, Item};

fn main() -> io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora");
    for (target, name, bytes) in seeds() {
        let directory = corpora.join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), bytes)?;
    }
    Ok(())
}

fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let log = fuzz::log_of_a_store();
    let first = store::record::stated_bytes(&log).expect("a log begins with a record") as usize;
    let mut items = Vec::new();
    batch::append(&mut items, &Item { flag: 1, body: b"one", properties: b"KEYS\x01k\x02" });
    batch::append(&mut items, &Item { flag: 0, body: b"", properties: b"" });
    let seed = |target, name, bytes: &[u8]| (target, name, bytes.to_vec());
    vec![
        seed("record", "first-of-a-log", &log[..first]),
        seed("segment", "crashed", &[&[0], &log[..]].concat()),
        seed("segment", "closed", &[&[1], &log[..]].concat()),
        seed("segment", "first-record-only", &[&[0], &log[..first]].concat()),
        seed("segment", "closed-and-empty", &[1]),
        seed("store_file", "overlay-of-file-0", &[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]),
        seed("store_file", "overlay-of-file-1", &[1, 1, 8, 0, 0xFF, 0, 0xFF, 0]),
        seed("store_file", "file-2-cut", &[2, 2, 100, 0]),
        seed("store_file", "file-3-cut", &[3, 3, 0, 1]),
        seed("store_file", "file-4-longer", &[2, 4, 0xFF, 0xFF, 1, 2, 3, 4]),
        seed("batch", "two-items", &items),
        seed("properties", "usual", b"KEYS\x01k1 k2\x02UNIQ_KEY\x01U\x02TAGS\x01a\x02KEYS\x01again"),
        seed("properties", "odd", b"\x01v\x02k\x01\x02novalue\x02\x02k\x01v\x01w\x02"),
        seed(
            "properties",
            "light-queues",
            b"INNER_MULTI_DISPATCH\x01%LMQ%a,plain,%LMQ%b,%LMQ%a\x02INNER_NUM\x0132768\x02INNER_MULTI_QUEUE_OFFSET\x014,,7,9\x02",
        ),
        seed("properties", "message-id", b"0A00000100002A9F0000000000000076"),
        seed("receipts", "whole", b"17 1700000000000 60000 3 1 broker-a 2 19"),
        seed("receipts", "ordered-without-offset", b"0 1700000000000 60000 999 0 broker-a 0"),
        seed("receipts", "bits", b"BQE="),
        seed(
            "receipts",
            "row",
            b"\x00\x00\x01\x8b\xcf\xe5\x68\x00\x00\x00\x00\x03\x00\x02\x00\x00\x00\x01\x00\x00\x00\x05",
        ),
        seed(
            "configuration",
            "java",
            b"brokerName=broker-a\nlistenPort : 10911\n# note\nflushDiskType=SYNC_\\\n FLUSH\n",
        ),
        seed("configuration", "toml", b"name = \"broker-a\"\n[flush]\nmode = \"sync\"\n"),
        seed("configuration", "networks", b"10.0.0.0/8; fd00::/8, 192.168.1.7"),
        seed(
            "json_header",
            "escapes",
            br#"{"code":10,"extFields":{"topic":"\u0054\ud83d\ude00","a":1,"b":true},"flag":0,"opaque":7}"#,
        ),
        seed(
            "json_bodies",
            "object-keys",
            br#"{"offsetTable":{{"brokerName":"a","queueId":0,"topic":"T"}:{"maxOffset":1,"minOffset":0}}}"#,
        ),
        seed("frames", "two-byte-pieces", b"\x01\x00\x00\x00\x00\x0a\x00\x00\x00\x02{}body"),
    ]
}
