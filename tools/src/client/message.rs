//! A consumed message and how it is shown.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Read;

use net::message_id::OffsetMessageId;
use net::properties::{self, keys};
use store::record::Record;

use crate::failure::Failure;
use crate::time;

/// A message as a pull brought it.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    record: Record<'a>,
    broker: &'a str,
    body: Cow<'a, [u8]>,
}

/// Bit of `sysFlag`: the body is compressed.
const COMPRESSED: i32 = 1;
/// Where `sysFlag` says how.
const COMPRESSION_SHIFT: i32 = 8;
const COMPRESSION_MASK: i32 = 0b111;
/// A body never unpacks to more than this: a small message must not fill the memory.
const BODY_BYTES_MAX: u64 = 256 << 20;

impl<'a> Message<'a> {
    /// Unpacks the body if it is compressed.
    #[must_use]
    pub(crate) fn new(record: Record<'a>, broker: &'a str) -> Self {
        let body =
            unpacked(record.body(), record.sys_flag()).map_or(Cow::Borrowed(record.body()), Cow::Owned);
        Self { record, broker, body }
    }

    /// The body, unpacked.
    #[must_use]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The tag, empty if none.
    #[must_use]
    pub(crate) fn tag(&self) -> Cow<'_, str> {
        self.property(keys::TAGS)
    }

    /// A property's value, empty if it has none.
    #[must_use]
    pub(crate) fn property(&self, name: &str) -> Cow<'_, str> {
        String::from_utf8_lossy(properties::find(self.record.properties(), name).unwrap_or_default())
    }

    /// The id by which tools find it: store address and log offset.
    #[must_use]
    pub(crate) fn offset_id(&self) -> String {
        let mut text = String::new();
        let offset = self.record.physical_offset().get();
        OffsetMessageId { host: self.record.store_host(), offset }.append(&mut text);
        text
    }

    /// The id that its producer gave it, else its offset id.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        let unique = self.property(keys::UNIQ_KEY);
        if unique.is_empty() { self.offset_id() } else { unique.into_owned() }
    }

    /// All properties, `name=value` separated by commas.
    #[must_use]
    pub(crate) fn properties(&self) -> String {
        let mut text = String::new();
        for (name, value) in properties::iter(self.record.properties()) {
            let gap = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{gap}{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        }
        text
    }

    /// As Java's `MessageExt.toString`, for the quickstart consumer. `bounds` are the queue's offsets.
    #[must_use]
    pub(crate) fn as_java(&self, bounds: (i64, i64), consumed_at_ms: i64) -> String {
        let record = &self.record;
        let mut all = vec![format!("MIN_OFFSET={}", bounds.0), format!("MAX_OFFSET={}", bounds.1)];
        all.push(format!("{}={consumed_at_ms}", keys::CONSUME_START_TIME));
        all.extend(properties::iter(record.properties()).map(|(name, value)| {
            format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        }));
        // Java prints bytes, which are signed there.
        let body: Vec<String> = self.body.iter().map(|byte| byte.cast_signed().to_string()).collect();
        format!(
            "MessageExt [brokerName={}, queueId={}, storeSize={}, queueOffset={}, sysFlag={}, bornTimestamp={}, bornHost=/{}, \
             storeTimestamp={}, storeHost=/{}, msgId={}, commitLogOffset={}, bodyCRC={}, reconsumeTimes={}, \
             preparedTransactionOffset={}, toString()=Message{{topic='{}', flag={}, properties={{{}}}, body=[{}], transactionId='null'}}]",
            self.broker,
            record.queue_id(),
            record.bytes().len(),
            record.queue_offset().get(),
            record.sys_flag(),
            record.born_at_ms(),
            record.born_host(),
            record.stored_at_ms(),
            record.store_host(),
            self.offset_id(),
            record.physical_offset().get(),
            u32::from_be_bytes([
                record.bytes()[8],
                record.bytes()[9],
                record.bytes()[10],
                record.bytes()[11]
            ]),
            record.reconsume_times(),
            record.prepared_transaction_offset(),
            record.topic(),
            record.flag(),
            all.join(", "),
            body.join(", "),
        )
    }
}

