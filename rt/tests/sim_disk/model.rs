//! Without a crash a file is a vector of bytes, whatever is done to it.

use std::path::Path;

use proptest::prelude::*;
use rt::sim::{Crash, Simulation};
use rt::{Disk, DiskFile, OpenMode, SharedSlice};

use crate::{BUFFERED, LOG, machine, new_file};

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
