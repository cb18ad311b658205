//! The checker finds what is wrong with groups that consume in order and with messages that are given back.

mod support;

use history::{Attempt, Event, History, Queue, Reader, Tenure, Verdict, check};

use support::{Random, assert_no_alarm, assert_planted_are_found};

const RETRIES_MAX: u32 = 3;
/// Members believe so long in a lock.
const BELIEF_MS: u64 = 30_000;
const ORDERED: Queue = Queue(0);
const TRIED: Queue = Queue(1);

/// A queue that is consumed in order by one member after another, and one whose messages are given back now and then.
fn honest(seed: u64) -> History {
    let mut random = Random(seed);
    let mut history = History { consumed: vec![ORDERED], retries_max: RETRIES_MAX, ..History::default() };
    let ordered = 20 + random.below(20);
    let tried = 10 + random.below(10);
    for number in 0..ordered + tried {
        let (queue, offset) = if number < ordered { (ORDERED, number) } else { (TRIED, number - ordered) };
        let attempt = Attempt(number);
        history.push(Event::Send { attempt, queue, kind: history::Kind::Plain });
        history.push(Event::Stored { attempt, offset });
    }
    in_order(&mut history, ordered, &mut random);
    let mut retried = Vec::new();
    for number in ordered..ordered + tried {
        give_back(&mut history, Attempt(number), &mut random, &mut retried);
    }
    for reader in [Reader(100), Reader(101)] {
        history.push(Event::Drain { reader });
        for number in 0..ordered + tried {
            let (queue, offset) =
                if number < ordered { (ORDERED, number) } else { (TRIED, number - ordered) };
            let attempt = Some(Attempt(number));
            history.push(Event::Read { reader, queue, offset, attempt, at_ms: 9_000 });
        }
        history.events.extend(&retried);
    }
    history
}

/// Members that own the queue one after the other; some die, and the next one begins a little earlier.
fn in_order(history: &mut History, count: u64, random: &mut Random) {
    let (mut next, mut now) = (0, 0);
    for number in 0.. {
        let tenure = Tenure(number);
        let owned = |at_ms| Event::Owned { tenure, queue: ORDERED, at_ms, until_ms: at_ms + BELIEF_MS };
        history.push(owned(now));
        for _ in 0..1 + random.below(6) {
            if next < count {
                history.push(Event::Consumed { tenure, offset: next });
                history.push(Event::Received { attempt: Attempt(next) });
                next += 1;
            }
        }
        now += 20_000;
        history.push(owned(now));
        if random.below(3) == 0 {
            next = next.saturating_sub(random.below(3));
            now += BELIEF_MS;
        } else {
            history.push(Event::Disowned { tenure });
        }
        if next == count {
            return;
        }
    }
}

/// One message and its tries; what lies in the retry and dead letter topics of them.
fn give_back(history: &mut History, attempt: Attempt, random: &mut Random, retried: &mut Vec<Event>) {
    for times in 0..=RETRIES_MAX {
        if random.below(3) == 0 {
            return;
        }
        let due_ms = i64::from(times) * 10_000;
        history.push(Event::GiveBack { attempt, times, due_ms });
        history.push(Event::GivenBack { attempt, times });
        let times = times + 1;
        retried.push(if times > RETRIES_MAX {
            Event::Dead { attempt, times }
        } else {
            let again = Event::Again { attempt, times, at_ms: due_ms };
            history.push(again);
            again
        });
    }
}

