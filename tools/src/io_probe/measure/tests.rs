//! The probe on simulated disks: bounds, failures, and what is left behind (nothing).

use rt::sim::{FaultRule, OpKind, Repeat, SimDisk, Simulation};

use super::super::plan::{Series, plan};
use super::*;

const DIR: &str = "/data";
const LIMITS: Limits = Limits { time_ns: 1_000_000_000, bytes: BYTES_LEAST, scope: Scope::Usual };
const EIO: i32 = 5;

/// Gives up after so many questions.
struct Patience(Place<u64>);

impl Watch for Patience {
    fn begin(&self, _: &str, _: u64) {}

    fn stop(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }
}

fn cells() -> Vec<Cell> {
    cells_of(Scope::Usual)
}

fn cells_of(scope: Scope) -> Vec<Cell> {
    let facts = rt::real::device::Facts {
        filesystem: "simulated".into(),
        direct: true,
        direct_alignment: None,
        device: None,
    };
    plan(&facts, scope)
}

/// A probe of `disk`, and the files in its directory afterwards.
fn probe_with(disk: &SimDisk, patience: u64) -> (Result<Findings, ProbeError>, Vec<String>) {
    let sim = Simulation::new(7);
    let machine = sim.machine([10, 0, 0, 1], disk.clone());
    let env = machine.env();
    let watch = Rc::new(Patience(Place::new(patience)));
    let outcome = sim.block_on(async {
        env.disk().create_dir(DIR.as_ref()).await.unwrap();
        measure(&env, DIR.as_ref(), &cells(), LIMITS, watch).await
    });
    (outcome, disk.files())
}

fn probe(disk: &SimDisk) -> (Result<Findings, ProbeError>, Vec<String>) {
    probe_with(disk, u64::MAX)
}

#[test]
fn every_cell_is_measured_within_time_and_bytes_and_nothing_stays() {
    let disk = SimDisk::new();
    disk.install("/data/mine", b"not the probe's");
    let (outcome, files) = probe(&disk);
    let findings = outcome.unwrap();
    assert_eq!(findings.samples.iter().map(|sample| sample.cell).collect::<Vec<_>>(), cells());
    assert!(findings.samples.iter().all(|sample| sample.count() > 0));
    let statistics = disk.statistics();
    assert_eq!(findings.written, statistics.bytes_written, "what is told is what was done");
    assert!(statistics.bytes_written <= LIMITS.bytes, "{statistics:?}");
    let depth = cells().iter().map(|cell| cell.depth).max().unwrap();
    assert_eq!(statistics.writes_in_flight_max, depth as usize);
    assert_eq!(files, ["/data/mine"]);
}

#[test]
fn a_full_probe_keeps_its_bounds_and_says_what_it_left_out() {
    let limits = Limits { time_ns: 4_000_000_000, bytes: 256 << 20, scope: Scope::Full };
    let disk = SimDisk::new();
    let sim = Simulation::new(7);
    let machine = sim.machine([10, 0, 0, 1], disk.clone());
    let env = machine.env();
    let cells = cells_of(Scope::Full);
    let findings = sim.block_on(async {
        env.disk().create_dir(DIR.as_ref()).await.unwrap();
        measure(&env, DIR.as_ref(), &cells, limits, Rc::new(Patience(Place::new(u64::MAX)))).await.unwrap()
    });
    assert_eq!(findings.samples.len() + findings.left_out.len(), cells.len());
    assert!(!findings.left_out.is_empty(), "64 MiB in flight are more than a cell's share");
    let statistics = disk.statistics();
    assert_eq!(findings.written, statistics.bytes_written, "what is told is what was done");
    assert!(statistics.bytes_written <= limits.bytes, "{statistics:?}");
    let steady = findings.steady.unwrap();
    assert!(!steady.mib_s.is_empty() && steady.bytes > 0, "{steady:?}");
    assert_eq!(disk.files(), [""; 0]);
}

#[test]
fn reads_and_commits_beside_each_other_are_both_measured_and_counted() {
    let disk = SimDisk::new();
    let findings = probe(&disk).0.unwrap();
    let beside = |op| {
        let wanted = |sample: &&Sample| sample.cell.series == Series::Beside && sample.cell.op == op;
        findings.samples.iter().find(wanted).unwrap().count()
    };
    assert!(beside(Op::Read) > 0 && beside(Op::Fdatasync) > 0);
    let segment = findings.segment.unwrap();
    assert!(segment.bytes == findings.file_bytes && segment.commits.count() > 0, "{segment:?}");
    assert!(segment.create_us.is_some(), "{segment:?}");
}

