//! Entry points for fuzzing what this crate reads from strangers and from disk. Not for anybody else.

use crate::handlers::ack_bits;
use crate::pop::{Receipt, rows_of};

/// A receipt of a popped message: what is read is written alike and read again.
pub fn receipt(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match Receipt::parse(text) {
        Ok(receipt) => assert_eq!(Receipt::parse(&receipt.text()), Ok(receipt)),
        Err(remark) => assert!(remark.len() < 1_000, "a remark repeats little of what came"),
    }
}

/// The bits of a batch of acknowledgements: as many as there can be, ascending.
pub fn acknowledged_bits(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Some(bits) = ack_bits(text) else { return };
    assert!(bits.is_sorted() && bits.len() <= text.len() * 6);
}

/// Rows of the tables of pops.
pub fn rows(data: &[u8]) {
    rows_of(data);
}
