//! Operations that take time: their memory, their order, and a hook that sees them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rt::sim::{OpKind, Simulation, Verdict, for_each_seed};
use rt::{BLOCK, Class, DiskFile, Env};

use crate::{DIRECT, LOG, blocks, filled_file, machine};

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
        let order = Rc::new(RefCell::new(Vec::new()));
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
fn a_hook_sees_every_operation_and_may_slow_it_down() {
    let sim = Simulation::new(14);
    let machine = machine(&sim);
    let seen = Rc::new(RefCell::new(Vec::new()));
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
