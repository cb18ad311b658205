//! Bodies as they are sent: drawn, and compressed if that is wanted.

use crate::bench::options::Load;
use crate::bench::payload;
use crate::failure::Failure;

use super::checks::usage;

/// See the module.
pub(super) struct Sent {
    /// Taken in turn.
    pub(super) bodies: Vec<Vec<u8>>,
    /// What `sysFlag` says of them.
    pub(super) sys_flag: i32,
}

/// The bodies of a run whose requests have `batch` messages.
pub(super) fn sent(load: &Load, batch: u32, seed: u64) -> Result<Sent, Failure> {
    let limit = BODY_BYTES_MAX / batch as usize;
    let mut bodies = payload::bodies(&load.size, &load.payload, seed, limit).map_err(|what| {
        usage(
            what,
            "name files that can be read, and at most 4 MiB of bodies a request: --size, --payload, --batch",
        )
    })?;
    let mut sys_flag = 0;
    if load.compress {
        if batch > 1 {
            return Err(usage(
                "--compress does not go with batches",
                "leave out one of the two: no client compresses batches",
            ));
        }
        bodies = bodies.iter().map(|body| compressed(body)).collect();
        sys_flag = COMPRESSED_ZLIB;
    }
    Ok(Sent { bodies, sys_flag })
}

/// Mean bytes of a body.
pub(super) fn mean(bodies: &[Vec<u8>]) -> f64 {
    bodies.iter().map(Vec::len).sum::<usize>() as f64 / bodies.len() as f64
}

fn compressed(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(5));
    packer.write_all(body).expect("memory takes any bytes");
    packer.finish().expect("memory takes any bytes")
}

/// `maxMessageSize` of brokers, RocketMQ's default.
const BODY_BYTES_MAX: usize = 4 << 20;
/// `sysFlag` of a body compressed with zlib (Java: `MessageSysFlag`).
const COMPRESSED_ZLIB: i32 = 1 | 3 << 8;
