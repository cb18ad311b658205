//! Frames that can never be right: lengths, headers, nesting, and bytes that are no frame at all.

use std::io::Write;

use super::super::Target;
use crate::{
    random::Random,
    trouble::Trouble,
    wire::{framed, request},
};

pub(in crate::hostile) fn wrong_lengths(target: &Target, _: &mut Random) -> Result<(), Trouble> {
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

pub(in crate::hostile) fn garbage(target: &Target, random: &mut Random) -> Result<(), Trouble> {
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

pub(in crate::hostile) fn deep_json(target: &Target, _: &mut Random) -> Result<(), Trouble> {
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

pub(in crate::hostile) fn lying_headers(target: &Target, _: &mut Random) -> Result<(), Trouble> {
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
