//! [`Buckets`]: keys by the first bits of their hashes, each bucket a chain of short pieces of memory.
//!
//! Writing each key to the bucket where it belongs costs less than sorting all of them later: one store to one of some
//! hundred places that the processor's caches hold.

use super::KeyEntry;

/// Memory for keys: [`PIECES`] pieces.
type Block = Box<[KeyEntry]>;

#[derive(Debug)]
pub(super) struct Buckets {
    blocks: Vec<Block>,
    /// The piece that follows each piece in its bucket.
    following: Vec<u32>,
    chains: Vec<Chain>,
    keys: usize,
}

/// The pieces of one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    first: u32,
    last: u32,
    keys: u32,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { blocks: Vec::new(), following: Vec::new(), chains: vec![Chain::default(); COUNT], keys: 0 }
    }
}

impl Buckets {
    /// The bucket of a hash. Buckets are in the order of the hashes in them.
    pub(super) fn of(hash: u64) -> usize {
        (hash >> (u64::BITS - BITS)) as usize
    }

    /// Adds a key.
    pub(super) fn push(&mut self, entry: KeyEntry) {
        let chain = &mut self.chains[Self::of(entry.hash)];
        let within = chain.keys as usize % PIECE_KEYS;
        if within == 0 {
            let piece = self.following.len();
            self.following.push(0);
            if piece == self.blocks.len() * PIECES {
                self.blocks.push(new_block());
            }
            let piece = u32::try_from(piece).expect("fewer pieces than keys of a log");
            if chain.keys == 0 {
                chain.first = piece;
            } else {
                self.following[chain.last as usize] = piece;
            }
            chain.last = piece;
        }
        let piece = chain.last as usize;
        self.blocks[piece / PIECES][piece % PIECES * PIECE_KEYS + within] = entry;
        chain.keys += 1;
        self.keys += 1;
    }

    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    pub(super) fn keys_of(&self, bucket: usize) -> usize {
        self.chains[bucket].keys as usize
    }

    /// The keys of a bucket in the order in which they came, piece by piece.
    pub(super) fn pieces(&self, bucket: usize) -> impl Iterator<Item = &[KeyEntry]> {
        let Chain { first, keys, .. } = self.chains[bucket];
        let (mut piece, mut left) = (first as usize, keys as usize);
        std::iter::from_fn(move || {
            let count = left.min(PIECE_KEYS);
            let start = piece % PIECES * PIECE_KEYS;
            let found = (count > 0).then(|| &self.blocks[piece / PIECES][start..start + count])?;
            left -= count;
            piece = self.following[piece] as usize;
            Some(found)
        })
    }

    pub(super) fn memory(&self) -> usize {
        let blocks = self.blocks.iter().map(|block| size_of_val(&**block)).sum::<usize>();
        blocks + self.following.capacity() * size_of::<u32>() + self.chains.len() * size_of::<Chain>()
    }
}

fn new_block() -> Block {
    vec![KeyEntry { hash: 0, at: 0, stored_at_ms: 0 }; PIECES * PIECE_KEYS].into_boxed_slice()
}

/// Leading bits of a hash that choose its bucket.
pub(super) const BITS: u32 = 9;
/// Buckets: few enough that the ends of all of them stay in the processor's caches, and so many that of a run's worth of
/// keys each has what sorts in a slice of 50 us.
pub(super) const COUNT: usize = 1 << BITS;
/// Keys of a piece.
const PIECE_KEYS: usize = 32;
/// Pieces of a block.
const PIECES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_has_its_keys_in_the_order_in_which_they_came(
            hashes in prop::collection::vec(prop_oneof![any::<u64>(), (0..3_u64).prop_map(|few| few << 55)], 0..5000),
        ) {
            let mut buckets = Buckets::default();
            for (at, hash) in (0..).zip(&hashes) {
                buckets.push(KeyEntry { hash: *hash, at, stored_at_ms: 0 });
            }
            prop_assert_eq!(buckets.keys(), hashes.len());
            for bucket in 0..COUNT {
                let of_bucket = (0..).zip(&hashes).filter(|(_, hash)| Buckets::of(**hash) == bucket);
                let expected: Vec<u64> = of_bucket.map(|(at, _)| at).collect();
                let found: Vec<u64> = buckets.pieces(bucket).flatten().map(|key| key.at).collect();
                prop_assert_eq!(buckets.keys_of(bucket), found.len());
                prop_assert_eq!(found, expected);
            }
        }
    }
}
