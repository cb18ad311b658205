//! The body of a batch: items back to back (PROTOCOL.md "Batch").
//!
//! Decoding borrows; [`Items`] checks every length against what is there before it is used.

use std::fmt;

/// One message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Opaque to the broker.
    pub flag: i32,
    /// The message.
    pub body: &'a [u8],
    /// In wire form, see [`crate::properties`].
    pub properties: &'a [u8],
}

/// Bytes of an item beside its body and properties.
pub const ITEM_BYTES_FIXED: usize = 4 + 4 + 4 + 4 + 4 + 2;

/// The items of a body. Ends after the first error.
#[must_use]
pub fn items(body: &[u8]) -> Items<'_> {
    Items { rest: body, index: 0 }
}

/// Iterator over the items of a batch.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
    index: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = decode(self.rest);
        self.rest = item.as_ref().map_or(&[], |(_, rest)| *rest);
        let index = self.index;
        self.index += 1;
        Some(item.map(|(item, _)| item).ok_or(BatchError { item: index }))
    }
}

/// Appends one item.
///
/// # Panics
/// If the properties or the whole item do not fit their length fields.
pub fn append(out: &mut Vec<u8>, item: &Item<'_>) {
    let total = ITEM_BYTES_FIXED + item.body.len() + item.properties.len();
    let properties = i16::try_from(item.properties.len()).expect("properties below 32 KiB");
    out.extend_from_slice(&i32::try_from(total).expect("an item below 2 GiB").to_be_bytes());
    out.extend_from_slice(&[0; 8]); // Magic and CRC are not used here.
    out.extend_from_slice(&item.flag.to_be_bytes());
    out.extend_from_slice(&(item.body.len() as i32).to_be_bytes());
    out.extend_from_slice(item.body);
    out.extend_from_slice(&properties.to_be_bytes());
    out.extend_from_slice(item.properties);
}

/// The item at the start of `bytes` and what follows it.
fn decode(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let total = usize::try_from(i32::from_be_bytes(*bytes.first_chunk()?)).ok()?;
    let (item, rest) = bytes.split_at_checked(total)?;
    let (flag, tail) = item.get(12..)?.split_first_chunk()?;
    let (length, tail) = tail.split_first_chunk()?;
    let (body, tail) = tail.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
    let (length, tail) = tail.split_first_chunk()?;
    let properties = tail.get(..usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
    (tail.len() == properties.len()).then_some(())?;
    Some((Item { flag: i32::from_be_bytes(*flag), body, properties }, rest))
}

/// An item's lengths do not agree with the bytes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// Its index.
    pub item: usize,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} of the batch is cut off or its lengths contradict each other", self.item)
    }
}

impl std::error::Error for BatchError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn items_come_back_as_they_were_appended(
            list in proptest::collection::vec((any::<i32>(), any::<Vec<u8>>(), any::<Vec<u8>>()), 0..8),
        ) {
            let list: Vec<Item<'_>> = list
                .iter()
                .map(|(flag, body, properties)| Item { flag: *flag, body, properties })
                .collect();
            let mut body = Vec::new();
            list.iter().for_each(|item| append(&mut body, item));
            prop_assert_eq!(items(&body).collect::<Result<Vec<_>, _>>().unwrap(), list);
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_end(bytes in any::<Vec<u8>>()) {
            prop_assert!(items(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn a_cut_item_is_named() {
        let mut body = Vec::new();
        append(&mut body, &Item { flag: 0, body: b"one", properties: b"" });
        append(&mut body, &Item { flag: 0, body: b"two", properties: b"k\x01v\x02" });
        body.pop();
        assert_eq!(items(&body).nth(1), Some(Err(BatchError { item: 1 })));
        assert_eq!(items(&body).nth(2), None);
    }
}
