//! What the simulated disk forgets, and what it must not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use rt::sim::{
    Corruption, Crash, FaultRule, OpKind, Repeat, SimDisk, SimFile, SimMachine, Simulation, Verdict,
    for_each_seed,
};
use rt::{BLOCK, Class, Disk, DiskFile, Env, OpenMode, SharedSlice};

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

#[test]
fn flushed_bytes_survive_every_crash() {
    for_each_seed(10, |seed| {
        let sim = Simulation::new(seed);
        let machine = machine(&sim);
        sim.block_on(async { filled_file(machine.disk(), DIRECT, 3, 7).await });
        for kind in [Crash::Process, Crash::Os, Crash::Power] {
            assert!(outcomes(machine.disk(), kind).iter().all(|bytes| *bytes == vec![7; 3 * BLOCK]));
        }
    });
}

#[test]
fn an_unflushed_write_is_kept_dropped_or_torn_by_sectors_when_power_goes() {
    let sim = Simulation::new(1);
    let machine = machine(&sim);
    sim.block_on(async {
        let file = filled_file(machine.disk(), DIRECT, 1, 1).await;
        file.write_at(0, blocks(1, 2), false).await.unwrap();
    });
    let seen = outcomes(machine.disk(), Crash::Power);
    let count = |test: &dyn Fn(&[u8]) -> bool| seen.iter().filter(|bytes| test(bytes)).count();
    let kept = count(&|bytes| bytes == [2; BLOCK]);
    let dropped = count(&|bytes| bytes == [1; BLOCK]);
    let torn = seen.len() - kept - dropped;
    assert!(kept > 10 && dropped > 10 && torn > 10, "{kept} kept, {dropped} dropped, {torn} torn");
    let whole = |sector: &[u8]| sector.iter().all(|byte| *byte == sector[0] && (1..=2).contains(byte));
    assert!(seen.iter().all(|bytes| bytes.chunks(512).all(whole)));
}

#[test]
fn an_os_crash_keeps_what_a_direct_write_gave_to_the_device_and_may_lose_the_page_cache() {
    for (mode, may_lose) in [(DIRECT, false), (BUFFERED, true)] {
        let sim = Simulation::new(2);
        let machine = machine(&sim);
        sim.block_on(async {
            let file = filled_file(machine.disk(), mode, 1, 1).await;
            file.write_at(0, blocks(1, 2), false).await.unwrap();
        });
        let seen = outcomes(machine.disk(), Crash::Os);
        assert_eq!(seen.iter().any(|bytes| *bytes == [1; BLOCK]), may_lose);
        assert!(outcomes(machine.disk(), Crash::Process).iter().all(|bytes| *bytes == [2; BLOCK]));
    }
}

#[test]
fn allocated_space_reads_zeros_after_a_crash_where_prefilled_space_keeps_old_or_new() {
    let sim = Simulation::new(3);
    let machine = machine(&sim);
    sim.block_on(async {
        let file = new_file(machine.disk(), DIRECT).await;
        file.allocate(2 * BLOCK as u64).await.unwrap();
        file.flush().await.unwrap();
        file.write_at(0, blocks(1, 9), false).await.unwrap();
    });
    // Although a direct write in prefilled space would survive this crash for certain.
    let zeros = |seen: &[Vec<u8>]| seen.iter().filter(|bytes| bytes[..BLOCK] == [0; BLOCK]).count();
    let seen = outcomes(machine.disk(), Crash::Os);
    assert!(zeros(&seen) > 70, "{} of 100", zeros(&seen));
    assert!(zeros(&seen) < 100, "now and then the journal was committed");
    assert!(seen.iter().all(|bytes| bytes.len() == 2 * BLOCK));

    // After a flush of the written block, overwriting it is safe from this.
    sim.block_on(async {
        let file = machine.disk().open(LOG.as_ref(), OpenMode::Write { direct: true }).await.unwrap();
        file.flush().await.unwrap();
        file.write_at(0, blocks(1, 8), false).await.unwrap();
    });
    assert!(outcomes(machine.disk(), Crash::Power).iter().flatten().take(BLOCK).all(|byte| *byte >= 8));
}

