use std::time::Duration;

use rt::sim::{Corruption, Crash, SimDisk, SimEnv, Simulation, for_each_seed};

use super::*;

fn config() -> IndexConfig {
    IndexConfig {
        run_keys: 3000,
        run_log_bytes: 1 << 20,
        merge_runs: 3,
        merge_keys_max: 30_000,
        ..IndexConfig::new("/index".into(), ReadGate::new(8))
    }
}

/// What was added: position, store time, keys.
#[derive(Clone, Default)]
struct Model {
    records: Vec<(u64, i64, Vec<String>)>,
    log: LogPositions,
}

impl Model {
    fn hits(&self, key: &str, max: usize, from_ms: i64, to_ms: i64) -> Vec<KeyHit> {
        let carries = |record: &&(u64, i64, Vec<String>)| {
            record.0 >= self.log.min.get()
                && (from_ms..=to_ms).contains(&record.1)
                && record.2.iter().any(|other| other == key)
        };
        let hit = |record: &(u64, i64, Vec<String>)| KeyHit {
            at: PhysicalOffset::new(record.0),
            stored_at_ms: record.1,
        };
        self.records.iter().rev().filter(carries).take(max).map(hit).collect()
    }
}

fn add(index: &mut KeyIndex<SimEnv>, record: &(u64, i64, Vec<String>)) {
    let (unique, rest) = record.2.split_first().unwrap();
    let keys = rest.join("  ");
    index.add(
        b"Orders",
        Some(unique.as_bytes()),
        Some(keys.as_bytes()),
        PhysicalOffset::new(record.0),
        record.1,
    );
}

async fn check(index: &KeyIndex<SimEnv>, model: &Model, sim: &Simulation) {
    let last_ms = model.records.last().map_or(0, |record| record.1);
    for round in 0..40 {
        let key = match round % 2 {
            0 => format!("key{}", sim.random().below(60)),
            _ => format!("unique{}", sim.random().below(model.records.len() as u64 + 10)),
        };
        let max = sim.random().between(1, 64) as usize;
        let from = sim.random().below(last_ms as u64 + 10) as i64;
        let to = from + sim.random().below(last_ms as u64 + 10) as i64;
        for (from, to) in [(0, i64::MAX), (from, to)] {
            let found = index.query(b"Orders", key.as_bytes(), max, from, to).await.unwrap();
            assert_eq!(found, model.hits(&key, max, from, to), "{key} {max} {from} {to}");
        }
        assert!(index.query(b"Other", key.as_bytes(), max, 0, i64::MAX).await.unwrap().is_empty());
    }
}

fn grow(model: &mut Model, sim: &Simulation) -> (u64, i64, Vec<String>) {
    let at = model.log.end.get();
    let stored_at_ms = (at / 700) as i64;
    let mut keys = vec![format!("unique{}", model.records.len())];
    keys.extend((0..sim.random().below(3)).map(|_| format!("key{}", sim.random().below(50))));
    model.log.end = model.log.end.plus(sim.random().between(100, 300));
    model.records.push((at, stored_at_ms, keys));
    model.records.last().unwrap().clone()
}

#[test]
fn the_index_equals_a_linear_scan_through_runs_merges_retention_and_crashes() {
    for_each_seed(4, |seed| {
        let (mut disk, mut model) = (SimDisk::new(), Model::default());
        for life in 0..3 {
            let sim = Simulation::new(seed ^ life);
            let machine = sim.machine([10, 0, 0, 1], disk);
            sim.block_on(async {
                let (mut index, covered) = KeyIndex::open(machine.env(), config()).await.unwrap();
                assert!(covered <= model.log.flushed);
                for record in model.records.iter().filter(|record| record.0 >= covered.get()) {
                    add(&mut index, record);
                }
                index.end_of_turn(model.log);
                check(&index, &model, &sim).await;
                for step in 0..8000 {
                    let record = grow(&mut model, &sim);
                    add(&mut index, &record);
                    if step % 50 == 0 {
                        if sim.random().chance(50) {
                            model.log.flushed = model.log.end;
                        }
                        if sim.random().chance(3) {
                            model.log.min = PhysicalOffset::new(model.log.end.get() / 3);
                        }
                        index.end_of_turn(model.log);
                        machine.env().sleep(Duration::from_millis(sim.random().below(4))).await;
                    }
                }
                check(&index, &model, &sim).await;
            });
            disk = machine.crash([Crash::Process, Crash::Os, Crash::Power][sim.random().below(3) as usize]);
            let flushed = model.log.flushed;
            model.records.retain(|record| record.0 < flushed.get());
            model.log.end = flushed;
        }
        let sim = Simulation::new(seed);
        let machine = sim.machine([10, 0, 0, 1], disk);
        sim.block_on(async {
            let (mut index, covered) = KeyIndex::open(machine.env(), config()).await.unwrap();
            for record in model.records.iter().filter(|record| record.0 >= covered.get()) {
                add(&mut index, record);
            }
            index.end_of_turn(model.log);
            check(&index, &model, &sim).await;
            index.close(model.log).await.unwrap();
            let (mut index, covered) = KeyIndex::open(machine.env(), config()).await.unwrap();
            assert_eq!(covered, model.log.end, "nothing to replay after a clean stop");
            index.end_of_turn(model.log);
            check(&index, &model, &sim).await;
        });
    });
}

