//! [`Token`]: what a completion belongs to, as the 64 bits of its `user_data`.

use crate::ConnId;

/// |  bits  | field                                              |
/// |-------:|----------------------------------------------------|
/// | 56..64 | kind                                               |
/// | 32..56 | slot: connection, listener or pending operation    |
/// |  0..32 | generation of the connection, otherwise 0          |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A disk operation.
    Op(u32),
    /// The doorbell's read.
    Bell,
    /// A listener's accept.
    Accept(u32),
    /// The cancellation of an accept.
    Unlisten(u32),
    /// A connection's connect, receive, send, cancellation, release of its file slot.
    Connect(ConnId),
    Recv(ConnId),
    Send(ConnId),
    Cancel(ConnId),
    Release(ConnId),
}

/// Slots are numbered below this.
pub(crate) const SLOTS_MAX: u32 = 1 << 24;

impl Token {
    pub(crate) fn encode(self) -> u64 {
        let (kind, slot, generation) = match self {
            Token::Op(slot) => (0, slot, 0),
            Token::Bell => (1, 0, 0),
            Token::Accept(slot) => (2, slot, 0),
            Token::Unlisten(slot) => (3, slot, 0),
            Token::Connect(conn) => (4, conn.index, conn.generation),
            Token::Recv(conn) => (5, conn.index, conn.generation),
            Token::Send(conn) => (6, conn.index, conn.generation),
            Token::Cancel(conn) => (7, conn.index, conn.generation),
            Token::Release(conn) => (8, conn.index, conn.generation),
        };
        debug_assert!(slot < SLOTS_MAX);
        kind << 56 | u64::from(slot) << 32 | u64::from(generation)
    }

    pub(crate) fn decode(bits: u64) -> Self {
        let slot = (bits >> 32) as u32 & (SLOTS_MAX - 1); // 24 bits by the mask
        let conn = ConnId { index: slot, generation: bits as u32 }; // the low half, on purpose
        match bits >> 56 {
            0 => Token::Op(slot),
            1 => Token::Bell,
            2 => Token::Accept(slot),
            3 => Token::Unlisten(slot),
            4 => Token::Connect(conn),
            5 => Token::Recv(conn),
            6 => Token::Send(conn),
            7 => Token::Cancel(conn),
            8 => Token::Release(conn),
            kind => unreachable!("completion of unknown kind {kind}: only `encode` makes tokens"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_survives_its_64_bits(slot in 0..SLOTS_MAX, generation: u32, kind in 0_usize..9) {
            let conn = ConnId { index: slot, generation };
            let token = [
                Token::Op(slot), Token::Bell, Token::Accept(slot), Token::Unlisten(slot), Token::Connect(conn),
                Token::Recv(conn), Token::Send(conn), Token::Cancel(conn), Token::Release(conn),
            ][kind];
            prop_assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
