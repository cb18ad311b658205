//! Writing: compact, members that are null left out, map keys that are no text raw or quoted as the [`Style`] says.
//!
//! The order of members is that of the struct: declare them sorted by wire name, as Java emits them. NaN, which
//! fastjson cannot carry, is written as 0.0.

use serde::ser::{self, Serialize};

use crate::header::write::{decimal, escaped};

/// How map keys that are no text are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Integer keys quoted: standard JSON, for routes. Object keys stay raw, there is no other accepted form.
    Standard,
    /// `{0:..}` and `{{..}:..}`, as Java emits by default.
    Raw,
}

/// `value` as bytes.
#[must_use]
pub fn to_vec<T: Serialize + ?Sized>(value: &T, style: Style) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    append(&mut out, value, style);
    out
}

/// Appends `value`.
///
/// # Panics
/// If a `Serialize` implementation fails by itself; derived ones do not.
pub fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T, style: Style) {
    let mut writer = Writer { out, style, as_key: false };
    value.serialize(&mut writer).expect("body types serialize");
}

/// A serde serializer. Says of each value whether it was there at all.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    style: Style,
    /// The value being written is a map key.
    as_key: bool,
}

/// Whether something was written: an absent value takes its member name with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrote {
    Value,
    Nothing,
}

impl Writer<'_> {
    fn bare(&mut self, text: &[u8]) -> Result<Wrote, Failure> {
        let quoted = self.as_key && self.style == Style::Standard;
        if quoted {
            self.out.push(b'"');
        }
        self.out.extend_from_slice(text);
        if quoted {
            self.out.push(b'"');
        }
        Ok(Wrote::Value)
    }

    fn integer(&mut self, value: i64) -> Result<Wrote, Failure> {
        let mut digits = Vec::with_capacity(20);
        decimal(&mut digits, value);
        self.bare(&digits)
    }

    /// A nested value, as itself even inside a key.
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Wrote, Failure> {
        let mut inner = Writer { out: &mut *self.out, style: self.style, as_key: false };
        value.serialize(&mut inner)
    }

    fn open(&mut self, bracket: u8, close: u8) -> Nested<'_> {
        self.out.push(bracket);
        let start = self.out.len();
        Nested {
            writer: Writer { out: &mut *self.out, style: self.style, as_key: false },
            start,
            close,
            key: start,
        }
    }
}

/// Inside an object or a list.
struct Nested<'o> {
    writer: Writer<'o>,
    /// Behind the opening bracket.
    start: usize,
    close: u8,
    /// Where the key of the current map entry began.
    key: usize,
}

impl Nested<'_> {
    fn comma(&mut self) {
        if self.writer.out.len() > self.start {
            self.writer.out.push(b',');
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.comma();
        if self.writer.element(value)? == Wrote::Nothing {
            self.writer.out.extend_from_slice(b"null");
        }
        Ok(())
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Failure> {
        let before = self.writer.out.len();
        self.comma();
        self.writer.out.push(b'"');
        self.writer.out.extend_from_slice(name.as_bytes());
        self.writer.out.extend_from_slice(b"\":");
        if self.writer.element(value)? == Wrote::Nothing {
            self.writer.out.truncate(before);
        }
        Ok(())
    }

    fn finish(self) -> Result<Wrote, Failure> {
        self.writer.out.push(self.close);
        Ok(Wrote::Value)
    }
}

/// A `Serialize` implementation gave up. Ours do not.
#[derive(Debug)]
struct Failure;

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a body type failed to serialize")
    }
}

impl std::error::Error for Failure {}

impl ser::Error for Failure {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Failure
    }
}