#[test]
fn time_ends_a_probe_of_a_slow_disk() {
    let disk = SimDisk::new();
    let latency = rt::sim::DiskLatency {
        io_ns: (9_000_000, 11_000_000),
        flush_ns: (20_000_000, 30_000_000),
        spike_one_in: 1_000,
        spike_ns: 1,
    };
    disk.set_latency(latency);
    let sim = Simulation::new(7);
    let machine = sim.machine([10, 0, 0, 1], disk.clone());
    let env = machine.env();
    let watch = Rc::new(Patience(Place::new(u64::MAX)));
    let findings = sim.block_on(async {
        env.disk().create_dir(DIR.as_ref()).await.unwrap();
        measure(&env, DIR.as_ref(), &cells(), LIMITS, watch).await.unwrap()
    });
    // Each cell may overrun by the operations it has in flight, which here take longer than its share.
    assert!(sim.now().as_ms() < 1_000 + 60 * cells().len() as u64, "{} ms", sim.now().as_ms());
    let small = |op| {
        let mut all = findings.samples.iter();
        all.find(|sample| sample.cell.series == Series::Flush && sample.cell.op == op).unwrap().clone()
    };
    let write_us = small(Op::Write).quantile_us(0.5).unwrap();
    let flushed_us = small(Op::Fdatasync).quantile_us(0.5).unwrap();
    assert!((9_000.0..12_000.0).contains(&write_us), "{write_us}");
    assert!((29_000.0..42_000.0).contains(&flushed_us), "{flushed_us}");
}

#[test]
fn a_failing_operation_of_any_kind_is_named_and_the_files_go() {
    for (kind, after, op) in [
        (OpKind::Create, 0, "open"),
        (OpKind::Write, 3, "write"),
        (OpKind::Write, 20, "write"),
        (OpKind::DurableWrite, 1, "durable write"),
        (OpKind::Flush, 0, "flush"),
        (OpKind::Flush, 5, "flush"),
        (OpKind::Read, 2, "read"),
        (OpKind::Allocate, 0, "allocate"),
    ] {
        let disk = SimDisk::new();
        disk.inject(FaultRule {
            kind,
            path_contains: "io-probe",
            after,
            repeat: Repeat::Forever,
            errno: EIO,
        });
        let (outcome, files) = probe(&disk);
        let error = outcome.unwrap_err();
        assert!(matches!(&error, ProbeError::Io { op: found, .. } if *found == op), "{kind:?}: {error:?}");
        assert!(error.to_string().contains("os error 5"), "{error}");
        assert_eq!(files, [""; 0], "{kind:?}");
    }
}

#[test]
fn a_disk_that_fills_up_ends_the_probe_and_gets_its_room_back() {
    for capacity in [1 << 20, 6 << 20] {
        let disk = SimDisk::new();
        disk.set_capacity(Some(capacity));
        let (outcome, files) = probe(&disk);
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("os error 28"), "{error}");
        assert_eq!(files, [""; 0]);
    }
}

#[test]
fn an_interrupt_anywhere_leaves_nothing() {
    for patience in [1, 2, 30, 300, 1000] {
        let disk = SimDisk::new();
        let (outcome, files) = probe_with(&disk, patience);
        assert!(matches!(outcome, Err(ProbeError::Interrupted)), "{patience}: {outcome:?}");
        assert_eq!(files, [""; 0], "{patience}");
    }
}

#[test]
fn what_a_killed_probe_left_is_removed_by_the_next() {
    let disk = SimDisk::new();
    for name in [FILE, GROWN, LOCK] {
        disk.install(format!("{DIR}/{name}"), &[1; 4096]);
    }
    let (outcome, files) = probe(&disk);
    outcome.unwrap();
    assert_eq!(files, [""; 0]);
}

#[test]
fn files_that_cannot_be_removed_are_told() {
    let disk = SimDisk::new();
    let rule = FaultRule {
        kind: OpKind::Remove,
        path_contains: FILE,
        after: 0,
        repeat: Repeat::Forever,
        errno: EIO,
    };
    disk.inject(rule);
    let error = probe(&disk).0.unwrap_err();
    assert!(matches!(error, ProbeError::Io { op: "remove", .. }), "{error:?}");
}
