//! Checks of the records in the body of a pull.

use std::fmt;

use store::record::{Cover, Damage, Parsed, Record, parse};

/// What a body holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// Records.
    pub(crate) count: i64,
    /// Bytes of their bodies.
    pub(crate) body_bytes: u64,
}

/// Why a body is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not a record.
    Damaged(Damage),
    /// A record of another offset.
    Offset {
        /// What should have come.
        expected: i64,
        /// What came.
        found: i64,
    },
}

/// Takes all records of `body` apart: contiguous from `first`, and with the right CRC if `full`.
pub(crate) fn check(body: &[u8], first: i64, full: bool) -> Result<Read, Fault> {
    let mut read = Read::default();
    each(body, |record| {
        let (expected, found) = (first + read.count, record.queue_offset().get().cast_signed());
        if expected != found {
            return Err(Fault::Offset { expected, found });
        }
        if full {
            record.verify(record.physical_offset(), Cover::AsJava).map_err(Fault::Damaged)?;
        }
        read.count += 1;
        read.body_bytes += record.body().len() as u64;
        Ok(())
    })?;
    Ok(read)
}

/// Calls `see` for each record of `body`, in order.
pub(crate) fn each<'a>(
    body: &'a [u8],
    mut see: impl FnMut(&Record<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut rest = body;
    while !rest.is_empty() {
        match parse(rest).map_err(Fault::Damaged)? {
            Parsed::Record(record) => {
                see(&record)?;
                rest = &rest[record.bytes().len()..];
            }
            Parsed::Blank { .. } => return Err(Fault::Damaged(Damage::Blank)),
        }
    }
    Ok(())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(damage) => write!(f, "not a record: {damage:?}"),
            Self::Offset { expected, found } => write!(f, "offset {found} where {expected} was expected"),
        }
    }
}