/// A closed index of `records` records in several runs.
fn filled(sim: &Simulation, records: usize) -> (SimDisk, Model) {
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    let mut model = Model::default();
    sim.block_on(async {
        let config = IndexConfig { merge_runs: 100, ..config() };
        let (mut index, _) = KeyIndex::open(machine.env(), config).await.unwrap();
        for _ in 0..records {
            let record = grow(&mut model, sim);
            add(&mut index, &record);
            model.log.flushed = model.log.end;
            if index.state_keys() % 1000 == 0 {
                index.settle(model.log).await.unwrap();
            }
        }
        index.close(model.log).await.unwrap();
    });
    (machine.crash(Crash::Power), model)
}

impl KeyIndex<SimEnv> {
    fn state_keys(&self) -> usize {
        self.shared.state.borrow().young.keys()
    }
}

#[test]
fn a_lookup_reads_two_pages_of_a_run() {
    let sim = Simulation::new(1);
    let (disk, model) = filled(&sim, 1400);
    let sim = Simulation::new(2);
    let machine = sim.machine([10, 0, 0, 1], disk);
    sim.block_on(async {
        let (index, _) = KeyIndex::open(machine.env(), config()).await.unwrap();
        assert_eq!(index.shared.state.borrow().runs.len(), 1);
        let before = machine.disk().statistics().reads;
        for number in 0..100 {
            let key = format!("unique{number}");
            let found = index.query(b"Orders", key.as_bytes(), 32, 0, i64::MAX).await.unwrap();
            assert_eq!(found, model.hits(&key, 32, 0, i64::MAX));
        }
        let reads = machine.disk().statistics().reads - before;
        assert!(reads <= 210, "{reads} reads for 100 look-ups");
    });
}

#[test]
fn a_damaged_page_is_reported_and_a_damaged_run_is_built_again() {
    let sim = Simulation::new(1);
    let (disk, model) = filled(&sim, 9000);
    let mut runs: Vec<_> = disk.files().into_iter().filter(|name| name.ends_with(".run")).collect();
    runs.sort();
    assert!(runs.len() >= 3);
    let last_page = disk.contents(&runs[1]).unwrap().len() as u64 - 4096;
    disk.corrupt(&runs[0], 0, 4096, Corruption::Garbage(1));
    disk.corrupt(&runs[1], last_page + 20, 1, Corruption::FlipBit);
    let sim = Simulation::new(2);
    let machine = sim.machine([10, 0, 0, 1], disk);
    sim.block_on(async {
        let (mut index, covered) = KeyIndex::open(machine.env(), config()).await.unwrap();
        assert_eq!(index.shared.state.borrow().runs.len(), 1, "what lies behind the damaged run goes too");
        for record in model.records.iter().filter(|record| record.0 >= covered.get()) {
            add(&mut index, record);
        }
        let late = model.hits("unique8999", 1, 0, i64::MAX);
        assert_eq!(late.len(), 1);
        assert_eq!(index.query(b"Orders", b"unique8999", 1, 0, i64::MAX).await.unwrap(), late);
        let mut damaged = 0;
        for number in 0..600 {
            let key = format!("unique{number}");
            match index.query(b"Orders", key.as_bytes(), 1, 0, i64::MAX).await {
                Ok(found) => assert_eq!(found, model.hits(&key, 1, 0, i64::MAX)),
                Err(IndexError::Corrupt { page: 0, .. }) => damaged += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(damaged > 10, "{damaged}");
    });
}

#[test]
fn thousands_of_records_with_one_key_are_found_newest_first() {
    let sim = Simulation::new(3);
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    let (mut model, config) =
        (Model::default(), IndexConfig { run_keys: 24_000, run_log_bytes: 1 << 30, ..config() });
    sim.block_on(async {
        let (mut index, _) = KeyIndex::open(machine.env(), config).await.unwrap();
        for number in 0..12_000 {
            let (at, stored_at_ms, _) = grow(&mut model, &sim);
            let record = (at, stored_at_ms, vec![format!("unique{number}"), "same".to_owned()]);
            *model.records.last_mut().unwrap() = record.clone();
            add(&mut index, &record);
            if number % 500 == 0 {
                model.log.flushed = model.log.end;
                index.end_of_turn(model.log);
                machine.env().sleep(Duration::from_millis(1)).await;
            }
        }
        model.log.flushed = model.log.end;
        index.settle(model.log).await.unwrap();
        assert_eq!(index.state_keys(), 0, "all of it is a run");
        for key in ["same", "unique0", "unique11999"] {
            let found = index.query(b"Orders", key.as_bytes(), 20_000, 0, i64::MAX).await.unwrap();
            assert_eq!(found, model.hits(key, 20_000, 0, i64::MAX), "{key}");
        }
    });
}