/// Breaks one promise somewhere; false if this history offers no place for it.
fn plant(history: &mut History, verdict: Verdict, random: &mut Random) -> bool {
    let events = &mut history.events;
    let all: Vec<usize> = (0..events.len()).collect();
    let mut pick = |is: &dyn Fn(&Event) -> bool| {
        let from: Vec<usize> = all.iter().copied().filter(|at| is(&events[*at])).collect();
        (!from.is_empty()).then(|| from[random.below(from.len() as u64) as usize])
    };
    match verdict {
        Verdict::TwoOwners => {
            // A member is told of its lock although the one before could still believe in its own.
            let Some(at) = pick(&|event| matches!(event, Event::Disowned { .. })) else { return false };
            let Event::Disowned { tenure } = events[at] else { return false };
            let next = |event: &&Event| matches!(event, Event::Owned { tenure: Tenure(next), .. } if *next == tenure.0 + 1);
            if !events[at..].iter().any(|event| next(&event)) {
                return false;
            }
            events.remove(at);
        }
        Verdict::Swap => {
            let Some(at) = pick(&|event| matches!(event, Event::Consumed { offset: 1.., .. })) else {
                return false;
            };
            let Event::Consumed { tenure, offset } = events[at] else { return false };
            let is_other =
                |event: &Event| matches!(event, Event::Consumed { tenure: other, .. } if *other == tenure);
            let Some(before) = events[..at].iter().rposition(is_other) else { return false };
            let Event::Consumed { offset: first, .. } = events[before] else { return false };
            events[at] = Event::Consumed { tenure, offset: first };
            events[before] = Event::Consumed { tenure, offset };
        }
        Verdict::Gap => {
            // Not the last one, and nobody consumed it or what is behind it a second time.
            let last = events.iter().rposition(|event| matches!(event, Event::Consumed { .. }));
            let is_once = |wanted: u64| {
                let is_at =
                    |event: &&Event| matches!(event, Event::Consumed { offset, .. } if *offset == wanted);
                events.iter().filter(is_at).count() == 1
            };
            let place = |event: &Event| matches!(event, Event::Consumed { offset, .. } if is_once(*offset) && is_once(offset + 1));
            let Some(at) = pick(&place).filter(|at| Some(*at) != last) else { return false };
            events.remove(at);
        }
        Verdict::RetryLost => {
            let Some(at) = pick(&|event| matches!(event, Event::GivenBack { .. })) else { return false };
            let Event::GivenBack { attempt: lost, times: before } = events[at] else { return false };
            let drain = events.iter().rposition(|event| matches!(event, Event::Drain { .. })).expect("there");
            let mut position = 0;
            events.retain(|event| {
                position += 1;
                let is_it = matches!(event, Event::Again { attempt, times, .. } | Event::Dead { attempt, times } if *attempt == lost && *times == before + 1);
                position <= drain || !is_it
            });
        }
        Verdict::Miscounted => {
            let found = |event: &Event| matches!(event, Event::Again { .. } | Event::Dead { .. });
            let Some(at) = pick(&found) else { return false };
            match &mut events[at] {
                Event::Again { times, .. } if *times == 1 => *times = 0,
                Event::Again { times, .. } | Event::Dead { times, .. } => *times = RETRIES_MAX + 2,
                _ => return false,
            }
        }
        Verdict::Early => {
            let Some(at) = pick(&|event| matches!(event, Event::Again { .. })) else { return false };
            if let Event::Again { at_ms, .. } = &mut events[at] {
                *at_ms -= 1_001;
            }
        }
        _ => return false,
    }
    true
}

#[test]
fn a_thousand_honest_histories_of_groups_raise_no_alarm() {
    assert_no_alarm(honest);
}

#[test]
fn every_violation_planted_in_a_group_is_found() {
    let all = [
        Verdict::TwoOwners,
        Verdict::Swap,
        Verdict::Gap,
        Verdict::RetryLost,
        Verdict::Miscounted,
        Verdict::Early,
    ];
    assert_planted_are_found(&all, honest, plant);
}

/// An owner of queue 0 for 30 s from `at_ms` on.
fn owned(tenure: u64, at_ms: u64) -> Event {
    Event::Owned { tenure: Tenure(tenure), queue: ORDERED, at_ms, until_ms: at_ms + BELIEF_MS }
}

fn verdicts(events: Vec<Event>) -> Vec<Verdict> {
    let mut history = History { events, ..History::default() };
    history.push(Event::Drain { reader: Reader(0) });
    check(&history).findings.into_iter().map(|finding| finding.verdict).collect()
}

#[test]
fn who_goes_on_when_another_has_begun_swaps_though_its_own_order_is_right() {
    let consumed = |tenure, offset| Event::Consumed { tenure: Tenure(tenure), offset };
    let events = vec![owned(1, 0), consumed(1, 0), owned(2, 40_000), consumed(2, 1), consumed(1, 2)];
    assert_eq!(verdicts(events), [Verdict::Swap]);
}

#[test]
fn a_lock_is_anothers_exactly_when_belief_in_it_ends() {
    assert_eq!(verdicts(vec![owned(1, 0), owned(2, BELIEF_MS - 1)]), [Verdict::TwoOwners]);
    assert_eq!(verdicts(vec![owned(1, 0), owned(2, BELIEF_MS)]), []);
    assert_eq!(verdicts(vec![owned(1, 0), owned(1, 5)]), [], "its own is renewed");
}