#[test]
fn a_flush_covers_what_returned_before_it_and_nothing_that_was_in_flight() {
    // Without the cover every one of these would be lost now and then; with it, only what was in flight.
    let mut lost_in_flight = 0;
    for_each_seed(50, |seed| {
        let sim = Simulation::new(seed);
        let machine = machine(&sim);
        let env = machine.env();
        let returned = Rc::new(Cell::new(false));
        let (covered, noted) = (returned.clone(), returned.clone());
        sim.block_on(async {
            let file = filled_file(machine.disk(), DIRECT, 2, 1).await;
            file.write_at(0, blocks(1, 2), false).await.unwrap();
            let other = file.clone();
            env.spawn(Class::Flush, async move {
                other.write_at(BLOCK as u64, blocks(1, 3), false).await.unwrap();
                noted.set(true);
            });
            env.yield_now().await;
            let in_flight = !covered.get();
            file.flush().await.unwrap();
            returned.set(in_flight);
        });
        let seen = outcomes(machine.disk(), Crash::Power);
        assert!(seen.iter().all(|bytes| bytes[..BLOCK] == [2; BLOCK]), "the first write was covered");
        lost_in_flight += seen.iter().filter(|bytes| bytes[BLOCK..] == [1; BLOCK]).count();
    });
    assert!(lost_in_flight > 0, "a write in flight at the call is not covered");
}

#[test]
fn a_durable_write_vouches_for_itself_only() {
    let sim = Simulation::new(5);
    let machine = machine(&sim);
    sim.block_on(async {
        let file = filled_file(machine.disk(), DIRECT, 2, 1).await;
        file.write_at(0, blocks(2, 2), false).await.unwrap();
        file.write_at(BLOCK as u64, blocks(1, 3), true).await.unwrap();
    });
    let seen = outcomes(machine.disk(), Crash::Power);
    assert!(seen.iter().all(|bytes| bytes[BLOCK..] == [3; BLOCK]));
    assert!(seen.iter().any(|bytes| bytes[..BLOCK] == [1; BLOCK]), "the plain write before it can be lost");
}

#[test]
fn a_file_grows_durably_only_with_a_flush() {
    let sim = Simulation::new(6);
    let machine = machine(&sim);
    let file = sim.block_on(async { filled_file(machine.disk(), BUFFERED, 1, 1).await });
    sim.block_on(async { file.write_at(BLOCK as u64, blocks(1, 2), false).await.unwrap() });
    let lengths: Vec<_> = outcomes(machine.disk(), Crash::Power).iter().map(Vec::len).collect();
    assert!(lengths.contains(&BLOCK) && lengths.contains(&(2 * BLOCK)));
    sim.block_on(async { file.flush().await.unwrap() });
    assert!(outcomes(machine.disk(), Crash::Power).iter().all(|bytes| bytes.len() == 2 * BLOCK));
}

#[test]
fn names_are_durable_only_after_their_directory_was_flushed() {
    let sim = Simulation::new(7);
    let machine = machine(&sim);
    let disk = machine.disk().clone();
    let names = |disk: &SimDisk| -> Vec<Vec<String>> {
        (0..60).map(|seed| disk.crash_seeded(Crash::Power, seed).files()).collect()
    };
    let (old, new) = (vec![LOG.to_owned()], vec!["/store/renamed".to_owned()]);
    sim.block_on(async {
        disk.create_dir("/store".as_ref()).await.unwrap();
        disk.sync_dir("/".as_ref()).await.unwrap();
        let file = disk.open(LOG.as_ref(), BUFFERED).await.unwrap();
        file.flush().await.unwrap();
    });
    let seen = names(&disk);
    assert!(seen.contains(&vec![]) && seen.contains(&old), "a new file may vanish, flushed or not");

    sim.block_on(async { disk.sync_dir("/store".as_ref()).await.unwrap() });
    assert!(names(&disk).iter().all(|files| *files == old));

    sim.block_on(async { disk.rename(LOG.as_ref(), "/store/renamed".as_ref()).await.unwrap() });
    let seen = names(&disk);
    assert!(seen.contains(&old) && seen.contains(&new));
    assert!(seen.iter().all(|files| *files == old || *files == new), "a rename is atomic");
    sim.block_on(async { disk.sync_dir("/store".as_ref()).await.unwrap() });
    assert!(names(&disk).iter().all(|files| *files == new));

    sim.block_on(async { disk.remove("/store/renamed".as_ref()).await.unwrap() });
    let seen = names(&disk);
    assert!(seen.contains(&new) && seen.contains(&vec![]));
    assert!(disk.files().is_empty());
    sim.block_on(async { disk.sync_dir("/store".as_ref()).await.unwrap() });
    assert!(names(&disk).iter().all(Vec::is_empty));
}

