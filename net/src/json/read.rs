//! Reading: fastjson's dialects of every version, straight into a serde type.
//!
//! Beyond JSON it takes: integer and object map keys raw, object keys as quoted JSON text, names without quotes,
//! single quotes, stray commas, numbers as text, null or empty text for a number, booleans as `1`, `"true"`, `"Y"`,
//! enums as ordinals (in their own `Deserialize`), null for lists and maps. Nesting is limited; lists grow with the
//! bytes that are there.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

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
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = T::deserialize(&mut reader)?;
    reader.blanks();
    if reader.at < text.len() { Err(reader.syntax("the end")) } else { Ok(value) }
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

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// A value that is no list and no object.
enum Scalar<'t> {
    Text(Cow<'t, str>),
    /// A number, `true`, `false`.
    Bare(&'t str),
    Null,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn syntax(&self, expected: &'static str) -> ReadError {
        ReadError::Syntax { at: self.at, expected }
    }

    fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), ReadError> {
        self.blanks();
        if self.peek() != Some(byte) {
            return Err(self.syntax(name));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes into a list or object.
    fn enter(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(ReadError::TooDeep) } else { Ok(()) }
    }

    /// Whether another element follows before `close`, stray commas skipped; leaves the list or object if not.
    fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, ReadError> {
        self.blanks();
        let mut commas = 0;
        while self.peek() == Some(b',') {
            self.at += 1;
            commas += 1;
            self.blanks();
        }
        if self.peek() == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !std::mem::replace(first, false) && commas == 0 {
            return Err(self.syntax(","));
        }
        Ok(true)
    }

    fn scalar(&mut self) -> Result<Scalar<'t>, ReadError> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => Ok(Scalar::Text(self.string(quote)?)),
            _ => match self.bare()? {
                "null" | "undefined" => Ok(Scalar::Null),
                text => Ok(Scalar::Bare(text)),
            },
        }
    }

    /// A run of characters that need no quotes.
    fn bare(&mut self) -> Result<&'t str, ReadError> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._$%@".contains(byte) || *byte >= 0x80;
        let rest = &self.text.as_bytes()[self.at..];
        let len = rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.syntax("a value"));
        }
        self.at += len;
        Ok(&self.text[self.at - len..self.at])
    }

    fn string(&mut self, quote: u8) -> Result<Cow<'t, str>, ReadError> {
        self.at += 1;
        let from = self.at;
        let rest = &self.text.as_bytes()[from..];
        let len = rest.iter().position(|byte| *byte == quote || *byte == b'\\');
        self.at += len.ok_or_else(|| self.syntax("the end of a string"))?;
        if self.peek() == Some(quote) {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[from..self.at - 1]));
        }
        let mut out = self.text[from..self.at].to_owned();
        self.unescape(quote, &mut out)?;
        Ok(Cow::Owned(out))
    }

    fn unescape(&mut self, quote: u8, out: &mut String) -> Result<(), ReadError> {
        loop {
            let letter =
                self.text[self.at..].chars().next().ok_or_else(|| self.syntax("the end of a string"))?;
            self.at += letter.len_utf8();
            if letter == char::from(quote) {
                return Ok(());
            }
            if letter != '\\' {
                out.push(letter);
                continue;
            }
            let escape = self.peek().ok_or_else(|| self.syntax("an escape"))?;
            self.at += 1;
            out.push(match escape {
                b'"' | b'\'' | b'\\' | b'/' => char::from(escape),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'0' => '\0',
                b'v' => '\u{b}',
                b'x' => char::from_u32(self.hex(2)?).unwrap_or(char::REPLACEMENT_CHARACTER),
                b'u' => self.unicode()?,
                _ => return Err(self.syntax("a known escape")),
            });
        }
    }

    fn unicode(&mut self) -> Result<char, ReadError> {
        let high = self.hex(4)?;
        if !(0xD800..0xDC00).contains(&high) || !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        self.at += 2;
        let low = self.hex(4)?;
        if !(0xDC00..0xE000).contains(&low) {
            self.at = before;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let pair = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, count: usize) -> Result<u32, ReadError> {
        let digits =
            self.text.as_bytes().get(self.at..self.at + count).ok_or_else(|| self.syntax("hex digits"))?;
        let mut number = 0;
        for digit in digits {
            number =
                number * 16 + char::from(*digit).to_digit(16).ok_or_else(|| self.syntax("a hex digit"))?;
        }
        self.at += count;
        Ok(number)
    }

    /// Skips a value of any kind.
    fn skip(&mut self) -> Result<(), ReadError> {
        self.blanks();
        let close = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return self.scalar().map(drop),
        };
        self.enter()?;
        let mut first = true;
        while self.more(close, &mut first)? {
            self.skip()?;
            if close == b'}' {
                self.expect(b':', ":")?;
                self.skip()?;
            }
        }
        Ok(())
    }

    /// A number: as such, as text, or nothing for 0. `None`: it is none.
    fn number<N: std::str::FromStr + Default>(&mut self) -> Result<N, ReadError> {
        self.blanks();
        let text = match self.scalar()? {
            Scalar::Null => return Ok(N::default()),
            Scalar::Text(text) if text.is_empty() => return Ok(N::default()),
            Scalar::Text(text) => text,
            Scalar::Bare(text) => Cow::Borrowed(text),
        };
        let whole = text.strip_suffix(".0").unwrap_or(&text);
        text.parse().or_else(|_| whole.parse()).map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            ReadError::Shape(format!("{shown:?} is no number of its kind"))
        })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.$visit(self.number()?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.deserialize_map(visitor),
            Some(b'[') => self.deserialize_seq(visitor),
            _ => match self.scalar()? {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Text(text) => visitor.visit_str(&text),
                Scalar::Bare("true") => visitor.visit_bool(true),
                Scalar::Bare("false") => visitor.visit_bool(false),
                Scalar::Bare(text) => {
                    if let Ok(number) = text.parse::<i64>() {
                        visitor.visit_i64(number)
                    } else if let Ok(number) = text.parse::<f64>() {
                        visitor.visit_f64(number)
                    } else {
                        visitor.visit_str(text)
                    }
                }
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.blanks();
        visitor.visit_bool(match self.scalar()? {
            Scalar::Null => false,
            Scalar::Text(text) => is_true(&text),
            Scalar::Bare(text) => is_true(text),
        })
    }

    numbers! {
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_f32 visit_f32
        deserialize_f64 visit_f64
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.blanks();
        if let Some(b'{' | b'[') = self.peek() {
            // Somebody put an object where a text belongs: keep it as its text.
            let from = self.at;
            self.skip()?;
            return visitor.visit_str(&self.text[from..self.at]);
        }
        match self.scalar()? {
            Scalar::Null => visitor.visit_str(""),
            Scalar::Text(text) => visitor.visit_str(&text),
            Scalar::Bare(text) => visitor.visit_str(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.blanks();
        let before = self.at;
        if self.peek() == Some(b'n') && matches!(self.scalar()?, Scalar::Null) {
            return visitor.visit_none();
        }
        self.at = before;
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.blanks();
        if self.peek() == Some(b'[') {
            self.enter()?;
            return visitor.visit_seq(Elements { reader: self, first: true, done: false });
        }
        match self.scalar()? {
            Scalar::Null => visitor.visit_seq(Elements { reader: self, first: true, done: true }),
            _ => Err(self.syntax("[")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.blanks();
        match self.peek() {
            Some(b'{') => {
                self.enter()?;
                visitor.visit_map(Entries { reader: self, first: true, done: false })
            }
            // An object key that was quoted as a whole, as fastjson 1 reads it.
            Some(quote @ (b'"' | b'\'')) => {
                let text = self.string(quote)?;
                if text.is_empty() {
                    return visitor.visit_map(Entries { reader: self, first: true, done: true });
                }
                let mut inner = Reader { text: &text, at: 0, depth: self.depth };
                inner.blanks();
                if inner.peek() != Some(b'{') {
                    return Err(self.syntax("{"));
                }
                inner.enter()?;
                visitor.visit_map(Entries { reader: &mut inner, first: true, done: false })
            }
            _ => match self.scalar()? {
                Scalar::Null => visitor.visit_map(Entries { reader: self, first: true, done: true }),
                _ => Err(self.syntax("{")),
            },
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.blanks();
        match self.scalar()? {
            Scalar::Text(text) => visitor.visit_enum(text.into_owned().into_deserializer()),
            Scalar::Bare(text) => visitor.visit_enum(text.into_deserializer()),
            Scalar::Null => Err(self.syntax("a name")),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// Java's booleans: true, 1, Y, in any spelling.
fn is_true(text: &str) -> bool {
    ["true", "1", "y", "yes", "t"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// The elements of a list.
struct Elements<'r, 't> {
    reader: &'r mut Reader<'t>,
    first: bool,
    done: bool,
}

impl<'de> de::SeqAccess<'de> for Elements<'_, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        if self.done || !self.reader.more(b']', &mut self.first)? {
            self.done = true;
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// The members of an object.
struct Entries<'r, 't> {
    reader: &'r mut Reader<'t>,
    first: bool,
    done: bool,
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        if self.done || !self.reader.more(b'}', &mut self.first)? {
            self.done = true;
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        self.reader.expect(b':', ":")?;
        seed.deserialize(&mut *self.reader)
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
