//! `--verify`: what a server loses, doubles, swaps or damages is found, and nothing else.

use super::server::Script;
use super::{run, with};
use crate::bench::plan::Kind;
use crate::bench::verify::Verdict;

#[test]
fn an_honest_server_passes_the_verification() {
    let ran = run(8, Script::default(), Kind::E2e, &with(&["--verify"]));
    let sent = ran.verdict.acknowledged;
    assert_eq!(ran.verdict, Verdict { acknowledged: sent, received: sent, ..Verdict::default() });
    assert_eq!(sent, 5_000);
    assert_eq!(ran.total.delivery.len(), 4_000);
}

#[test]
fn a_server_that_loses_doubles_swaps_or_damages_is_caught() {
    let base = Script::default();
    let verdict = |script| run(9, script, Kind::E2e, &with(&["--verify", "--timeout=300"])).verdict;
    let lost = verdict(Script { lose_every: 1_000, ..base });
    assert_eq!((lost.lost, lost.is_safe()), (5, false));
    let doubled = verdict(Script { double_every: 500, ..base });
    assert_eq!((doubled.duplicates, doubled.lost, doubled.is_safe()), (10, 0, true));
    let swapped = verdict(Script { swap_every: 700, ..base });
    assert_eq!((swapped.reordered, swapped.duplicates, swapped.lost), (7, 0, 0));
    let damaged = verdict(Script { damage_every: 2_500, ..base });
    assert_eq!((damaged.corrupt, damaged.is_safe()), (2, false));
}

#[test]
fn what_was_refused_and_not_stored_is_not_lost() {
    let ran = run(10, Script { refuse_every: 10, ..Script::default() }, Kind::E2e, &with(&["--verify"]));
    assert_eq!((ran.verdict.acknowledged, ran.verdict.lost), (4_500, 0));
}

#[test]
fn both_codecs_say_the_same() {
    for header in ["--header=json", "--header=rocketmq"] {
        let ran = run(12, Script::default(), Kind::E2e, &with(&["--verify", header]));
        assert_eq!((ran.verdict.received, ran.verdict.lost), (5_000, 0), "{header}");
    }
}
