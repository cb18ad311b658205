//! [`Part`]: what one thread of a run does; and how connections, queues and consumers are dealt to threads.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use net::body::{HeartbeatData, ProducerData};
use net::client::{RequestHead, encode};
use net::requests::{HeartBeat, RequestHeader};

use crate::bench::act::Class;
use crate::bench::arrivals::Schedule;
use crate::bench::driver::Place;
use crate::bench::keys;
use crate::bench::plan::Plan;
use crate::bench::popper::PopperPlan;
use crate::bench::receiver::{Assignment, Reading, ReceiverPlan};
use crate::bench::sender::{SendLine, SenderPlan};
use crate::bench::stage::{Broker, Queue};
use crate::bench::template::{Body, Head, Shape};

use super::nanos;

/// What one thread does.
#[derive(Debug)]
pub struct Part {
    /// Where it runs and whom it calls.
    pub place: Place,
    /// What it sends.
    pub sender: Option<SenderPlan>,
    /// What it receives.
    pub receiver: Option<ReceiverPlan>,
    /// What it pops.
    pub popper: Option<PopperPlan>,
}

/// The parts of a run that sends: connections dealt to threads in turn.
#[must_use]
pub fn sending_parts(plan: &Plan, brokers: &[Broker], queues: &[Queue]) -> Vec<Part> {
    let lines = plan.connections as usize * brokers.len();
    let threads = plan.cpus.len().min(lines);
    let timeout_ns = nanos(plan.timeout);
    let acts = plan.acts();
    let beat = beat(plan);
    (0..threads)
        .map(|thread| {
            let mut heads = Vec::new();
            let mut of_broker = BTreeMap::new();
            let mine: Vec<usize> = (thread..lines).step_by(threads).collect();
            for broker in mine.iter().map(|line| line % brokers.len()) {
                of_broker.entry(broker).or_insert_with(|| {
                    Class::ALL.map(|class| {
                        let from = heads.len();
                        if acts.has(class) {
                            heads.extend(heads_of(plan, class, broker, queues));
                        }
                        from..heads.len()
                    })
                });
            }
            let send_lines = mine
                .iter()
                .map(|line| SendLine {
                    stream: u16::try_from(*line).unwrap_or(u16::MAX),
                    heads: of_broker[&(line % brokers.len())].clone(),
                    schedule: plan.rate.map(|rate| {
                        let requests = rate / plan.shape.batch as f64;
                        Schedule::new(plan.arrivals, requests, *line as u64, lines as u64, plan.seed)
                    }),
                    budget: plan.messages.map(|messages| share(messages, *line, lines, plan.shape.batch)),
                })
                .collect();
            let sender = SenderPlan {
                lines: send_lines,
                heads,
                bodies: Body::all(&plan.shape, &plan.bodies),
                keys: plan.keys.clone(),
                spread: plan.spread.map_or_else(Vec::new, |exponent| {
                    let queues = u32::try_from(queues.len()).expect("fewer queues than a u32");
                    keys::zipf(exponent, queues, plan.seed)
                }),
                inflight: plan.inflight,
                timeout_ns,
                oneway: plan.shape.oneway,
                verify: plan.verify,
                run: plan.run,
                acts: acts.clone(),
                group: plan.shape.group.clone(),
                codec: plan.shape.codec,
                beat: beat.clone(),
            };
            let addresses = mine.iter().map(|line| brokers[line % brokers.len()].socket).collect();
            let place = place(plan, thread, addresses);
            Part { place, sender: Some(sender), receiver: None, popper: None }
        })
        .collect()
}

