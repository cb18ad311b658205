//! Bytes over a crash: what was flushed stays, everything else is kept, dropped or torn.

use rt::sim::{Crash, Simulation, for_each_seed};
use rt::{BLOCK, Class, Disk, DiskFile, Env, OpenMode};

use crate::{BUFFERED, DIRECT, LOG, blocks, filled_file, machine, new_file, outcomes};

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
        sim.block_on(async {
            let file = filled_file(machine.disk(), DIRECT, 2, 1).await;
            file.write_at(0, blocks(1, 2), false).await.unwrap();
            let other = file.clone();
            env.spawn(Class::Flush, async move {
                other.write_at(BLOCK as u64, blocks(1, 3), false).await.unwrap();
            });
            env.yield_now().await;
            file.flush().await.unwrap();
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