impl<'o> ser::Serializer for &'o mut Writer<'_> {
    type Ok = Wrote;
    type Error = Failure;
    type SerializeSeq = Nested<'o>;
    type SerializeTuple = Nested<'o>;
    type SerializeTupleStruct = Nested<'o>;
    type SerializeTupleVariant = ser::Impossible<Wrote, Failure>;
    type SerializeMap = Nested<'o>;
    type SerializeStruct = Nested<'o>;
    type SerializeStructVariant = ser::Impossible<Wrote, Failure>;

    fn serialize_bool(self, value: bool) -> Result<Wrote, Failure> {
        self.bare(if value { b"true" } else { b"false" })
    }
    fn serialize_i8(self, value: i8) -> Result<Wrote, Failure> {
        self.integer(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<Wrote, Failure> {
        self.integer(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<Wrote, Failure> {
        self.integer(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<Wrote, Failure> {
        self.integer(value)
    }
    fn serialize_u8(self, value: u8) -> Result<Wrote, Failure> {
        self.integer(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<Wrote, Failure> {
        self.integer(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<Wrote, Failure> {
        self.integer(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<Wrote, Failure> {
        self.bare(value.to_string().as_bytes())
    }
    fn serialize_f32(self, value: f32) -> Result<Wrote, Failure> {
        self.serialize_f64(value.into())
    }
    fn serialize_f64(self, value: f64) -> Result<Wrote, Failure> {
        let value = if value.is_finite() { value } else { 0.0 };
        self.bare(format!("{value:?}").as_bytes())
    }
    fn serialize_char(self, value: char) -> Result<Wrote, Failure> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<Wrote, Failure> {
        self.out.push(b'"');
        escaped(self.out, value.as_bytes());
        self.out.push(b'"');
        Ok(Wrote::Value)
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Wrote, Failure> {
        self.collect_seq(value)
    }
    fn serialize_none(self) -> Result<Wrote, Failure> {
        Ok(Wrote::Nothing)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Wrote, Failure> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Wrote, Failure> {
        Ok(Wrote::Nothing)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Wrote, Failure> {
        Ok(Wrote::Nothing)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Wrote, Failure> {
        self.serialize_str(name)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Wrote, Failure> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<Wrote, Failure> {
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Nested<'o>, Failure> {
        Ok(self.open(b'[', b']'))
    }
    fn serialize_tuple(self, _: usize) -> Result<Nested<'o>, Failure> {
        Ok(self.open(b'[', b']'))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Nested<'o>, Failure> {
        Ok(self.open(b'[', b']'))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Failure> {
        Err(Failure)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Nested<'o>, Failure> {
        Ok(self.open(b'{', b'}'))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Nested<'o>, Failure> {
        Ok(self.open(b'{', b'}'))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Failure> {
        Err(Failure)
    }
}

impl ser::SerializeSeq for Nested<'_> {
    type Ok = Wrote;
    type Error = Failure;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.item(value)
    }
    fn end(self) -> Result<Wrote, Failure> {
        self.finish()
    }
}

impl ser::SerializeTuple for Nested<'_> {
    type Ok = Wrote;
    type Error = Failure;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.item(value)
    }
    fn end(self) -> Result<Wrote, Failure> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Nested<'_> {
    type Ok = Wrote;
    type Error = Failure;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.item(value)
    }
    fn end(self) -> Result<Wrote, Failure> {
        self.finish()
    }
}

impl ser::SerializeMap for Nested<'_> {
    type Ok = Wrote;
    type Error = Failure;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.key = self.writer.out.len();
        self.comma();
        let mut writer = Writer { out: &mut *self.writer.out, style: self.writer.style, as_key: true };
        key.serialize(&mut writer)?;
        self.writer.out.push(b':');
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        if self.writer.element(value)? == Wrote::Nothing {
            self.writer.out.truncate(self.key);
        }
        Ok(())
    }
    fn end(self) -> Result<Wrote, Failure> {
        self.finish()
    }
}

impl ser::SerializeStruct for Nested<'_> {
    type Ok = Wrote;
    type Error = Failure;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        self.member(name, value)
    }
    fn end(self) -> Result<Wrote, Failure> {
        self.finish()
    }
}
