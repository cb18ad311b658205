//! Lists that a frame may be too small for: requests 21 and 201 page by page, for callers that ask for pages.
//!
//! While everything fits a quarter of a frame it is answered at once, without a total, and every caller stops after it.
//! Above that, page as RocketMQ 5.4 does, but for one thing: where a single entry would remain it goes into the same
//! page, because callers stop one short of the total (since-5.3.md 4.1, bug 11041).

use std::ops::Range;

use net::body::DataVersion;
use net::frame::FRAME_BYTES_MAX;
use net::json;

/// A body up to this is answered whole.
const WHOLE_BYTES_MAX: usize = FRAME_BYTES_MAX / 4;
/// Entries of a page at most (`splitMetadataSize`).
const PAGE_MAX: usize = 2_000;

/// What a caller says of the page it wants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) seq: Option<i32>,
    pub(super) max: Option<i32>,
    pub(super) version: Option<&'a str>,
}

/// Which of `total` entries to answer; `None`: all of them, whose body has `bytes`.
pub(super) fn page(
    asked: Asked<'_>,
    total: usize,
    bytes: usize,
    version: &DataVersion,
) -> Option<Range<usize>> {
    let knows_pages = asked.seq.is_some() || asked.max.is_some() || asked.version.is_some();
    if bytes <= WHOLE_BYTES_MAX || !knows_pages {
        return None;
    }
    let text = asked.version.filter(|text| !text.trim().is_empty());
    let known = text.and_then(|text| json::from_slice::<DataVersion>(text.as_bytes()).ok());
    // A list that changed since the first page begins anew.
    let is_same = known.as_ref() == Some(version);
    let from =
        asked.seq.filter(|_| is_same).and_then(|seq| usize::try_from(seq).ok()).unwrap_or(0).min(total);
    let most = asked.max.and_then(|max| usize::try_from(max).ok()).filter(|max| *max > 0).unwrap_or(PAGE_MAX);
    let to = (from + most.min(PAGE_MAX)).min(total);
    Some(from..if to + 1 == total { total } else { to })
}

#[cfg(test)]
mod tests {
    use net::json::Style;

    use super::*;

    /// What RocketMQ's caller collects: it stops one short of the total.
    fn collect(total: usize, max: i32) -> usize {
        let version = DataVersion { counter: 7, ..DataVersion::default() };
        let text = String::from_utf8(json::to_vec(&version, Style::Raw)).expect("JSON");
        let (mut seq, mut told) = (0usize, "");
        loop {
            let asked = Asked { seq: i32::try_from(seq).ok(), max: Some(max), version: Some(told) };
            let range = page(asked, total, usize::MAX, &version).expect("it is too much for one answer");
            assert_eq!(range.start, seq);
            assert!(!range.is_empty() || total == 0, "an empty page is asked for again for ever");
            seq += range.len();
            told = &text;
            if seq >= total.saturating_sub(1) {
                return seq;
            }
        }
    }

    #[test]
    fn no_caller_loses_the_last_entry() {
        for total in [0, 1, 2, 1_999, 2_000, 2_001, 2_002, 4_000, 4_001, 10_001] {
            for max in [1, 7, 2_000, 5_000] {
                assert_eq!(collect(total, max), total, "{total} by {max}");
            }
        }
    }

    #[test]
    fn what_fits_and_who_knows_no_pages_gets_all() {
        let version = DataVersion::default();
        let first = Asked { seq: Some(0), max: Some(2_000), version: Some("") };
        assert_eq!(page(first, 5_000, WHOLE_BYTES_MAX, &version), None);
        assert_eq!(page(first, 5_000, WHOLE_BYTES_MAX + 1, &version), Some(0..2_000));
        assert_eq!(page(Asked::default(), 5_000, usize::MAX, &version), None);
    }

    #[test]
    fn a_list_that_changed_begins_anew() {
        let version = DataVersion { counter: 2, ..DataVersion::default() };
        let before = DataVersion { counter: 1, ..DataVersion::default() };
        let text = String::from_utf8(json::to_vec(&before, Style::Raw)).expect("JSON");
        let asked = Asked { seq: Some(2_000), max: Some(2_000), version: Some(&text) };
        assert_eq!(page(asked, 5_000, usize::MAX, &version), Some(0..2_000));
        let beyond = Asked { seq: Some(-3), max: Some(-1), version: Some("no JSON") };
        assert_eq!(page(beyond, 10, usize::MAX, &version), Some(0..10));
    }
}
