//! Each defect that a tired engineer might build in must turn the suite red.

use std::panic::{AssertUnwindSafe, catch_unwind};

use store::Canary;

use crate::life::chain;
use crate::settings::{Promise, Settings};

/// Whether some seed finds the defect.
fn is_found(settings: &Settings) -> bool {
    (1..=SEEDS).any(|seed| !matches!(catch_unwind(AssertUnwindSafe(|| chain(seed, settings))), Ok(Ok(_))))
}

fn with(canary: Option<Canary>, promise: Promise) -> Settings {
    Settings { canary, ..Settings::new(promise) }
}

#[test]
fn a_skipped_flush_is_found() {
    assert!(is_found(&with(Some(Canary::SkipFlush), Promise::SyncFdatasync)));
    assert!(is_found(&with(Some(Canary::SkipFlush), Promise::SyncDsync)));
}

#[test]
fn an_answer_before_the_bytes_are_kept_is_found() {
    assert!(is_found(&with(Some(Canary::AnswerBeforeKept), Promise::AsyncPrivate)));
    assert!(is_found(&with(Some(Canary::AnswerBeforeKept), Promise::SyncFdatasync)));
}

#[test]
fn a_window_that_is_not_replayed_is_found() {
    assert!(is_found(&with(Some(Canary::SkipReplay), Promise::AsyncNamed)));
}

#[test]
fn a_failed_flush_that_is_tried_again_is_found_and_one_that_latches_is_not() {
    let failing = Settings { failing_flush: true, ..Settings::new(Promise::SyncFdatasync) };
    assert!(is_found(&Settings { canary: Some(Canary::RetryFailedFlush), ..failing }));
    crate::visit(&failing, 200);
}

#[test]
fn reused_queue_offsets_are_found() {
    assert!(is_found(&with(Some(Canary::ReuseOffsets), Promise::AsyncNamed)));
}

/// Chains until a defect counts as not found.
const SEEDS: u64 = 400;
