use net::properties;
use proptest::prelude::*;

use super::Filter;

const PROPERTIES: [(&str, &str); 8] = [
    ("a", "5"),
    ("price", "3.5"),
    ("name", "O'Neil & sons"),
    ("flag", "TRUE"),
    ("big", "3000000000"),
    ("word", "x"),
    ("TAGS", "TagA"),
    ("b", "5"),
];

fn find<'v>(name: &str) -> Option<&'v str> {
    PROPERTIES.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
}

fn matches(text: &str) -> bool {
    let filter = Filter::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    filter.matches(find)
}

#[test]
fn what_matches() {
    for text in [
        "a = 5",
        "a <> 6",
        "a > 4 AND a < 6",
        "a >= 5 OR word = 'y'",
        "a BETWEEN 1 AND 5",
        "a NOT BETWEEN 6 AND 9",
        "TAGS IN ('TagA', 'TagB')",
        "TAGS NOT IN ('TagC')",
        "name = 'O''Neil & sons'",
        "name CONTAINS 'Neil'",
        "name NOT CONTAINS 'zzz'",
        "name STARTSWITH 'O'",
        "name ENDSWITH 'sons'",
        "flag = TRUE",
        "price > 3.4",
        "big = 3000000000",
        "big > 2999999999L",
        "missing IS NULL",
        "a IS NOT NULL",
        "NOT (a > 5)",
        "a = b",
        "a >= b",
        "-1 < a",
        "+a = 5",
        "/* c */ a -- d\n = 5",
        "a <> missing",
        "(a = 5)",
        "TRUE",
        "NOT word",
        "a = 5 word",
        "'x' CONTAINS 'x'",
        "a = 5 OR word > 3",
    ] {
        assert!(matches(text), "{text}");
    }
}

#[test]
fn what_does_not_match() {
    for text in [
        "a = 6",
        "missing = 5",
        "missing <> 5",
        "missing > 5",
        "NOT (missing = 5)",
        "price = 3",
        "word > 3",
        "word > 3 OR a = 5",
        "big = 5",
        "missing NOT CONTAINS 'x'",
        "missing NOT IN ('x')",
        "name CONTAINS ''",
        "name NOT CONTAINS ''",
        "word",
        "TRUE = flag",
        "-a = -5",
        "a = missing",
        "FALSE",
        "NULL",
        "a = 007",
        "word = 5 AND a = 5",
    ] {
        assert!(!matches(text), "{text}");
    }
}

#[test]
fn what_is_no_filter() {
    for text in [
        "",
        "  ",
        "5",
        "'x'",
        "a >",
        "a = ",
        "a = NULL",
        "NOT a > 5",
        "a > 'x'",
        "a > TRUE",
        "'x' IN ('x')",
        "a IN (1, 2)",
        "a IN ()",
        "a BETWEEN 5 AND 1",
        "a NOT word",
        "a IS 5",
        "a CONTAINS 5",
        "a = 0.0",
        "a = 9223372036854775808",
        "a = 1E999",
        "TRUE = 5",
        "(a = 5",
        "a = 'x",
        "a = \"x\"",
        "a = 5 #",
        "a > (b = 1)",
        "/* a = 5",
        "a != 5",
        "-5",
        "a AND 5",
    ] {
        assert!(Filter::compile(text).is_err(), "{text:?} is a filter: {:?}", Filter::compile(text));
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("{}a = 5{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Filter::compile(&deep[..30_000]).is_err());
    assert!(Filter::compile(&deep).is_err());
    let nots = format!("{}(a = 5)", "NOT ".repeat(1_000));
    assert!(Filter::compile(&nots).is_err());
    let wide = vec!["a = 5"; 2_000].join(" OR ");
    assert!(Filter::compile(&wide).is_err());
    let fits = vec!["a = 6"; 200].join(" OR ");
    assert!(Filter::compile(&fits).is_ok());
}

const FILTERS: [&str; 12] = [
    "a = 1",
    "a <> 1",
    "a > 1 OR b = 'x'",
    "a IS NULL AND b IS NOT NULL",
    "NOT (b = 'x')",
    "b IN ('x', '1')",
    "ab NOT IN ('x')",
    "ab CONTAINS 'x'",
    "b STARTSWITH '1' OR b ENDSWITH 'x'",
    "a = b",
    "a BETWEEN 0 AND 1",
    "NOT ab",
];

proptest! {
    #[test]
    fn stored_properties_are_evaluated_as_looked_up_ones_are(
        // Keys and values of which many are alike, cut short, empty or no text.
        stored in prop::collection::vec(prop::sample::select(b"aabbx1\x01\x01\x01\x02\x02\xFF".to_vec()), 0..120),
    ) {
        for text in FILTERS {
            let filter = Filter::compile(text).expect("a filter");
            let find = |name: &str| str::from_utf8(properties::find(&stored, name)?).ok();
            prop_assert_eq!(filter.matches_stored(&stored), filter.matches(find), "{}", text);
        }
    }
}
