//! The attacks. Each judges only what it can see itself; the healthy client and the memory are the caller's.

use std::{io::Write, net::Shutdown, thread::sleep, time::Duration};

use super::{CALL, GROUP, GROWTH_MIB_MAX, TOPIC, Target};
use crate::{
    random::Random,
    trouble::Trouble,
    wire::{NewMessage, Wire, batch_item, framed, request},
};

pub(super) fn wrong_lengths(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    // Frame lengths that can never be right are refused at once.
    for length in [0x7fff_ffff_u32, 0xffff_ffff, 0x8000_0000, 64 << 20] {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend([0; 64]);
        target.refused(&bytes, &format!("frame length {length:#x}"))?;
    }
    // A header longer than its frame.
    let mut frame = framed(b"{\"code\":105,\"opaque\":1,\"flag\":0}", b"");
    for header in [0x00ff_ffff_u32, 0x0000_ffff, 34] {
        frame[4..8].copy_from_slice(&header.to_be_bytes());
        target.refused(&frame, &format!("header length {header:#x} in a frame of {}", frame.len()))?;
    }
    // A frame too short for its own header length, and an empty one: closed or ignored, as long as it is not waited for with memory.
    for length in [0_u32, 1, 3] {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(vec![0; length as usize]);
        target.throw(&bytes)?;
    }
    Ok(())
}

pub(super) fn garbage(target: &Target, random: &mut Random) -> Result<(), Trouble> {
    for _ in 0..200 {
        let mut bytes = vec![0; 1 + random.below(64 << 10) as usize];
        random.fill(&mut bytes);
        let mut stream = target.connect()?;
        let _ = stream.write_all(&bytes); // the server may close in the middle of it
    }
    for text in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    ] {
        let mut stream = target.connect()?;
        let _ = stream.write_all(text);
    }
    Ok(())
}

pub(super) fn deep_json(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    for depth in [40, 1_000, 30_000] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let header =
            format!("{{\"code\":105,\"opaque\":7,\"flag\":0,\"extFields\":{{\"topic\":{open}{close}}}}}");
        target.throw(&framed(header.as_bytes(), b""))?;
        let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        target.throw(&framed(objects.as_bytes(), b""))?;
        // The same in bodies that are JSON: a heartbeat, a lock request, a registration.
        for code in [34, 41, 103] {
            let fields =
                [("brokerName", "x"), ("brokerAddr", "127.0.0.1:1"), ("clusterName", "x"), ("brokerId", "1")];
            target.throw(&request(code, 7, &fields, objects.as_bytes()))?;
        }
    }
    Ok(())
}

pub(super) fn lying_headers(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    let binary = |header: &[u8]| {
        let mut frame = framed(header, b"");
        frame[4] = 1;
        frame
    };
    let start = |flag: u32, remark: u32, fields: u32| {
        let mut header = vec![0, 105, 0, 0, 0, 0, 0, 0, 9];
        for word in [flag, remark, fields] {
            header.extend(word.to_be_bytes());
        }
        header
    };
    // Remark and field lengths beyond the header, also negative ones; field counts that end in the middle.
    for (remark, fields) in
        [(u32::MAX, 0), (0x7fff_ffff, 0), (1000, 0), (0, u32::MAX), (0, 0x7fff_ffff), (0, 7)]
    {
        target.throw(&binary(&start(0, remark, fields)))?;
    }
    for length in [0_u16, 1, 5, 0xffff] {
        let mut header = start(0, 0, 6);
        header.extend(length.to_be_bytes());
        header.extend([b't'; 4]);
        target.throw(&binary(&header))?;
    }
    // A codec that does not exist.
    let mut frame = framed(b"{\"code\":105,\"opaque\":1,\"flag\":0}", b"");
    for kind in [2, 7, 255] {
        frame[4] = kind;
        target.throw(&frame)?;
    }
    // JSON of the wrong shape.
    for header in [
        "",
        "null",
        "7",
        "\"x\"",
        "[]",
        "{}",
        "{\"code\":\"x\"}",
        "{\"code\":1e999}",
        "{\"code\":105",
        "{\"code\":105,\"extFields\":7}",
        "\u{feff}{}",
    ] {
        target.throw(&framed(header.as_bytes(), b""))?;
    }
    // As many fields as fit.
    let many: Vec<String> = (0..4000).map(|i| format!("\"f{i}\":\"\"")).collect();
    target.throw(&framed(
        format!("{{\"code\":105,\"opaque\":1,\"flag\":0,\"extFields\":{{{}}}}}", many.join(",")).as_bytes(),
        b"",
    ))?;
    Ok(())
}

