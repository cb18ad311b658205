//! Enums that travel as names. Old and foreign peers send ordinals, newer ones names we do not know: those become
//! `Other`, which is written as nothing, like Java's null.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::Language;

macro_rules! wire_enums {
    ($(
        $(#[$doc:meta])*
        $name:ident or $default:ident { $($variant:ident = $text:literal $ordinal:literal),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
            /// A name of another version.
            Other,
        }

        impl $name {
            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self { $($name::$variant => Some($text),)* $name::Other => None }
            }

            /// From its name.
            #[must_use]
            pub fn from_name(name: &str) -> Self {
                match name { $($text => $name::$variant,)* _ => $name::Other }
            }

            /// From its position in Java's enum.
            #[must_use]
            pub const fn from_ordinal(ordinal: i64) -> Self {
                match ordinal { $($ordinal => $name::$variant,)* _ => $name::Other }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $name::$default
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.name().serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(NameOrOrdinal).map(|value| match value {
                    Named::Name(name) => match name.parse() {
                        Ok(ordinal) => $name::from_ordinal(ordinal),
                        Err(_) => $name::from_name(&name),
                    },
                    Named::Ordinal(ordinal) => $name::from_ordinal(ordinal),
                    Named::Null => $name::Other,
                })
            }
        }
    )*};
}

wire_enums! {
    /// How a group takes its messages.
    ConsumeType or Passively {
        Actively = "CONSUME_ACTIVELY" 0,
        Passively = "CONSUME_PASSIVELY" 1,
        Pop = "CONSUME_POP" 2,
    }

    /// Who of a group gets a message.
    MessageModel or Clustering {
        Broadcasting = "BROADCASTING" 0,
        Clustering = "CLUSTERING" 1,
        LiteSelective = "LITE_SELECTIVE" 2,
    }

    /// Where a group without offset starts.
    ConsumeFromWhere or LastOffset {
        LastOffset = "CONSUME_FROM_LAST_OFFSET" 0,
        LastOffsetAndMinWhenBootFirst = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST" 1,
        MinOffset = "CONSUME_FROM_MIN_OFFSET" 2,
        MaxOffset = "CONSUME_FROM_MAX_OFFSET" 3,
        FirstOffset = "CONSUME_FROM_FIRST_OFFSET" 4,
        Timestamp = "CONSUME_FROM_TIMESTAMP" 5,
    }

    /// Filter type of a topic.
    TopicFilterType or SingleTag {
        SingleTag = "SINGLE_TAG" 0,
        MultiTag = "MULTI_TAG" 1,
    }

    /// How a client should ask for messages.
    MessageRequestMode or Pull {
        Pull = "PULL" 0,
        Pop = "POP" 1,
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrOrdinal).map(|value| match value {
            Named::Name(name) => Language::from_name(&name),
            Named::Ordinal(number) => Language::from_number(number),
            Named::Null => Language::default(),
        })
    }
}

enum Named {
    Name(String),
    Ordinal(i64),
    Null,
}

struct NameOrOrdinal;

impl Visitor<'_> for NameOrOrdinal {
    type Value = Named;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name or an ordinal")
    }
    fn visit_str<E: de::Error>(self, name: &str) -> Result<Named, E> {
        Ok(Named::Name(name.to_owned()))
    }
    fn visit_i64<E: de::Error>(self, ordinal: i64) -> Result<Named, E> {
        Ok(Named::Ordinal(ordinal))
    }
    fn visit_u64<E: de::Error>(self, ordinal: u64) -> Result<Named, E> {
        Ok(Named::Ordinal(i64::try_from(ordinal).unwrap_or(-1)))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Named, E> {
        Ok(Named::Null)
    }
}
