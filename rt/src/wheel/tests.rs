//! The wheel against examples at the borders of its levels, and against a sorted map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn fired(wheel: &mut Wheel<u64>, now_ms: u64) -> Vec<u64> {
    let mut fired = Vec::new();
    wheel.advance(now_ms, |value| fired.push(value));
    fired
}

#[test]
fn a_timer_fires_at_its_millisecond_and_not_before() {
    for delay in [1, 255, 256, 257, 65_535, 65_536, 4_194_303, 4_194_304, 1 << 40] {
        for start in [0, 255, 1_000_003] {
            let mut wheel = Wheel::new(start);
            wheel.arm(start + delay, delay);
            assert!(fired(&mut wheel, start + delay - 1).is_empty());
            assert_eq!(fired(&mut wheel, start + delay), [delay]);
            assert!(wheel.is_empty() && wheel.next_deadline().is_none());
        }
    }
}

#[test]
fn a_deadline_in_the_past_fires_next() {
    let mut wheel = Wheel::new(1_000);
    wheel.arm(5, 1);
    assert_eq!(wheel.next_deadline(), Some(1_000));
    assert_eq!(fired(&mut wheel, 1_000), [1]);
}

#[test]
fn an_id_of_a_fired_timer_never_meets_its_successor() {
    let mut wheel = Wheel::new(0);
    let first = wheel.arm(1, 1);
    assert_eq!(fired(&mut wheel, 1), [1]);
    let second = wheel.arm(2, 2);
    assert_eq!(wheel.cancel(first), None);
    assert!(!wheel.rearm(first, 9));
    assert_eq!(wheel.cancel(second), Some(2));
    assert_eq!(wheel.cancel(second), None);
}

#[test]
fn a_timer_may_be_armed_between_two_that_are_due() {
    let mut wheel = Wheel::new(0);
    wheel.arm(10, 1);
    wheel.arm(30, 3);
    assert_eq!(wheel.pop_due(50), Some(1));
    wheel.arm(20, 2);
    assert_eq!(fired(&mut wheel, 50), [2, 3]);
}

/// Timers by (deadline, number), as naive as can be.
type Model = BTreeMap<(u64, u64), TimerId>;

#[derive(Clone, Debug)]
enum Step {
    Arm(u64),
    Cancel(usize),
    Rearm(usize, u64),
    Advance(u64),
    ToNextDeadline,
}

fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..600_u64, 0..200_000_u64, 0..10_000_000_u64, 0..(1_u64 << 45)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => delay().prop_map(Step::Arm),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (any::<usize>(), delay()).prop_map(|(which, delay)| Step::Rearm(which, delay)),
        2 => delay().prop_map(Step::Advance),
        2 => Just(Step::ToNextDeadline),
    ]
}

proptest! {
    #[test]
    fn it_fires_what_a_sorted_map_would(
        start in any::<u32>(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut now = u64::from(start);
        let mut wheel = Wheel::new(now);
        let mut model = Model::new();
        for (number, step) in (0..).zip(steps) {
            let nth = |which: usize| model.iter().nth(which % model.len().max(1)).map(|(key, id)| (*key, *id));
            match step {
                Step::Arm(delay) => {
                    model.insert((now + delay, number), wheel.arm(now + delay, number));
                }
                Step::Cancel(which) => {
                    if let Some((key, id)) = nth(which) {
                        prop_assert_eq!(wheel.cancel(id), Some(key.1));
                        model.remove(&key);
                    }
                }
                Step::Rearm(which, delay) => {
                    if let Some((key, id)) = nth(which) {
                        prop_assert!(wheel.rearm(id, now + delay));
                        model.remove(&key);
                        model.insert((now + delay, key.1), id);
                    }
                }
                Step::Advance(delay) => now += delay,
                Step::ToNextDeadline => now = wheel.next_deadline().unwrap_or(now),
            }
            let later = model.split_off(&(now + 1, 0));
            let due: Vec<_> = std::mem::replace(&mut model, later).into_keys().collect();
            let mut seen = Vec::new();
            wheel.advance(now, |value| seen.push(value));
            let deadline = |value: u64| due.iter().find(|key| key.1 == value).map(|key| key.0);
            prop_assert!(seen.iter().map(|value| deadline(*value)).is_sorted());
            let mut sorted: Vec<_> = due.iter().map(|key| key.1).collect();
            sorted.sort_unstable();
            seen.sort_unstable();
            prop_assert_eq!(seen, sorted);

            prop_assert_eq!(wheel.len(), model.len());
            let earliest = model.keys().next().map(|key| key.0);
            match (wheel.next_deadline(), earliest) {
                (None, None) => {}
                (Some(next), Some(earliest)) => {
                    prop_assert!(now < next && next <= earliest);
                    prop_assert!(next == earliest || earliest >> 8 != now >> 8);
                }
                (next, earliest) => prop_assert!(false, "{next:?} instead of {earliest:?}"),
            }
        }
    }
}