fn unpacked(body: &[u8], sys_flag: i32) -> Option<Vec<u8>> {
    if sys_flag & COMPRESSED == 0 {
        return None;
    }
    let mut out = Vec::new();
    match (sys_flag >> COMPRESSION_SHIFT) & COMPRESSION_MASK {
        // 0 is what clients wrote before there was a choice.
        0 | 3 => flate2::read::ZlibDecoder::new(body).take(BODY_BYTES_MAX).read_to_end(&mut out).ok()?,
        1 => lz4_flex::frame::FrameDecoder::new(body).take(BODY_BYTES_MAX).read_to_end(&mut out).ok()?,
        _ => return None,
    };
    Some(out)
}

/// The form of a printed message: `-f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(char),
}

/// What may follow a `%`.
const FIELDS: &str = "bkgtrqoTmps";

impl Format {
    /// Reads a form such as `%t %q %o: %b\n`.
    ///
    /// # Errors
    /// [`Failure::Usage`] names the sequence that has no meaning.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => match chars.next() {
                    Some('%') => plain.push('%'),
                    Some(field) if FIELDS.contains(field) => {
                        if !plain.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut plain)));
                        }
                        pieces.push(Piece::Field(field));
                    }
                    other => return Err(no_meaning('%', other)),
                },
                '\\' => plain.push(match chars.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some('0') => '\0',
                    Some('\\') => '\\',
                    other => return Err(no_meaning('\\', other)),
                }),
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Appends `message` in this form. The body goes out byte for byte.
    pub(crate) fn append(&self, message: &Message<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field('b') => out.extend_from_slice(message.body()),
                Piece::Field(field) => out.extend_from_slice(field_text(*field, message).as_bytes()),
            }
        }
    }
}

fn field_text(field: char, message: &Message<'_>) -> String {
    let record = &message.record;
    match field {
        'k' => message.property(keys::KEYS).into_owned(),
        'g' => message.tag().into_owned(),
        't' => record.topic().to_owned(),
        'r' => message.broker.to_owned(),
        'q' => record.queue_id().to_string(),
        'o' => record.queue_offset().get().to_string(),
        'T' => time::show(record.stored_at_ms()),
        'm' => message.id(),
        's' => record.bytes().len().to_string(),
        'p' => message.properties(),
        _ => unreachable!("the form holds only fields that have a meaning"),
    }
}

fn no_meaning(lead: char, follow: Option<char>) -> Failure {
    Failure::Usage {
        what: format!("\"{lead}{}\" has no meaning in a message format", follow.map_or_else(String::new, String::from)),
        fix: "fields are %b body, %k keys, %g tag, %t topic, %r broker, %q queue, %o offset, %T time, %m id, %p properties, \
              %s size; %% is a percent sign, \\n \\t \\r \\0 \\\\ are as usual"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_is_text_and_fields_and_refuses_what_it_does_not_know() {
        let form = Format::parse("%t[%q]%%\\n").unwrap();
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(form.0, [Piece::Field('t'), text("["), Piece::Field('q'), text("]%\n")]);
        assert!(Format::parse("%z").is_err());
        assert!(Format::parse("100%").is_err());
        assert!(Format::parse("\\x").is_err());
    }

    #[test]
    fn a_compressed_body_is_unpacked_and_a_damaged_one_shown_as_it_is() {
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(b"hello hello hello").unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(unpacked(&packed, COMPRESSED).unwrap(), b"hello hello hello");
        assert_eq!(unpacked(&packed, COMPRESSED | 3 << COMPRESSION_SHIFT).unwrap(), b"hello hello hello");
        assert_eq!(unpacked(&packed, 0), None);
        assert_eq!(unpacked(b"no zlib", COMPRESSED), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_form_parser_panic(text in ".{0,30}") {
            let _ = Format::parse(&text);
        }
    }
}
