//! Valid requests with a few bytes changed.

use std::{io::Write, net::Shutdown};

use super::super::{GROUP, TOPIC, Target};
use crate::{
    random::Random,
    trouble::Trouble,
    wire::{NewMessage, batch_item, request},
};

const MUTANTS: usize = 10_000;

/// Valid requests with a few bytes changed, cut or doubled. Answers are read and thrown away.
pub(in crate::hostile) fn mutated_frames(target: &Target, random: &mut Random) -> Result<(), Trouble> {
    let seeds = valid_requests();
    let mut sent = 0;
    while sent < MUTANTS {
        let stream = target.connect()?;
        let mut writer = stream.try_clone().map_err(Trouble::io("clone a socket"))?;
        std::thread::scope(|scope| {
            scope.spawn(|| std::io::copy(&mut &stream, &mut std::io::sink()));
            // Few per connection: one that must be closed hides those behind it.
            for _ in 0..5 {
                let seed = &seeds[random.below(seeds.len() as u64) as usize];
                sent += 1;
                if writer.write_all(&mutate(seed, random)).is_err() {
                    break; // closed: the next connection goes on
                }
            }
            let _ = writer.shutdown(Shutdown::Both); // ends the reader; the server may have been first
        });
    }
    Ok(())
}

fn valid_requests() -> Vec<Vec<u8>> {
    let message = NewMessage { topic: TOPIC, queue_id: 1, keys: "k", tags: "t", body: b"mutant" };
    let properties = message.properties();
    let pull = [
        ("consumerGroup", GROUP),
        ("topic", TOPIC),
        ("queueId", "1"),
        ("queueOffset", "0"),
        ("maxMsgNums", "8"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "a || b"),
        ("subVersion", "1"),
    ];
    let queue = [
        ("topic", TOPIC),
        ("queueId", "1"),
        ("consumerGroup", GROUP),
        ("commitOffset", "1"),
        ("timestamp", "1700000000000"),
    ];
    let mut all = vec![
        request(310, 1, &message.fields(GROUP, "1", &properties, "false"), b"mutant"),
        request(320, 2, &message.fields(GROUP, "1", "", "true"), &batch_item(b"mutant", &properties)),
        request(11, 3, &pull, b""),
        request(34, 4, &[], b"{\"clientID\":\"x@y\",\"producerDataSet\":[{\"groupName\":\"g\"}],\"consumerDataSet\":[]}"),
        request(105, 5, &[("topic", TOPIC)], b""),
        request(38, 6, &[("consumerGroup", GROUP)], b""),
        request(41, 7, &[], b"{\"clientId\":\"x\",\"consumerGroup\":\"g\",\"mqSet\":[{\"topic\":\"t\",\"brokerName\":\"b\",\"queueId\":0}]}"),
        request(12, 8, &[("topic", TOPIC), ("key", "k"), ("maxNum", "8"), ("beginTimestamp", "0"), ("endTimestamp", "9")], b""),
        request(33, 9, &[("offset", "0")], b""),
        request(106, 10, &[], b""),
        request(28, 11, &[], b""),
    ];
    all.extend([14, 15, 29, 30, 31, 32].map(|code| request(code, code, &queue, b"")));
    all
}

/// Bytes that mean something to one of the codecs.
const TELLING: &[u8] = b"\"\\{}[],:\0\x01\x02-9";

fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut frame = seed.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(frame.len() as u64) as usize;
        match random.below(8) {
            0 => frame.truncate(at.max(1)),
            1 => frame.extend_from_within(at..),
            2 => frame.insert(at, random.next() as u8),
            3 => frame[at] = TELLING[random.below(TELLING.len() as u64) as usize],
            4 => frame[at] = 0xff,
            _ => frame[at] ^= 1 << random.below(8),
        }
    }
    // Three in four keep a right frame length, so that what is inside gets looked at.
    if random.below(4) != 0 && frame.len() >= 4 {
        let length = u32::try_from(frame.len() - 4).expect("a mutant is small");
        frame[..4].copy_from_slice(&length.to_be_bytes());
    }
    frame
}