/// Adds consumers to `parts`: consumer k has connections of its own, on thread k modulo their number.
pub fn add_consumers(
    parts: &mut Vec<Part>,
    plan: &Plan,
    readers: Readers,
    brokers: &[Broker],
    queues: &[(Queue, Reading)],
) {
    let Readers { consumers, deliveries, suspend, budget } = readers;
    let threads = plan.cpus.len().max(parts.len()).min(consumers.max(parts.len())).max(1);
    while parts.len() < threads {
        parts.push(Part {
            place: place(plan, parts.len(), Vec::new()),
            sender: None,
            receiver: None,
            popper: None,
        });
    }
    for consumer in 0..consumers {
        let mine: Vec<&(Queue, Reading)> = if consumers <= queues.len() {
            queues.iter().skip(consumer).step_by(consumers).collect()
        } else {
            vec![&queues[consumer % queues.len()]]
        };
        let part = &mut parts[consumer % threads];
        let receiver = part.receiver.get_or_insert_with(|| ReceiverPlan {
            assignments: Vec::new(),
            lines: part.place.lines.len()..part.place.lines.len(),
            codec: plan.shape.codec,
            group: plan.group.clone(),
            filter: plan.filter.clone(),
            sql: plan.sql,
            count: plan.pull,
            suspend_ms: suspend,
            timeout_ns: nanos(plan.timeout),
            verify: plan.verify,
            deliveries,
            due_property: plan.shape.due_property.clone().filter(|_| plan.follow),
            run: plan.run,
            budget: budget.map(|budget| budget.div_ceil(threads as u64)),
        });
        let mut line_of = BTreeMap::new();
        for (queue, reading) in mine {
            let line = *line_of.entry(queue.broker).or_insert_with(|| {
                part.place.lines.push(brokers[queue.broker].socket);
                part.place.lines.len() - 1
            });
            receiver.assignments.push(Assignment {
                line,
                topic: queue.topic.clone(),
                queue: queue.id,
                reading: reading.clone(),
            });
        }
        receiver.lines.end = part.place.lines.len();
    }
}

/// The parts of a run that pops: consumers dealt to threads in turn, each with a connection to each broker.
#[must_use]
pub fn popping_parts(
    plan: &Plan,
    brokers: &[Broker],
    names: &[String],
    topics: &[String],
    consumers: usize,
) -> Vec<Part> {
    let threads = plan.cpus.len().min(consumers).max(1);
    (0..threads)
        .map(|thread| {
            let mine = || (thread..consumers).step_by(threads).flat_map(|_| brokers.iter().zip(names));
            let popper = PopperPlan {
                brokers: mine().map(|(_, name)| name.clone()).collect(),
                first_line: 0,
                topics: topics.to_vec(),
                codec: plan.shape.codec,
                group: plan.group.clone(),
                count: plan.pull,
                inflight: plan.inflight,
                timeout_ns: nanos(plan.timeout),
            };
            let lines = mine().map(|(broker, _)| broker.socket).collect();
            let place = place(plan, thread, lines);
            Part { place, sender: None, receiver: None, popper: Some(popper) }
        })
        .collect()
}

fn place(plan: &Plan, thread: usize, lines: Vec<SocketAddr>) -> Place {
    Place { lines, cpu: plan.cpus[thread], spin: plan.spin, reconnect: plan.reconnect }
}

/// How consumers read.
#[derive(Clone, Copy, Debug)]
pub struct Readers {
    /// How many.
    pub consumers: usize,
    /// Latencies are those of deliveries.
    pub deliveries: bool,
    /// How long the broker may hold a pull, ms.
    pub suspend: i64,
    /// Messages to receive, all consumers together.
    pub budget: Option<u64>,
}

fn heads_of(plan: &Plan, class: Class, broker: usize, queues: &[Queue]) -> Vec<Head> {
    let tags: Vec<Option<String>> =
        if plan.tags.is_empty() { vec![None] } else { plan.tags.iter().cloned().map(Some).collect() };
    // Queue first, so that neighbouring messages go to different queues.
    tags.into_iter()
        .flat_map(|tag| {
            let shape = Shape { tag, class, ..plan.shape.clone() };
            let mine = queues.iter().filter(move |queue| queue.broker == broker);
            mine.map(move |queue| Head::new(&shape, &queue.topic, queue.id)).collect::<Vec<_>>()
        })
        .collect()
}

/// A heartbeat of the producer group: brokers ask those they heard of about undecided transactions.
fn beat(plan: &Plan) -> Vec<u8> {
    let body = HeartbeatData {
        client_id: format!("ringmq-bench@{:08x}", plan.run),
        producers: vec![ProducerData { group_name: plan.shape.group.clone() }],
        ..HeartbeatData::default()
    };
    let body = net::json::to_vec(&body, net::json::Style::Standard);
    let mut bytes = Vec::new();
    // No number of a send: its answer is nobody's.
    let head = RequestHead { codec: plan.shape.codec, code: HeartBeat::CODE, opaque: 1, oneway: false };
    encode(&mut bytes, head, &HeartBeat {}, &body);
    bytes
}

/// What connection `line` sends of `messages`, in whole requests.
fn share(messages: u64, line: usize, lines: usize, batch: usize) -> u64 {
    let (lines, batch) = (lines as u64, batch as u64);
    let requests = messages.div_ceil(batch);
    let mine = requests / lines + u64::from((line as u64) < requests % lines);
    mine * batch
}