const MUTANTS: usize = 10_000;

/// Valid requests with a few bytes changed, cut or doubled. Answers are read and thrown away.
pub(super) fn mutated_frames(target: &Target, random: &mut Random) -> Result<(), Trouble> {
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

pub(super) fn unfinished_frames(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    let mut open = Vec::new();
    for i in 0..300_u32 {
        let mut stream = target.connect()?;
        let _ = stream.write_all(&(8_u32 << 20).to_be_bytes()[..(1 + i as usize % 4)]); // some not even a whole length
        if i % 4 == 3 {
            let _ = stream.write_all(&[0, 0, 1]);
        }
        open.push(stream);
    }
    // 300 frames of 8 MiB were announced, 1 KiB has come: judged by the memory check of the caller, while they are open.
    let grown = target.resident_mib()?;
    sleep(Duration::from_millis(500));
    let later = target.resident_mib()?;
    if later > grown + GROWTH_MIB_MAX {
        return Err(Trouble::Answer(format!("{} MiB for frames of which nothing has come", later - grown)));
    }
    Ok(())
}

/// Asks for much and reads nothing.
pub(super) fn never_read(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    let resident = target.resident_mib()?;
    if target.is_broker {
        let mut wire = Wire::connect(target.port, CALL)?;
        let body = vec![b'x'; 512 << 10];
        for _ in 0..8 {
            wire.send_message(
                GROUP,
                &NewMessage { topic: TOPIC, queue_id: 3, keys: "", tags: "", body: &body },
            )?;
        }
    }
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut stream = target.connect()?;
        stream.set_nonblocking(true).map_err(Trouble::io("set nonblocking"))?;
        for i in 0..400 {
            let frame = if target.is_broker {
                let offset = (i % 8).to_string();
                let fields = [
                    ("consumerGroup", GROUP),
                    ("topic", TOPIC),
                    ("queueId", "3"),
                    ("queueOffset", offset.as_str()),
                    ("maxMsgNums", "32"),
                    ("sysFlag", "4"),
                    ("commitOffset", "0"),
                    ("suspendTimeoutMillis", "0"),
                    ("subscription", "*"),
                    ("subVersion", "0"),
                ];
                request(11, i, &fields, b"")
            } else {
                request(206, i, &[], b"")
            };
            if stream.write_all(&frame).is_err() {
                break; // it has stopped reading, as it should
            }
        }
        open.push(stream);
    }
    sleep(Duration::from_secs(1)); // lets it answer as far as it wants to; the check does not depend on how far
    let grown = target.resident_mib()?.saturating_sub(resident);
    if grown > GROWTH_MIB_MAX {
        return Err(Trouble::Answer(format!("{grown} MiB for answers that nobody reads")));
    }
    Ok(())
}