#[test]
fn a_file_in_a_directory_that_was_never_flushed_is_gone() {
    let sim = Simulation::new(8);
    let machine = machine(&sim);
    let disk = machine.disk();
    sim.block_on(async {
        disk.create_dir("/a/b".as_ref()).await.unwrap();
        drop(disk.open("/a/b/f".as_ref(), BUFFERED).await.unwrap());
        disk.sync_dir("/a/b".as_ref()).await.unwrap();
    });
    assert!((0..50).any(|seed| disk.crash_seeded(Crash::Power, seed).files().is_empty()));
}

#[test]
fn a_failed_flush_loses_the_data_and_the_next_one_says_ok() {
    for mode in [DIRECT, BUFFERED] {
        let sim = Simulation::new(9);
        let machine = machine(&sim);
        let disk = machine.disk();
        sim.block_on(async {
            let file = filled_file(disk, mode, 1, 1).await;
            let (kind, repeat) = (OpKind::Flush, Repeat::Once);
            disk.inject(FaultRule { kind, path_contains: "log", after: 0, repeat, errno: libc::EIO });
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
            let (kind, repeat) = (OpKind::Write, Repeat::Forever);
            disk.inject(FaultRule { kind, path_contains: "", after: 0, repeat, errno: libc::EIO });
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
fn a_write_in_flight_reads_its_memory_at_some_moment() {
    let mut early_and_late = [0, 0];
    for_each_seed(40, |seed| {
        let sim = Simulation::new(seed);
        let machine = machine(&sim);
        let env = machine.env();
        let identity = rt::WindowIdentity { store_id: [0; 16], shard: 0 };
        let window = rt::Window::create(rt::Backing::Private, 16 * BLOCK, identity, 0).unwrap();
        window.append(100, |memory| memory.fill(1)).unwrap();
        let file = sim.block_on(async { filled_file(machine.disk(), DIRECT, 1, 0).await });
        let write = window.blocks(0, 100);
        env.spawn(Class::Pump, async move { file.write_at(0, write, false).await.unwrap() });
        sim.run_for(Duration::from_micros(40));
        window.append(100, |memory| memory.fill(2)).unwrap();
        sim.run_for(Duration::from_millis(10));
        let bytes = machine.disk().contents(LOG).unwrap();
        assert_eq!(bytes[..100], [1; 100]);
        assert!(bytes[100..200] == [0; 100] || bytes[100..200] == [2; 100]);
        early_and_late[usize::from(bytes[100] == 2)] += 1;
    });
    assert!(early_and_late[0] > 0 && early_and_late[1] > 0, "{early_and_late:?}");
}

#[test]
fn writes_complete_out_of_order() {
    let mut reordered = false;
    for_each_seed(20, |seed| {
        let sim = Simulation::new(seed);
        let machine = machine(&sim);
        let env = machine.env();
        let file = sim.block_on(async { filled_file(machine.disk(), DIRECT, 8, 0).await });
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        for index in 0..8_usize {
            let (file, order) = (file.clone(), order.clone());
            env.spawn(Class::Flush, async move {
                file.write_at((index * BLOCK) as u64, blocks(1, 1), false).await.unwrap();
                order.borrow_mut().push(index);
            });
        }
        sim.run_for(Duration::from_secs(1));
        assert_eq!(order.borrow().len(), 8);
        reordered |= !order.borrow().is_sorted();
    });
    assert!(reordered);
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
fn unflushed_writes_of_a_dead_process_can_still_be_lost_by_a_power_cut() {
    let sim = Simulation::new(12);
    let machine = machine(&sim);
    sim.block_on(async {
        let file = filled_file(machine.disk(), DIRECT, 1, 1).await;
        file.write_at(0, blocks(1, 2), false).await.unwrap();
    });
    let disk = machine.crash(Crash::Process);
    assert_eq!(disk.contents(LOG).unwrap(), [2; BLOCK]);
    assert!(outcomes(&disk, Crash::Power).contains(&vec![1; BLOCK]));
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
fn a_hook_sees_every_operation_and_may_slow_it_down() {
    let sim = Simulation::new(14);
    let machine = machine(&sim);
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = seen.clone();
    machine.disk().on_operation(move |operation| {
        log.borrow_mut().push(operation.kind);
        if operation.kind == Flush { Verdict::Delay(Duration::from_secs(30)) } else { Verdict::Proceed }
    });
    sim.block_on(async { filled_file(machine.disk(), DIRECT, 1, 1).await });
    use OpKind::{Create, CreateDir, Flush, SyncDir, Write};
    assert_eq!(*seen.borrow(), [CreateDir, Create, SyncDir, SyncDir, Write, Flush]);
    assert!(sim.now().0 > 30_000_000_000);
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

#[derive(Clone, Debug)]
enum Step {
    Write { at: u64, len: usize, byte: u8, durable: bool },
    Truncate(u64),
    Allocate(u64),
    Flush,
    Reopen,
    Rename,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..20_000_u64, 1..9_000_usize, any::<u8>(), any::<bool>())
            .prop_map(|(at, len, byte, durable)| Step::Write { at, len, byte, durable }),
        1 => (0..20_000_u64).prop_map(Step::Truncate),
        1 => (1..20_000_u64).prop_map(Step::Allocate),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rename),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn without_a_crash_a_file_is_a_vector_of_bytes(seed in any::<u64>(), steps in steps()) {
        let sim = Simulation::new(seed);
        let machine = machine(&sim);
        let disk = machine.disk();
        let mut model: Vec<u8> = Vec::new();
        let mut names = [LOG, "/store/other"];
        let mut file = sim.block_on(async { new_file(disk, BUFFERED).await });
        for step in steps {
            sim.block_on(async {
                match step {
                    Step::Write { at, len, byte, durable } => {
                        file.write_at(at, SharedSlice::copied(&vec![byte; len]), durable).await.unwrap();
                        let end = at as usize + len;
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].fill(byte);
                    }
                    Step::Truncate(len) => {
                        file.truncate(len).await.unwrap();
                        model.resize(len as usize, 0);
                    }
                    Step::Allocate(len) => {
                        file.allocate(len).await.unwrap();
                        model.resize(model.len().max(len as usize), 0);
                    }
                    Step::Flush => file.flush().await.unwrap(),
                    Step::Reopen => {
                        file = disk.open(names[0].as_ref(), OpenMode::Write { direct: false }).await.unwrap();
                    }
                    Step::Rename => {
                        disk.rename(names[0].as_ref(), names[1].as_ref()).await.unwrap();
                        names.swap(0, 1);
                    }
                }
            });
            prop_assert!(disk.contents(names[0]).unwrap() == *model);
            let read = sim.block_on(async { file.read_at(100, 30_000).await.unwrap() });
            prop_assert!(*read == *model.get(100..).unwrap_or_default());
        }
        // And when all is flushed, no crash changes it.
        sim.block_on(async {
            file.flush().await.unwrap();
            disk.sync_dir("/store".as_ref()).await.unwrap();
            let listed = disk.list(Path::new("/store")).await.unwrap();
            assert_eq!((listed.len(), listed[0].bytes), (1, model.len() as u64));
        });
        for kind in [Crash::Process, Crash::Os, Crash::Power] {
            prop_assert!(disk.crash(kind).contents(names[0]).unwrap() == *model, "{kind:?}");
        }
    }
}
