use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;
use rt::sim::{Crash, FaultRule, OpKind, SimDisk, SimEnv, Simulation, Verdict, for_each_seed};

use super::*;

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

fn config() -> TablesConfig {
    TablesConfig { snapshot_bytes: 24 << 10, ..TablesConfig::new("/tables".into()) }
}

fn all(tables: &Tables<SimEnv>) -> Model {
    let mut model = Model::new();
    for table in 0..4 {
        model.extend(tables.iter(table).map(|(key, value)| ((table, key), value)));
    }
    model
}

/// Opens the tables on `disk` in a world of their own and returns what they hold.
fn reopened(disk: SimDisk) -> (Model, SimDisk) {
    let sim = Simulation::new(1);
    let machine = sim.machine([10, 0, 0, 1], disk);
    let model = sim.block_on(async { all(&Tables::open(machine.env(), config()).await.unwrap()) });
    (model, machine.disk().snapshot())
}

/// What `work` returns; `None` if it hangs for a minute because the disk is frozen.
async fn until_frozen<T>(env: SimEnv, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut limit = std::pin::pin!(env.sleep(Duration::from_secs(60)));
    std::future::poll_fn(|context| {
        if let std::task::Poll::Ready(value) = work.as_mut().poll(context) {
            return std::task::Poll::Ready(Some(value));
        }
        limit.as_mut().poll(context).map(|()| None)
    })
    .await
}

#[test]
fn a_crash_anywhere_leaves_a_state_between_the_last_awaited_and_the_last_put() {
    for_each_seed(300, |seed| {
        let sim = Simulation::new(seed);
        let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
        machine.disk().freeze_at(sim.random().between(20, 260));
        // Every state the tables were in, and how many of them are certainly durable.
        let history = Rc::new(RefCell::new(vec![Model::new()]));
        let durable = Rc::new(RefCell::new(0));
        let finished = sim.block_on(until_frozen(machine.env(), async {
            let mut tables = Tables::open(machine.env(), config()).await.unwrap();
            for step in 0..200u32 {
                let mut model = history.borrow().last().unwrap().clone();
                let batch: Vec<_> = (0..sim.random().between(1, 4))
                    .map(|_| (sim.random().below(4) as u8, sim.random().below(12), sim.random().below(5)))
                    .collect();
                let values: Vec<_> =
                    batch.iter().map(|_| vec![step as u8; sim.random().below(900) as usize]).collect();
                let keys: Vec<_> = batch.iter().map(|(_, key, _)| key.to_be_bytes()).collect();
                let changes: Vec<_> = (0..batch.len())
                    .map(|index| match batch[index] {
                        (table, _, 0) => Change::Delete { table, key: &keys[index] },
                        (table, _, _) => Change::Put { table, key: &keys[index], value: &values[index] },
                    })
                    .collect();
                for change in &changes {
                    match *change {
                        Change::Put { table, key, value } => {
                            model.insert((table, key.to_vec()), value.to_vec())
                        }
                        Change::Delete { table, key } => model.remove(&(table, key.to_vec())),
                    };
                }
                history.borrow_mut().push(model);
                tables.apply(&changes).unwrap();
                if sim.random().chance(40) {
                    let point = history.borrow().len() - 1;
                    tables.durable().await.unwrap();
                    *durable.borrow_mut() = point;
                }
            }
        }));
        let kind = [Crash::Process, Crash::Os, Crash::Power][sim.random().below(3) as usize];
        let disk = machine.crash(kind);
        let (found, disk) = reopened(disk);
        let history = history.borrow();
        let states = &history[*durable.borrow()..];
        assert!(states.contains(&found), "neither durable nor put, finished: {}", finished.is_some());
        assert_eq!(reopened(disk).0, found, "recovery twice equals once");
    });
}

#[test]
fn a_put_during_a_slow_commit_needs_no_later_put_to_be_saved() {
    for_each_seed(20, |seed| {
        let sim = Simulation::new(seed);
        let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
        let interval = config().flush_interval;
        let expected = sim.block_on(async {
            let env = machine.env();
            let mut tables = Tables::open(env.clone(), config()).await.unwrap();
            machine.disk().on_operation(move |operation| match operation.kind {
                OpKind::Flush => Verdict::Delay(3 * interval),
                _ => Verdict::Proceed,
            });
            tables.put(1, b"first", b"1").unwrap();
            env.sleep(interval + interval / 4).await;
            tables.put(1, b"second", b"2").unwrap();
            env.sleep(5 * interval).await;
            all(&tables)
        });
        assert_eq!(reopened(machine.crash(Crash::Process)).0, expected, "seed {seed:#x}");
    });
}

