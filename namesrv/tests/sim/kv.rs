//! The key-value file after every kind of crash and fault: what was answered is there, what was not is there whole or
//! not at all.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use namesrv::kv::{Change, Kv, KvTable};
use net::requests::{GetKvConfig, PutKvConfig, RequestHeader};
use rt::sim::{Crash, FaultRule, OpKind, SimDisk, Simulation, for_each_seed};

use crate::hosts::{KV_FILE, NAME_SERVER, Peer, serve};

fn put(number: u64) -> Change {
    Change::Put { namespace: "n".into(), key: format!("k{}", number % 3), value: number.to_string() }
}

/// The table after the first `count` changes.
fn after(count: u64) -> KvTable {
    let mut table = KvTable::default();
    (0..count).for_each(|number| table.apply(&put(number)));
    table
}

/// Makes changes one by one (or in bursts) until the disk freezes before operation `cut`; returns the disk's machine
/// after the crash and how many changes were answered. `None` if all of them were.
fn cut_course(seed: u64, cut: u64, kind: Crash, burst: u64) -> Option<(SimDisk, u64)> {
    let sim = Simulation::new(seed);
    let host = sim.machine(NAME_SERVER, SimDisk::new());
    let env = host.env();
    let kv: Kv<_, u64> = sim.block_on(Kv::open(env.clone(), Path::new(KV_FILE))).unwrap();
    host.disk().freeze_at(host.disk().statistics().operations + cut);
    let answered = Rc::new(RefCell::new(0));
    let (mut next, told) = (0, answered.clone());
    let done = sim.run_until(Duration::from_secs(10), || {
        while let Some((_, outcome)) = kv.next_done() {
            outcome.unwrap();
            *told.borrow_mut() += 1;
        }
        let answered = *told.borrow();
        while next < CHANGES && next < answered + burst {
            kv.change(put(next), next);
            next += 1;
        }
        answered == CHANGES
    });
    let answered = *answered.borrow();
    (!done).then(|| (host.crash(kind), answered))
}

const CHANGES: u64 = 4;

#[test]
fn after_any_crash_every_answered_change_is_there_and_nothing_is_half_there() {
    let mut states = 0;
    for_each_seed(6, |seed| {
        for kind in [Crash::Process, Crash::Os, Crash::Power] {
            for burst in [1, 3] {
                for cut in 0.. {
                    let Some((disk, answered)) = cut_course(seed, cut, kind, burst) else { break };
                    states += 1;
                    let sim = Simulation::new(seed ^ 1);
                    let host = sim.machine(NAME_SERVER, disk);
                    let kv: Kv<_, ()> = sim.block_on(Kv::open(host.env(), Path::new(KV_FILE))).unwrap();
                    // Nothing older than what was answered; nothing that is not the table after some change.
                    let found = kv.read(KvTable::clone);
                    let fits = (answered..=CHANGES).any(|count| after(count) == found);
                    assert!(fits, "seed {seed:#x} {kind:?} cut {cut}: {answered} answered, {found:?}");
                }
            }
        }
    });
    assert!(states > 500, "{states}");
}

#[test]
fn a_change_whose_write_fails_is_refused_and_the_next_one_works() {
    for (kind, errno) in [
        (OpKind::Write, libc::ENOSPC),
        (OpKind::Write, libc::EIO),
        (OpKind::Flush, libc::EIO),
        (OpKind::Rename, libc::EIO),
        (OpKind::Create, libc::EACCES),
    ] {
        let sim = Simulation::new(5);
        let host = sim.machine(NAME_SERVER, SimDisk::new());
        let _server = serve(&sim, &host, |_| {});
        let mut peer = Peer::dial(&host);
        let put = |value| PutKvConfig { namespace: "n", key: "k", value };
        let get = GetKvConfig { namespace: "n", key: "k" };
        assert_eq!(peer.ask(&sim, &put("one"), b"").code, 0);
        host.disk().inject(FaultRule::forever(kind, "kv", errno));
        let refused = peer.ask(&sim, &put("two"), b"");
        assert_eq!(refused.code, 1, "{kind:?}");
        assert!(refused.remark.as_deref().unwrap().contains("kvConfig.json"), "{refused:?}");
        assert_eq!(peer.ask(&sim, &get, b"").ext, [("value".to_owned(), "one".to_owned())]);
        host.disk().heal();
        assert_eq!(peer.ask(&sim, &put("three"), b"").code, 0);
        assert_eq!(peer.ask(&sim, &get, b"").ext, [("value".to_owned(), "three".to_owned())]);
    }
}

#[test]
fn damage_with_nothing_to_fall_back_on_is_refused_by_name_and_left_alone() {
    let sim = Simulation::new(6);
    let host = sim.machine(NAME_SERVER, SimDisk::new());
    host.disk().install(KV_FILE, b"{\"configTable\":{\"n\":{\"k\"");
    let error = match sim.block_on(Kv::<_, ()>::open(host.env(), Path::new(KV_FILE))) {
        Ok(_) => panic!("opened a damaged file"),
        Err(error) => error.to_string(),
    };
    assert!(error.contains(KV_FILE) && error.contains("damaged"), "{error}");
    assert_eq!(host.disk().contents(KV_FILE).unwrap(), b"{\"configTable\":{\"n\":{\"k\"");
}

#[test]
fn a_change_is_not_seen_before_it_is_durable() {
    let sim = Simulation::new(7);
    let host = sim.machine(NAME_SERVER, SimDisk::new());
    let _server = serve(&sim, &host, |_| {});
    let mut peer = Peer::dial(&host);
    host.disk().freeze_at(host.disk().statistics().operations);
    let opaque = peer.send(PutKvConfig::CODE, &PutKvConfig { namespace: "n", key: "k", value: "v" }, b"");
    assert_eq!(peer.ask(&sim, &GetKvConfig { namespace: "n", key: "k" }, b"").code, 22);
    sim.run_for(Duration::from_secs(10));
    assert!(peer.answer(opaque).is_none());
}
