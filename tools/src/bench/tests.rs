//! The generator against a scripted server in simulation: what it measures and what it finds is known beforehand.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rt::sim::{NetProfile, SimDisk, Simulation};

use super::crew::{self, Readers};
use super::driver::Driver;
use super::engine::{Control, Engine, Outages};
use super::plan::{Kind, Plan, tests::plan};
use super::receiver::{Reading, Receiver};
use super::recorder::{Interval, Phase, Times};
use super::sender::Sender;
use super::stage::{Broker, Queue};
use super::verify::Verdict;

mod acts;
mod measuring;
mod outages;
mod server;
mod verification;

use server::{Script, Server};

const TOPIC: &str = "T";
const QUEUES: i32 = 2;

/// What a run in simulation gave.
struct Ran {
    total: Interval,
    intervals: Vec<Interval>,
    verdict: Verdict,
    unsent: u64,
    outages: Outages,
    failure: Option<String>,
    /// Of everything that happened in the simulation.
    trace: u64,
}

fn run(seed: u64, script: Script, kind: Kind, arguments: &[&str]) -> Ran {
    run_until(seed, script, kind, arguments, |_, _| {})
}

/// Runs a plan of one thread; `meddle` is called every 100 ms.
fn run_until(
    seed: u64,
    script: Script,
    kind: Kind,
    arguments: &[&str],
    mut meddle: impl FnMut(u64, &Simulation),
) -> Ran {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--seed=1", "--cpus=0"]).collect();
    let plan = Plan { run: 9, ..plan(kind, &arguments) };
    let plan = Plan { shape: super::template::Shape { run: 9, ..plan.shape.clone() }, ..plan };
    let sim = Simulation::new(seed);
    sim.network().set_profile(NetProfile { delay_ns: (10_000, 20_000), ..NetProfile::default() });
    let server = sim.machine([10, 0, 0, 1], SimDisk::new());
    let at = Server::start(&server.env(), script);
    let brokers = [Broker { name: String::new(), address: at.to_string(), socket: at }];
    let queues: Vec<Queue> = (0..QUEUES).map(|id| Queue { topic: TOPIC.into(), broker: 0, id }).collect();
    let mut parts = crew::sending_parts(&plan, &brokers, &queues);
    if plan.has_consumers() || kind == Kind::Tx {
        let readings: Vec<_> = queues.iter().cloned().map(|queue| (queue, Reading::Follow(0))).collect();
        let readers = Readers { consumers: 1, deliveries: true, suspend: 15_000, budget: None };
        crew::add_consumers(&mut parts, &plan, readers, &brokers, &readings);
    }
    let part = parts.pop().unwrap();
    let control = Arc::new(Control::default());
    let start = 50_000_000;
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap();
    let measured = start + nanos(plan.warmup);
    let end = plan.duration.map_or(u64::MAX, |duration| measured + nanos(duration));
    control.times.set(Times { start, measured, end, interval: nanos(plan.interval) }).unwrap();
    let (out, intervals) = mpsc::channel();
    let pair = (part.sender.map(Sender::new), part.receiver.map(Receiver::new));
    let engine = Engine::new(control, pair, None, (1, 1), nanos(plan.timeout + plan.longest_delay()), out);
    let client = sim.machine([10, 0, 0, 2], SimDisk::new());
    let env = client.env();
    let driver = Rc::new(RefCell::new(Driver::connect(env.clone(), &part.place, engine)));
    env.drive(&driver);
    let mut step = 0;
    while env.is_driven() {
        sim.run_for(Duration::from_millis(100));
        meddle(step, &sim);
        step += 1;
        assert!(step < 10_000, "the run does not end");
    }
    let driver = driver.borrow();
    let intervals: Vec<Interval> = intervals.try_iter().collect();
    let mut total = Interval::new(Phase::Measured, 0);
    intervals
        .iter()
        .filter(|interval| interval.phase != Phase::WarmUp)
        .for_each(|interval| total.add(interval));
    Ran {
        total,
        intervals,
        verdict: driver.work.ledger.verdict(),
        unsent: driver.work.sender.as_ref().unwrap().unsent_messages,
        outages: driver.work.outages,
        failure: driver.failure.as_ref().map(ToString::to_string),
        trace: sim.trace_hash(),
    }
}

const OPEN: [&str; 5] = ["--rate=1000/s", "--connections=1", "--warmup=1s", "--duration=4s", "--size=100"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    OPEN.iter().copied().chain(more.iter().copied()).collect()
}
