//! The values of a body as serde asks for them: each in its own dialects.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::ReadError;
use super::reader::{Reader, Scalar};

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
                let mut inner = Reader::new(&text, self.depth);
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
