//! Well-formed requests with names and numbers that nobody should act upon.

use super::super::{CALL, GROUP, TOPIC, Target};
use crate::{
    random::Random,
    trouble::Trouble,
    wire::{NewMessage, Wire},
};

/// Nobody's topic or group becomes a path. What is a legal name is the server's decision; here it must not break it.
pub(in crate::hostile) fn names(target: &Target, _: &mut Random) -> Result<(), Trouble> {
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

pub(in crate::hostile) fn numbers(target: &Target, _: &mut Random) -> Result<(), Trouble> {
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
