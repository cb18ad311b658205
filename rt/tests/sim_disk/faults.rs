//! A disk that says no, or says yes and does something else.

use std::time::Duration;

use rt::sim::{Corruption, Crash, FaultRule, OpKind, SimDisk, Simulation, Verdict, for_each_seed};
use rt::{BLOCK, Disk, DiskFile, OpenMode, SharedSlice};

use crate::{BUFFERED, DIRECT, LOG, blocks, errno, filled_file, machine, new_file, outcomes};

#[test]
fn a_failed_flush_loses_the_data_and_the_next_one_says_ok() {
    for mode in [DIRECT, BUFFERED] {
        let sim = Simulation::new(9);
        let machine = machine(&sim);
        let disk = machine.disk();
        sim.block_on(async {
            let file = filled_file(disk, mode, 1, 1).await;
            disk.inject(FaultRule::once(OpKind::Flush, "log", libc::EIO));
            file.write_at(0, blocks(1, 2), false).await.unwrap();
            assert_eq!(errno(file.flush().await), libc::EIO);
            file.flush().await.unwrap();
        });
        assert!(outcomes(disk, Crash::Power).iter().all(|bytes| *bytes == [1; BLOCK]));
    }
}

#[test]
fn a_failed_write_may_have_been_applied_in_part_and_is_covered_by_no_flush() {
    let mut views = Vec::new();
    for_each_seed(30, |seed| {
        let sim = Simulation::new(seed);
        let machine = machine(&sim);
        let disk = machine.disk();
        sim.block_on(async {
            let file = filled_file(disk, DIRECT, 1, 1).await;
            disk.inject(FaultRule::forever(OpKind::Write, "", libc::EIO));
            assert_eq!(errno(file.write_at(0, blocks(1, 2), false).await), libc::EIO);
            assert_eq!(errno(file.write_at(0, blocks(1, 2), false).await), libc::EIO);
            disk.heal();
            file.flush().await.unwrap();
        });
        views.push(disk.contents(LOG).unwrap());
        assert!(outcomes(disk, Crash::Power).contains(&vec![1; BLOCK]));
    });
    assert!(views.contains(&vec![1; BLOCK]) && views.contains(&vec![2; BLOCK]));
}

#[test]
fn a_full_disk_refuses_new_space_and_allows_overwrites() {
    let sim = Simulation::new(10);
    let machine = machine(&sim);
    let disk = machine.disk();
    disk.set_capacity(Some(2 * BLOCK as u64));
    sim.block_on(async {
        let file = filled_file(disk, DIRECT, 2, 1).await;
        assert_eq!(disk.space("/".as_ref()).unwrap().available, 0);
        assert_eq!(errno(file.write_at(2 * BLOCK as u64, blocks(1, 2), false).await), libc::ENOSPC);
        assert_eq!(errno(file.allocate(3 * BLOCK as u64).await), libc::ENOSPC);
        file.write_at(0, blocks(2, 2), false).await.unwrap();
        disk.remove(LOG.as_ref()).await.unwrap();
        assert_eq!(disk.space("/".as_ref()).unwrap().available, 0, "an open file keeps its space");
        drop(file);
        assert_eq!(disk.space("/".as_ref()).unwrap().available, 2 * BLOCK as u64);
    });
}

#[test]
fn a_frozen_disk_ends_nothing_and_changes_nothing() {
    let sim = Simulation::new(11);
    let machine = machine(&sim);
    let disk = machine.disk();
    let file = sim.block_on(async { filled_file(disk, DIRECT, 1, 1).await });
    disk.freeze_at(disk.statistics().operations + 1);
    let stuck = sim.block_on_within(Duration::from_secs(60), async {
        file.write_at(0, blocks(1, 2), false).await.unwrap();
        file.write_at(0, blocks(1, 3), true).await.unwrap();
    });
    assert!(stuck.is_none());
    assert_eq!(disk.contents(LOG).unwrap(), [2; BLOCK]);
    let next = machine.crash(Crash::Process);
    let machine = sim.machine([10, 0, 0, 1], next);
    let read = sim.block_on(async {
        let file = machine.disk().open(LOG.as_ref(), OpenMode::Read { direct: true }).await.unwrap();
        file.read_at(0, BLOCK).await.unwrap()
    });
    assert_eq!(*read, [2; BLOCK]);
}

#[test]
fn direct_files_insist_on_alignment() {
    let disk = SimDisk::new();
    let sim = Simulation::new(13);
    let machine = sim.machine([10, 0, 0, 1], disk);
    sim.block_on(async {
        let file = new_file(machine.disk(), DIRECT).await;
        assert_eq!(errno(file.write_at(512, blocks(1, 1), false).await), libc::EINVAL);
        let odd = blocks(2, 1).range(512, 512 + BLOCK);
        assert_eq!(errno(file.write_at(0, odd, false).await), libc::EINVAL);
        assert_eq!(errno(file.write_at(0, SharedSlice::copied(b"short"), false).await), libc::EINVAL);
        assert_eq!(errno(file.read_at(1, BLOCK).await.map(drop)), libc::EINVAL);
        let reader = machine.disk().open(LOG.as_ref(), OpenMode::Read { direct: false }).await.unwrap();
        assert_eq!(errno(reader.write_at(0, blocks(1, 1), false).await), libc::EBADF);
    });
}

#[test]
fn bytes_at_rest_can_be_damaged() {
    let disk = SimDisk::new();
    disk.install("/a/file", &[1; 1000]);
    disk.corrupt("/a/file", 10, 1, Corruption::FlipBit);
    disk.corrupt("/a/file", 20, 5, Corruption::Zeros);
    for disk in [disk.clone(), disk.crash(Crash::Power), disk.snapshot()] {
        let bytes = disk.contents("/a/file").unwrap();
        assert_eq!((bytes[9], bytes[10], &bytes[20..26]), (1, 0x11, [0, 0, 0, 0, 0, 1].as_slice()));
        assert_eq!(bytes.len(), 1000);
    }
}

#[test]
fn a_write_can_get_lost_or_land_elsewhere() {
    let sim = Simulation::new(15);
    let machine = machine(&sim);
    let disk = machine.disk();
    sim.block_on(async {
        let file = filled_file(disk, DIRECT, 3, 1).await;
        disk.on_operation(|operation| match operation.offset {
            0 => Verdict::Lose,
            _ => Verdict::Misdirect(2 * BLOCK as u64),
        });
        file.write_at(0, blocks(1, 2), true).await.unwrap();
        file.write_at(BLOCK as u64, blocks(1, 3), true).await.unwrap();
    });
    let expected: Vec<u8> = [1, 1, 3].iter().flat_map(|byte| [*byte; BLOCK]).collect();
    assert!(disk.contents(LOG).unwrap() == expected);
    assert!(outcomes(disk, Crash::Power).iter().all(|bytes| *bytes == expected));
}
