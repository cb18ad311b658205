//! Reading: fastjson's dialects of every version, straight into a serde type.
//!
//! Beyond JSON it takes: integer and object map keys raw, object keys as quoted JSON text, names without quotes,
//! single quotes, stray commas, numbers as text, null or empty text for a number, booleans as `1`, `"true"`, `"Y"`,
//! enums as ordinals (in their own `Deserialize`), null for lists and maps. Nesting is limited; lists grow with the
//! bytes that are there. `reader.rs` finds where values begin and end, `values.rs` makes of them what serde asks for.

use std::fmt;

use serde::de::{self, DeserializeOwned};

use self::reader::Reader;

mod reader;
mod values;

/// Deepest nesting of a body (reliability.md 7, "Limits").
pub const DEPTH_MAX: usize = 32;

/// Reads a body.
///
/// # Errors
/// Not JSON in any dialect, nested too deep, or not of the shape of `T`. Bad UTF-8 is replaced, not refused.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    from_str(&String::from_utf8_lossy(bytes))
}

/// Reads a body that is checked as UTF-8.
///
/// # Errors
/// As [`from_slice`].
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    let mut reader = Reader::new(text, 0);
    let value = T::deserialize(&mut reader)?;
    reader.blanks();
    if reader.is_at_end() { Ok(value) } else { Err(reader.syntax("the end")) }
}

/// Why a body was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// JSON breaks off or is none, at this byte.
    Syntax {
        /// Where.
        at: usize,
        /// What should have been there.
        expected: &'static str,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// JSON, but not of the shape that was asked for.
    Shape(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Syntax { at, expected } => write!(f, "body: {expected} expected at byte {at}"),
            ReadError::TooDeep => write!(f, "body: nested deeper than {DEPTH_MAX}"),
            ReadError::Shape(what) => write!(f, "body: {what}"),
        }
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        ReadError::Shape(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Queue {
        broker_name: String,
        queue_id: i32,
        topic: String,
    }

    #[derive(Deserialize, Debug, PartialEq, Default)]
    #[serde(default)]
    struct Sample {
        map: BTreeMap<Queue, i64>,
        by_number: BTreeMap<i64, String>,
        list: Vec<i32>,
        flag: bool,
        real: f64,
        text: String,
        maybe: Option<i32>,
    }

    fn queue(queue_id: i32) -> Queue {
        Queue { broker_name: "b".into(), queue_id, topic: "T".into() }
    }

    #[test]
    fn object_keys_are_read_raw_and_as_quoted_text() {
        let raw = r#"{"map":{{"brokerName":"b","queueId":0,"topic":"T"}:5,{"topic":"T","brokerName":"b","queueId":"1"}:"6"}}"#;
        let quoted = r#"{"map":{"{\"brokerName\":\"b\",\"queueId\":0,\"topic\":\"T\"}":5,'{"topic":"T",brokerName:"b","queueId":1}':6}}"#;
        for text in [raw, quoted] {
            let sample: Sample = from_str(text).unwrap();
            assert_eq!(sample.map, BTreeMap::from([(queue(0), 5), (queue(1), 6)]), "{text}");
        }
    }

    #[test]
    fn the_forms_of_old_peers_are_read() {
        let text = "{ by_number : {0:'a',\"1\":\"b\",}, 'list':[1,\"2\",null,,''] , flag:\"Y\",real:\"1.5\",text:7,maybe:null,other:[{a:1}],}";
        let sample: Sample = from_str(text).unwrap();
        let expected = Sample {
            by_number: BTreeMap::from([(0, "a".into()), (1, "b".into())]),
            list: vec![1, 2, 0, 0],
            flag: true,
            real: 1.5,
            text: "7".into(),
            ..Sample::default()
        };
        assert_eq!(sample, expected);
        assert_eq!(from_str::<Sample>("{\"map\":null,\"list\":null}"), Ok(Sample::default()));
    }

    #[test]
    fn nesting_holds_at_the_limit_and_one_above() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(from_str::<Value>(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(from_str::<Value>(&nested(DEPTH_MAX + 1)), Err(ReadError::TooDeep));
        let skipped = format!("{{\"unknown\":{}}}", nested(DEPTH_MAX));
        assert_eq!(from_str::<Sample>(&skipped), Err(ReadError::TooDeep));
    }

    #[test]
    fn what_is_no_body_is_refused() {
        for text in [
            "",
            "{",
            "[1 2]",
            "{\"list\":[1}",
            "{\"list\":x\"",
            "{}{}",
            "{\"text\":\"a",
            "{\"list\":[\"a\"]}",
        ] {
            assert!(from_str::<Sample>(text).is_err(), "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn standard_json_reads_as_serde_json_reads_it(value in values()) {
            prop_assert_eq!(from_str::<Value>(&value.to_string()), Ok(value.clone()));
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(from_str::<Value>(&pretty), Ok(value));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "[{}\\[\\]:,\"'\\\\a0u1. -]{0,60}") {
            let _ = from_str::<Value>(&text);
            let _ = from_str::<Sample>(&text);
        }
    }

    #[test]
    fn a_tree_of_values_keeps_raw_keys_as_text() {
        let value: Value = from_str("{{\"a\":1}:2,3:4}").unwrap();
        assert_eq!(value, json!({"{\"a\":1}": 2, "3": 4}));
    }
}
