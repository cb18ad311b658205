//! B8: four consumers scan a backlog far beyond the caches, from places far apart, beside an open loop of sends.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringmq::bench::plan::Kind as Load;

use crate::clock;
use crate::figures::Figures;

use super::recovery::{self, NAME};
use super::report::{About, Figure};
use super::scenario::{Scenario, Target};
use super::server::{Flush, Kind, Setup};
use super::{Rival, Side};

/// What one server gave: sends alone, sends beside scans, and what its device reads, MiB/s.
struct Beside {
    alone: Figures,
    scanned: Figures,
    device: f64,
}

/// A figure, what it has to be, and how it is read.
type Wanted<'f> = (&'f str, bool, Target, &'f dyn Fn(&Beside) -> f64);

/// Measures Java's, and ours with direct and buffered reads.
///
/// # Errors
/// When a server does not start or fails.
pub(super) fn measure(side: &mut Side) -> io::Result<()> {
    let (mut java, mut direct, mut buffered) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..side.options.pairs {
        java.push(one(side, Kind::Java, "direct")?);
        direct.push(one(side, Kind::Ours, "direct")?);
        buffered.push(one(side, Kind::Ours, "buffered")?);
    }
    let rival = Rival::Java.title();
    for (mode, ours) in [("direct", &direct), ("buffered", &buffered)] {
        let title = format!("B8 four cold scans beside an open loop of 20,000/s, ours {mode}");
        let about =
            About { scenario: Scenario::B8, title: &title, rival: &rival, headline: mode == "direct" };
        let figures: [Wanted<'_>; 5] = [
            ("scanned MiB/s", true, Target::None, &|one| one.scanned.scan_mib_per_second),
            ("scanned, % of what the device reads", true, Target::AtLeast(70.0), &|one| {
                one.scanned.scan_mib_per_second / one.device * 100.0
            }),
            ("p99.9 us of a send alone", false, Target::None, &|one| one.alone.percentiles_us[2]),
            ("p99.9 us of a send beside scans", false, Target::None, &|one| one.scanned.percentiles_us[2]),
            ("times p99.9 grows", false, Target::AtMost(1.5), &|one| {
                one.scanned.percentiles_us[2] / one.alone.percentiles_us[2]
            }),
        ];
        for (at, (name, more, target, of)) in figures.into_iter().enumerate() {
            let about = About { headline: about.headline && at == 0, ..about };
            let of = |all: &[Beside]| all.iter().map(of).collect::<Vec<_>>();
            side.report.row(about, Figure { name, more, target }, &of(&java), &of(ours));
        }
    }
    Ok(())
}

fn one(side: &mut Side, kind: Kind, mode: &str) -> io::Result<Beside> {
    let mib = if side.options.quick { 256 } else { BACKLOG_MIB };
    let mut setup = Setup::new(Flush::Async);
    setup.ours.extend([
        format!("store.io_mode={mode}"),
        format!("read.cold_count={COUNT}"),
        format!("read.cold_bytes={BYTES}"),
    ]);
    setup.java.extend([
        format!("maxTransferCountOnMessageInDisk={COUNT}"),
        format!("maxTransferBytesOnMessageInDisk={BYTES}"),
    ]);
    let server = side.start(kind, &setup)?;
    if kind == Kind::Java {
        side.warm(&server)?;
    }
    recovery::fill(side, &server, mib)?;
    let run = side.run_of(Scenario::B8);
    let sends = ["--rate=20000/s", "--connections=4", "--inflight=1024"];
    let alone = super::scenario::load(Load::Produce, &server, run, &sends)?;
    if let Err(error) = drop_caches() {
        side.leave_out(&format!("B8: the page cache was not dropped: {error}"));
    }
    let topic = format!("--topic={NAME}");
    let scans = [&topic, "--topic-exists", "--consumers=0", "--scan=4", "--pull=64"];
    let own: Vec<&str> = sends.iter().copied().chain(scans).collect();
    let scanned = super::scenario::load(Load::Mixed, &server, run, &own)?;
    server.freeze();
    let device = device_mib_per_second(&server.store())?;
    server.thaw();
    server.stop()?;
    side.report.say(&format!("B8 {} {mode}, sends alone: {alone}", kind.name()));
    side.report.say(&format!(
        "B8 {} {mode}, beside scans of {:.0} MiB/s (the device reads {device:.0}): {scanned}",
        kind.name(),
        scanned.scan_mib_per_second
    ));
    side.judge(kind, &alone);
    side.judge(kind, &scanned);
    Ok(Beside { alone, scanned, device })
}

/// What others left in memory is read from the device again.
fn drop_caches() -> io::Result<()> {
    Command::new("sync").status()?;
    fs::write("/proc/sys/vm/drop_caches", "3")
}

/// MiB/s of direct reads of 1 MiB, four at a time, from the largest files below `store`.
fn device_mib_per_second(store: &Path) -> io::Result<f64> {
    let mut files = Vec::new();
    collect(store, &mut files)?;
    files.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let file =
        files.first().map(|(_, path)| path.clone()).ok_or_else(|| io::Error::other("an empty store"))?;
    let began = clock::now();
    let read: u64 = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|at| {
                scope.spawn({
                    let file = file.clone();
                    move || read_part(&file, at)
                })
            })
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap_or_else(|_| Err(io::Error::other("a reader panicked"))))
            .sum::<io::Result<u64>>()
    })?;
    Ok(read as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64())
}

fn collect(dir: &Path, files: &mut Vec<(u64, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        if facts.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push((facts.len(), entry.path()));
        }
    }
    Ok(())
}

/// Reads every fourth MiB of some of the file, past the page cache.
fn read_part(file: &Path, at: u64) -> io::Result<u64> {
    const MIB: usize = 1 << 20;
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::DIRECT.bits().cast_signed())
        .open(file)?;
    // Direct reads want aligned memory: a page-aligned MiB lies somewhere in two.
    let mut memory = vec![0_u8; 2 * MIB];
    let skew = memory.as_ptr().align_offset(4096);
    let buffer = &mut memory[skew..skew + MIB];
    let mut total = 0;
    for piece in 0..DEVICE_MIB / READERS {
        file.seek(SeekFrom::Start((piece * READERS + at) * MIB as u64))?;
        match file.read(buffer)? {
            0 => break,
            bytes => total += bytes as u64,
        }
    }
    Ok(total)
}

const BACKLOG_MIB: u64 = 2 << 10;
/// Messages and bytes that a pull may take from the disk: as scanning users set them, on both sides.
const COUNT: u32 = 64;
const BYTES: u32 = 256 << 10;
const READERS: u64 = 4;
const DEVICE_MIB: u64 = 512;
