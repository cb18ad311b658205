//! Entry points for fuzzing what this crate reads from strangers and from disk. Not for anybody else.

use net::pop::Receipt;

use crate::handlers::AckBits;
use crate::pop::rows_of;

/// A receipt of a popped message: what is read is written alike and read again.
pub fn receipt(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Receipt::parse(text) {
        Ok(receipt) => assert_eq!(Receipt::parse(&receipt.to_string()), Ok(receipt)),
        Err(error) => assert!(error.to_string().len() < 1_000, "a remark repeats little of what came"),
    }
}

/// The bits of a batch of acknowledgements: no more than were sent.
pub fn acknowledged_bits(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Some(bits) = AckBits::parse(text) else { return };
    let beyond = i64::try_from(text.len()).unwrap_or(i64::MAX) * 6;
    assert!((beyond..beyond + 64).all(|number| !bits.is_set(number)));
}

/// Rows of the tables of pops.
pub fn rows(data: &[u8]) {
    rows_of(data);
}
