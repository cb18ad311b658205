use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::queue_log::RecentPages;

fn state(memory_bytes: usize) -> State {
    State::new(7, 1 << 16, RecentPages::new(0, memory_bytes))
}

fn entry(at: u64) -> Entry {
    Entry { at: PhysicalOffset::new(at), size: 100, tags_code: -(at as i64) }
}

fn read_all(state: &State, handle: u32, from: u64) -> (Vec<(u64, Entry)>, Reach) {
    let mut seen = Vec::new();
    let reach = state.read(handle, from, |offset, entry, _| {
        seen.push((offset, entry));
        ControlFlow::Continue(())
    });
    (seen, reach)
}

#[derive(Clone, Debug)]
enum Step {
    Push { queue: u32, count: u16 },
    Skip { queue: u32, by: u16 },
    Delete { topic: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6u32, 1..300u16).prop_map(|(queue, count)| Step::Push { queue, count }),
        1 => (0..6u32, 1..700u16).prop_map(|(queue, by)| Step::Skip { queue, by }),
        1 => (0..2u8).prop_map(|topic| Step::Delete { topic }),
    ];
    prop::collection::vec(step, 1..40)
}

/// Six queues of two topics: the topic and id of queue `number`.
fn name(number: u32) -> (String, u32) {
    (format!("topic{}", number % 2), number / 2)
}

proptest! {
    #[test]
    fn queues_equal_a_naive_map(steps in steps()) {
        let mut state = state(1 << 20);
        let mut model: BTreeMap<u32, (u64, u64, BTreeMap<u64, Entry>)> = BTreeMap::new();
        let mut at = 0;
        for step in steps {
            match step {
                Step::Push { queue, count } => {
                    let (topic, id) = name(queue);
                    let handle = state.find_or_new(&topic, id, at);
                    let (_, next, entries) = model.entry(queue).or_default();
                    for _ in 0..count {
                        prop_assert_eq!(state.push(handle, entry(at)), *next);
                        entries.insert(*next, entry(at));
                        *next += 1;
                        at += 100;
                    }
                }
                Step::Skip { queue, by } => {
                    let (topic, id) = name(queue);
                    let handle = state.find_or_new(&topic, id, at);
                    let (min, next, entries) = model.entry(queue).or_default();
                    *next += u64::from(by);
                    if entries.is_empty() {
                        *min = *next;
                    }
                    state.skip_to(handle, *next);
                }
                Step::Delete { topic } => {
                    // As in life: the log has grown since the queues were made.
                    at += 100;
                    state.bury(&format!("topic{topic}"), at);
                    model.retain(|queue, _| queue % 2 != u32::from(topic));
                }
            }
        }
        for (queue, (min, next, entries)) in &model {
            let (topic, id) = name(*queue);
            let handle = state.find(&topic, id).expect("pushed to");
            for from in [0, *min, min.midpoint(*next), next.saturating_sub(1), *next, next + 5] {
                let (seen, reach) = read_all(&state, handle, from);
                let expected: Vec<_> = entries.range(from..).map(|(offset, entry)| (*offset, *entry)).collect();
                prop_assert_eq!(seen, expected);
                prop_assert_eq!(reach, Reach::new(*next, Stop::End));
            }
            for limit in [0, at / 2, at.saturating_sub(50), at] {
                let visible = entries.values().filter(|entry| entry.end() <= limit).count() as u64;
                let real = entries.range(..state.end_below(handle, limit)).count() as u64;
                prop_assert_eq!(real, visible, "limit {}", limit);
            }
        }
        for queue in 0..6 {
            let (topic, id) = name(queue);
            prop_assert_eq!(state.find(&topic, id).is_some(), model.contains_key(&queue));
        }
    }
}

#[test]
fn a_hundred_thousand_quiet_queues_fit_their_memory_budget() {
    let mut state = state(1 << 20);
    for queue in 0..100_000 {
        let handle = state.find_or_new(&format!("topic-{}", queue / 8), queue % 8, 0);
        state.push(handle, entry(u64::from(queue) * 100));
    }
    let (queues, _) = state.memory();
    let per_queue = queues / 100_000;
    // 320 of it are the first tail slot.
    assert!(per_queue <= 520, "{per_queue} B a queue");
    let tails = state.tails.memory() / 100_000;
    assert!(per_queue - tails <= 192, "{} B a queue without its tail", per_queue - tails);
}

#[test]
fn pages_leave_memory_only_when_written_and_flushed() {
    let mut state = state(0);
    let handle = state.find_or_new("topic", 0, 0);
    let pages = 3 * crate::queue_log::recent::CHUNK_PAGES + 1;
    for number in 0..pages * PAGE_ENTRIES as u64 {
        state.push(handle, entry(number * 100));
    }
    let end = pages * PAGE_ENTRIES as u64 * 100;
    state.recent.trim(end);
    assert_eq!(read_all(&state, handle, 0).1.stop, Stop::End, "unwritten pages stay");
    let chunk = crate::queue_log::recent::CHUNK_PAGES;
    state.recent.wrote(chunk, 0);
    assert_eq!(read_all(&state, handle, 0).1.stop, Stop::End, "pages of unflushed records stay");
    state.recent.trim(end);
    assert_eq!(read_all(&state, handle, 0).1, Reach::new(0, Stop::Cold));
    let first_warm = chunk * PAGE_ENTRIES as u64;
    assert_eq!(read_all(&state, handle, first_warm).0.len() as u64, pages * PAGE_ENTRIES as u64 - first_warm);
}