/// Nobody's topic or group becomes a path. What is a legal name is the server's decision; here it must not break it.
pub(super) fn names(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    let long = "n".repeat(256);
    let longest = "n".repeat(127);
    let names = [
        "../../escaped",
        "/tmp/escaped",
        "a/b",
        "..",
        ".",
        "",
        " ",
        "a\0b",
        "a\nb",
        "名前",
        &long,
        "%",
        "TBW102",
        &longest,
    ];
    let mut refused = Vec::new();
    for name in names {
        let mut wire = Wire::connect(target.port, CALL)?;
        let message = NewMessage { topic: name, queue_id: 0, keys: name, tags: "t", body: b"x" };
        let code = if target.is_broker {
            wire.call(
                17,
                &[
                    ("topic", name),
                    ("defaultTopic", "TBW102"),
                    ("readQueueNums", "1"),
                    ("writeQueueNums", "1"),
                    ("perm", "6"),
                    ("topicFilterType", "SINGLE_TAG"),
                    ("topicSysFlag", "0"),
                    ("order", "false"),
                ],
                b"",
            )?;
            let mut wire = Wire::connect(target.port, CALL)?;
            wire.call(
                15,
                &[("consumerGroup", name), ("topic", name), ("queueId", "0"), ("commitOffset", "1")],
                b"",
            )?;
            let mut wire = Wire::connect(target.port, CALL)?;
            wire.call(310, &message.fields(name, "0", &message.properties(), "false"), b"x")?.code
        } else {
            wire.call(105, &[("topic", name)], b"")?.code
        };
        if code != 0 {
            refused.push(name);
        }
    }
    for bad in ["../../escaped", "/tmp/escaped", "a/b", "..", "", "a\0b", "a\nb", &long] {
        if !refused.contains(&bad) {
            return Err(Trouble::Answer(format!("a name like {bad:?} was accepted")));
        }
    }
    Ok(())
}

pub(super) fn numbers(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    if !target.is_broker {
        return Ok(());
    }
    let mut accepted = Vec::new();
    for value in [
        "-1",
        "4",
        "2147483647",
        "-2147483648",
        "9223372036854775807",
        "-9223372036854775808",
        "x",
        "",
        "1e3",
    ] {
        for (code, fields) in [
            (11, vec![("queueId", value), ("queueOffset", "0")]),
            (11, vec![("queueId", "0"), ("queueOffset", value)]),
            (11, vec![("queueId", "0"), ("queueOffset", "0"), ("maxMsgNums", value)]),
            (30, vec![("queueId", value)]),
            (29, vec![("queueId", "0"), ("timestamp", value)]),
            (14, vec![("queueId", value)]),
            (33, vec![("offset", value)]),
            (12, vec![("key", "k"), ("maxNum", value), ("beginTimestamp", value), ("endTimestamp", value)]),
        ] {
            let mut all = vec![
                ("topic", TOPIC),
                ("consumerGroup", GROUP),
                ("sysFlag", "4"),
                ("commitOffset", "0"),
                ("suspendTimeoutMillis", "0"),
                ("subscription", "*"),
                ("subVersion", "0"),
            ];
            if !fields.iter().any(|(key, _)| *key == "maxMsgNums") {
                all.push(("maxMsgNums", "8"));
            }
            all.extend(&fields);
            // A connection each: closing it is a fair answer to a number that is none.
            let mut wire = Wire::connect(target.port, CALL)?;
            if let Ok(answer) = wire.call(code, &all, b"")
                && answer.code == 0
            {
                accepted.push((code, fields));
            }
        }
        let mut wire = Wire::connect(target.port, CALL)?;
        let message = NewMessage { topic: TOPIC, queue_id: 0, keys: "", tags: "", body: b"x" };
        let sent = wire.call(310, &message.fields(GROUP, value, &message.properties(), "false"), b"x");
        // A negative queue lets the broker choose; a queue that the topic does not have is refused.
        if let Ok(answer) = sent
            && answer.code == 0
            && ["4", "2147483647", "x", "9223372036854775807"].contains(&value)
        {
            return Err(Trouble::Answer(format!("a send to queue {value:?} of 4 was accepted")));
        }
    }
    let pulled = accepted.iter().find(|(code, fields)| *code == 11 && fields[0] == ("queueId", "4"));
    match pulled {
        Some(pulled) => Err(Trouble::Answer(format!("{pulled:?} was accepted"))),
        None => Ok(()),
    }
}
