//! Who reads in order, and how far ahead of each it pays to read.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    readers: HashMap<u64, Streams, BuildHasherDefault<std::hash::DefaultHasher>>,
    /// Readers in the order in which they came, to forget the oldest.
    order: VecDeque<u64>,
}

/// Where one reader reads, the place used last in front. A queue is one reader to us, and its groups are at places of
/// their own.
type Streams = Vec<Progress>;

#[derive(Clone, Copy, Debug)]
struct Progress {
    last: u64,
    /// Steps forward in a row.
    streak: u32,
}

impl ReadAhead {
    /// `reader` has arrived at `extent`: the extents to fetch for it, at most `most`.
    pub(super) fn ahead(&mut self, reader: u64, extent: u64, most: u64) -> std::ops::Range<u64> {
        let nothing = 0..0;
        if !self.readers.contains_key(&reader) {
            if self.order.len() == READERS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.readers.remove(&oldest);
            }
            self.order.push_back(reader);
        }
        let streams = self.readers.entry(reader).or_default();
        let near = |progress: &Progress| (progress.last..=progress.last + STRIDE_MAX).contains(&extent);
        let Some(found) = streams.iter().position(near) else {
            streams.truncate(STREAMS_MAX - 1);
            streams.insert(0, Progress { last: extent, streak: 0 });
            return nothing;
        };
        streams[..=found].rotate_right(1);
        let progress = &mut streams[0];
        if extent > progress.last {
            progress.streak = progress.streak.saturating_add(1);
            progress.last = extent;
        }
        match progress.streak {
            0 => nothing,
            1..PROVED => extent + 1..extent + 1 + most.div_ceil(4),
            PROVED..LONG => extent + 1..extent + 1 + most.div_ceil(2),
            _ => extent + 1..extent + 1 + most,
        }
    }
}

const READERS_MAX: usize = 1024;
/// Places of one reader that are remembered.
const STREAMS_MAX: usize = 16;
/// A queue's records need not lie in neighbouring extents.
const STRIDE_MAX: u64 = 4;
/// Steps in a row after which more is read ahead, and after which the most is.
const PROVED: u32 = 4;
const LONG: u32 = 16;
