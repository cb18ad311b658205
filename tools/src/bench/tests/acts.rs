//! Transactions and delayed messages: their shares, their times, and servers that get them wrong.

use super::server::Script;
use super::{run, with};
use crate::bench::plan::Kind;
use crate::bench::recorder::Latencies;

#[test]
fn transactions_end_in_the_shares_asked_for_and_only_committed_ones_are_seen() {
    let script = Script { delay_ms: 3, ..Script::default() };
    let ran = run(13, script, Kind::Tx, &with(&["--verify", "--rollback=10%", "--unknown=5%"]));
    let total = &ran.total;
    let ends = (total.committed, total.rolled_back, total.unknown);
    // Some half messages of the warm-up are decided after it.
    assert!((ends.0 + ends.1 + ends.2).abs_diff(4_000) < 10, "{ends:?}");
    assert!(ends.1.abs_diff(400) < 60 && ends.2.abs_diff(200) < 60, "{ends:?}");
    assert_eq!((ran.verdict.lost, ran.verdict.leaked, ran.verdict.unacknowledged), (0, 0, 0));
    // Half and end take three milliseconds each.
    let at = |latencies: &Latencies| latencies.value_at_quantile(0.5) / 100_000;
    assert_eq!((at(&total.response), at(&total.decision), at(&total.transaction)), (30, 30, 61));
    assert!(total.transaction.len().abs_diff(ends.0 + ends.1) < 10, "{}", total.transaction.len());
}

#[test]
fn a_server_that_shows_what_was_rolled_back_is_caught() {
    let script = Script { leak_every: 100, ..Script::default() };
    let verdict = run(14, script, Kind::Tx, &with(&["--verify", "--rollback=50%"])).verdict;
    assert!((20..=30).contains(&verdict.leaked), "{verdict:?}");
    assert!(!verdict.is_safe());
}

#[test]
fn checks_are_answered_as_asked_for() {
    let script = Script { check_ms: 500, ..Script::default() };
    let ran = run(15, script, Kind::Tx, &with(&["--verify", "--unknown=20%", "--check-rollback=50%"]));
    assert!(ran.total.checks.abs_diff(ran.total.unknown) < 120, "{} {}", ran.total.checks, ran.total.unknown);
    assert_eq!((ran.total.checks_unexpected, ran.total.checks_again), (0, 0));
    assert_eq!((ran.verdict.leaked, ran.verdict.lost), (0, 0));
    // Half of them were committed then.
    assert!(ran.verdict.unacknowledged.abs_diff(ran.total.checks / 2) < 100, "{:?}", ran.verdict);
}

#[test]
fn lateness_is_from_the_due_delivery_and_early_ones_are_counted() {
    let arguments = with(&["--verify", "--delay=200ms..900ms:100ms"]);
    let ran = run(16, Script { late_ms: 30, ..Script::default() }, Kind::Delay, &arguments);
    let late = &ran.total.lateness;
    let (least, most) = (late.value_at_quantile(0.01), late.value_at_quantile(0.99));
    assert!(least > 29_000_000 && most < 32_000_000, "{least} to {most}");
    assert_eq!((ran.verdict.lost, ran.verdict.duplicates, ran.verdict.early), (0, 0, 0));
    assert!(late.len() > 3_500 && ran.total.delivery.is_empty(), "{}", late.len());
    let early = run(17, Script { late_ms: -30, ..Script::default() }, Kind::Delay, &arguments).verdict;
    assert_eq!((early.early, early.lost), (early.received, 0));
    assert!((28_000_000..31_100_000).contains(&early.earliest_ns), "{early:?}");
}

#[test]
fn a_mix_sends_each_kind_in_its_share() {
    let mix = ["--verify", "--tx-share=20%", "--rollback=50%", "--delay-share=30%", "--delay=300ms"];
    let ran = run(18, Script::default(), Kind::Mixed, &with(&mix));
    let (ends, late) = (ran.total.committed + ran.total.rolled_back, ran.total.lateness.len());
    assert!(ends.abs_diff(800) < 60 && late.abs_diff(1_200) < 150, "{ends} transactions, {late} delayed");
    assert_eq!((ran.verdict.lost, ran.verdict.leaked, ran.verdict.early), (0, 0, 0));
}

#[test]
fn a_transaction_that_is_committed_after_later_messages_were_sent_is_not_out_of_order() {
    let slow = Script { delay_ms: 20, ..Script::default() };
    let ran = run(19, slow, Kind::Mixed, &with(&["--verify", "--tx-share=20%"]));
    assert!(ran.total.committed > 700, "{}", ran.total.committed);
    assert_eq!((ran.verdict.lost, ran.verdict.reordered), (0, 0), "{:?}", ran.verdict);
    // A plain message out of order is one all the same.
    let swapped =
        run(19, Script { swap_every: 100, ..slow }, Kind::Mixed, &with(&["--verify", "--tx-share=20%"]));
    assert!(swapped.verdict.reordered > 0, "{:?}", swapped.verdict);
}
