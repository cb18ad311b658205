//! Names over a crash: durable with their directory.

use rt::sim::{Crash, SimDisk, Simulation};
use rt::{Disk, DiskFile};

use crate::{BUFFERED, LOG, machine};

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
