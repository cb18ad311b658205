//! Made-up histories: numbers to make them from, and what must hold of the honest ones and of those with a violation.

use history::{History, Verdict, check};

/// A small generator of numbers: histories need to differ, not to be unpredictable.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A thousand histories of `honest` have no finding.
pub(crate) fn assert_no_alarm(honest: impl Fn(u64) -> History) {
    for seed in 0..1_000 {
        let findings = check(&honest(seed)).findings;
        assert!(findings.is_empty(), "seed {seed}: {findings:?}");
    }
}

/// Each of `verdicts` is found wherever `plant` puts it; `plant` is false where there is no place for it.
pub(crate) fn assert_planted_are_found(
    verdicts: &[Verdict],
    honest: impl Fn(u64) -> History,
    plant: impl Fn(&mut History, Verdict, &mut Random) -> bool,
) {
    for verdict in verdicts.iter().copied() {
        let mut planted = 0;
        for seed in 0..100 {
            let mut history = honest(seed);
            if !plant(&mut history, verdict, &mut Random(seed + 7)) {
                continue;
            }
            planted += 1;
            let findings = check(&history).findings;
            assert!(
                findings.iter().any(|finding| finding.verdict == verdict),
                "seed {seed}: {verdict:?} not among {findings:?}"
            );
        }
        assert!(planted >= 20, "{verdict:?} was planted {planted} times");
    }
}
