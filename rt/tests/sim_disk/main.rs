//! What the simulated disk forgets, and what it must not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crashes;
mod faults;
mod in_flight;
mod model;
mod names;

use std::io;

use rt::sim::{Crash, SimDisk, SimFile, SimMachine, Simulation};
use rt::{BLOCK, Disk, DiskFile, OpenMode, SharedSlice};

const LOG: &str = "/store/log";
const DIRECT: OpenMode = OpenMode::CreateNew { direct: true };
const BUFFERED: OpenMode = OpenMode::CreateNew { direct: false };

fn machine(sim: &Simulation) -> SimMachine {
    sim.machine([10, 0, 0, 1], SimDisk::new())
}

fn blocks(count: usize, byte: u8) -> SharedSlice {
    SharedSlice::copied(&vec![byte; count * BLOCK])
}

/// A file whose name is durable.
async fn new_file(disk: &SimDisk, mode: OpenMode) -> SimFile {
    disk.create_dir("/store".as_ref()).await.unwrap();
    let file = disk.open(LOG.as_ref(), mode).await.unwrap();
    disk.sync_dir("/".as_ref()).await.unwrap();
    disk.sync_dir("/store".as_ref()).await.unwrap();
    file
}

/// A file of `count` blocks filled with `byte`, all durable.
async fn filled_file(disk: &SimDisk, mode: OpenMode, count: usize, byte: u8) -> SimFile {
    let file = new_file(disk, mode).await;
    file.write_at(0, blocks(count, byte), false).await.unwrap();
    file.flush().await.unwrap();
    file
}

/// The state of the file after 100 crashes.
fn outcomes(disk: &SimDisk, kind: Crash) -> Vec<Vec<u8>> {
    (0..100).map(|seed| disk.crash_seeded(kind, seed).contents(LOG).unwrap_or_default()).collect()
}

fn errno(result: io::Result<()>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}