#[test]
fn what_a_crash_cut_off_never_comes_back_behind_later_puts() {
    for_each_seed(200, |seed| {
        let mut disk = SimDisk::new();
        let mut expected = Model::new();
        for life in 0..4 {
            let sim = Simulation::new(seed.wrapping_add(life));
            let machine = sim.machine([10, 0, 0, 1], disk);
            let in_doubt = sim.block_on(async {
                let mut tables = Tables::open(machine.env(), config()).await.unwrap();
                let found = all(&tables);
                if life > 0 && found != expected {
                    // Whatever was in flight at the crash, or nothing of it.
                    assert!(
                        found.len() >= expected.len() && found.values().all(|value| value[0] < life as u8)
                    );
                }
                expected = found;
                for key in 0..6u8 {
                    tables.put(0, &[key], &[life as u8; 3000]).unwrap();
                    expected.insert((0, vec![key]), vec![life as u8; 3000]);
                    tables.durable().await.unwrap();
                }
                tables.put(0, b"in doubt", &[life as u8; 9000]).unwrap();
                // Kept alive: what is put is on its way while the world goes on.
                [tables.durable()]
            });
            sim.run_steps(sim.random().below(12));
            drop(in_doubt);
            disk = machine.crash(Crash::Power);
            let (found, _) = reopened(disk.snapshot());
            for (key, value) in &expected {
                if key.1 != b"in doubt" {
                    assert!(found.get(key) == Some(value), "{:?}", key.1);
                }
            }
        }
    });
}

#[test]
fn a_failed_write_or_flush_is_final() {
    for kind in [OpKind::Write, OpKind::Flush] {
        let sim = Simulation::new(3);
        let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
        sim.block_on(async {
            let mut tables = Tables::open(machine.env(), config()).await.unwrap();
            tables.put(1, b"kept", b"1").unwrap();
            tables.durable().await.unwrap();
            let eio = 5;
            machine.disk().inject(FaultRule::once(kind, "tables", eio));
            tables.put(1, b"lost", b"1").unwrap();
            assert!(matches!(tables.durable().await, Err(TablesError::Failed { .. })));
            machine.disk().heal();
            assert!(matches!(tables.put(1, b"later", b"1"), Err(TablesError::Failed { .. })));
            assert!(matches!(tables.durable().await, Err(TablesError::Failed { .. })));
            assert_eq!(tables.get(1, b"kept").as_deref(), Some(&b"1"[..]));
        });
    }
}

#[test]
fn a_full_disk_is_survived_and_the_puts_are_saved_when_space_returns() {
    let sim = Simulation::new(4);
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    sim.block_on(async {
        let mut tables = Tables::open(machine.env(), config()).await.unwrap();
        machine.disk().inject(FaultRule::forever(OpKind::Write, "tables", 28));
        tables.put(1, b"a", b"1").unwrap();
        assert!(matches!(tables.durable().await, Err(TablesError::NoSpace { .. })));
        tables.put(1, b"b", b"2").unwrap();
        machine.disk().heal();
        machine.env().sleep(Duration::from_secs(3)).await;
    });
    let (found, _) = reopened(machine.crash(Crash::Power));
    assert_eq!(found.len(), 2, "saved by the next interval, without a wait");
}

#[test]
fn damage_below_a_later_commit_is_refused_and_not_cut() {
    let sim = Simulation::new(5);
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    sim.block_on(async {
        let mut tables = Tables::open(machine.env(), config()).await.unwrap();
        for key in 0..4u8 {
            tables.put(0, &[key], &[7; 100]).unwrap();
            tables.durable().await.unwrap();
        }
        drop(tables);
        let disk = machine.disk();
        let file = disk.files().into_iter().find(|name| name.contains("journal")).unwrap();
        // Blocks: start, empty base, then one for each key.
        disk.corrupt(&file, 3 * 4096 + 50, 1, rt::sim::Corruption::FlipBit);
        let again = Tables::open(machine.env(), config()).await;
        assert!(matches!(again, Err(TablesError::Damaged { .. })));
    });
}

#[test]
fn limits_refuse_before_anything_changes() {
    let sim = Simulation::new(6);
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    sim.block_on(async {
        let config = TablesConfig { bytes_max: 1000, ..config() };
        let mut tables = Tables::open(machine.env(), config).await.unwrap();
        assert!(
            tables.put(0, &[0; KEY_MAX], b"").is_err_and(|error| matches!(error, TablesError::Full { .. }))
        );
        let over = tables.put(0, &[0; KEY_MAX + 1], b"");
        assert!(matches!(over, Err(TablesError::TooLarge { .. })));
        let over = tables.put(0, b"", &vec![0; VALUE_MAX + 1]);
        assert!(matches!(over, Err(TablesError::TooLarge { .. })));
        assert_eq!(tables.bytes(), 0);
        tables.put(0, b"key", b"value").unwrap();
        assert_eq!(tables.bytes(), 8);
    });
}

proptest! {
    #[test]
    fn hot_keys_are_written_once_per_commit(values in prop::collection::vec(any::<u64>(), 1..200)) {
        let mut map = Map::default();
        for value in &values {
            map.apply(Change::Put { table: 2, key: b"group@topic@0", value: &value.to_be_bytes() });
        }
        let pending = map.take_pending(Vec::new());
        let decoded: Vec<_> = operation::decode(&pending).map(Option::unwrap).collect();
        let last = values.last().unwrap().to_be_bytes();
        prop_assert_eq!(decoded, vec![Change::Put { table: 2, key: b"group@topic@0", value: &last }]);
    }

    #[test]
    fn no_bytes_panic_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = operation::decode(&bytes).count();
        let _ = operation::payloads(&bytes).count();
    }
}
