//! Crashes on the simulated disk: whatever was promised is there afterwards, and nothing else is.
//!
//! One seed is a chain of lives of one store: recover (perhaps crashing on the way), compare with the model, append for
//! a while, crash. `RINGMQ_CRASH_STATES` sets how many crash states each test visits, `RINGMQ_CRASH_SEED` runs one seed.

mod canaries;
mod faults;
mod life;
mod model;
mod settings;

use settings::{Promise, Settings};

/// Crash states of one test in CI; four tests make 5,000.
const STATES: u64 = 1_250;
/// Crash states per promise while the first segment is zeroed slowly.
const ZEROING_STATES: u64 = 400;

/// Visits crash states until `states` are done; a failure names its seed. Returns in how many of them a segment was
/// not zeroed to its end.
fn visit(settings: &Settings, states: u64) -> u64 {
    let only = number("RINGMQ_CRASH_SEED");
    let wanted = number("RINGMQ_CRASH_STATES").unwrap_or(states);
    let (mut visited, mut growing, mut seed) = (0, 0, only.unwrap_or(1));
    while visited < wanted {
        match life::chain(seed, settings) {
            Ok(more) => {
                visited += more.states;
                growing += more.growing;
            }
            Err(what) => panic!("{what}\nreplay with RINGMQ_CRASH_SEED={seed}, settings {settings:?}"),
        }
        if only.is_some() {
            break;
        }
        seed += 1;
    }
    println!("{visited} crash states, {growing} while zeroing, {seed} seeds");
    growing
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn a_crash_while_the_first_segment_is_zeroed_loses_no_more_than_any_other() {
    for promise in [Promise::AsyncNamed, Promise::AsyncPrivate, Promise::SyncFdatasync, Promise::SyncDsync] {
        let slow = Settings { slow_zeroing: true, ..Settings::new(promise) };
        assert!(visit(&slow, ZEROING_STATES) > 0, "{promise:?}: no crash met a growing segment");
    }
}

#[test]
fn what_async_flush_answered_survives_the_process_and_what_was_flushed_survives_power() {
    visit(&Settings::new(Promise::AsyncNamed), STATES);
}

#[test]
fn without_a_named_window_an_async_answer_waits_for_the_write() {
    visit(&Settings::new(Promise::AsyncPrivate), STATES);
}

#[test]
fn what_sync_flush_answered_survives_power_with_fdatasync() {
    visit(&Settings::new(Promise::SyncFdatasync), STATES);
}

#[test]
fn what_sync_flush_answered_survives_power_with_fua() {
    visit(&Settings::new(Promise::SyncDsync), STATES);
}
