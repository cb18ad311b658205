//! Clients that make a server keep things: frames that never end, answers that nobody reads.

use std::{io::Write, thread::sleep, time::Duration};

use super::super::{CALL, GROUP, GROWTH_MIB_MAX, TOPIC, Target};
use crate::{
    random::Random,
    trouble::Trouble,
    wire::{NewMessage, Wire, request},
};

pub(in crate::hostile) fn unfinished_frames(target: &Target, _: &mut Random) -> Result<(), Trouble> {
    let before = target.resident_mib()?;
    let mut open = Vec::new();
    for i in 0..300_u32 {
        let mut stream = target.connect()?;
        let _ = stream.write_all(&(8_u32 << 20).to_be_bytes()[..(1 + i as usize % 4)]); // some not even a whole length
        if i % 4 == 3 {
            let _ = stream.write_all(&[0, 0, 1]);
        }
        open.push(stream);
    }
    // 75 frames of 8 MiB are announced, 1 KiB has come. Judged while they are open: closing them would give the memory back.
    sleep(Duration::from_millis(500)); // lets it read them; the check does not depend on how many
    let grown = target.resident_mib()?.saturating_sub(before);
    if grown > GROWTH_MIB_MAX {
        return Err(Trouble::Answer(format!("{grown} MiB for frames of which nothing has come")));
    }
    Ok(())
}

/// Asks for much and reads nothing.
pub(in crate::hostile) fn never_read(target: &Target, _: &mut Random) -> Result<(), Trouble> {
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
