//! Simulated time.

use std::time::Duration;

use rt::sim::{SimDisk, Simulation};
use rt::{Class, Env};

#[test]
fn a_task_that_only_yields_does_not_stop_the_clock() {
    let sim = Simulation::new(0);
    let env = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
    let busy = env.clone();
    env.spawn(Class::Housekeeping, async move {
        loop {
            busy.yield_now().await;
        }
    });
    sim.block_on(env.sleep(Duration::from_micros(500)));
    assert!(sim.now().0 >= 500_000);
}

#[test]
fn wall_clocks_can_be_wrong_where_monotonic_ones_are_not() {
    let sim = Simulation::new(0);
    let machine = sim.machine([10, 0, 0, 1], SimDisk::new());
    let env = machine.env();
    let before = env.now();
    machine.shift_clock_ms(-3_600_000);
    let after = env.now();
    assert_eq!((after.unix_ms - before.unix_ms, after.mono), (-3_600_000, before.mono));
}
