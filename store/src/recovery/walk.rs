//! Walking a log record by record over bytes that may end or lie.

use rt::window::Leftover;
use rt::{Env, SharedSlice};

use crate::commitlog::segments::Segments;
use crate::record::{BLANK_BYTES, Cover, Damage, Parsed, Record, parse, stated_bytes};
use crate::{PhysicalOffset, StoreError};

/// Where the bytes come from.
pub(super) enum Source<'a, E: Env> {
    Files(&'a Segments<E>),
    Window(&'a Leftover),
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// Start of the first record (or batch) that is not whole, or the end of what there is.
    pub(super) at: u64,
    /// Why it is not whole; `None` at the end of what there is.
    pub(super) damage: Option<Damage>,
}

/// Limits of one walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) from: u64,
    /// End of what the source holds.
    pub(super) to: u64,
    pub(super) segment_bytes: u64,
    pub(super) record_bytes_max: u64,
}

/// Verifies records from `bounds.from` on and hands each to `found`, a batch only when all of it is whole.
///
/// # Errors
/// Reading failed; what was found before is valid.
pub(super) async fn walk<E: Env>(
    env: &E,
    source: &Source<'_, E>,
    bounds: Bounds,
    found: &mut dyn FnMut(&Record<'_>),
) -> Result<Stop, StoreError> {
    let mut reader = Reader { env, source, bounds, held: None };
    let mut at = bounds.from;
    // Records of a batch whose last record was not met yet.
    let mut batch: Vec<Vec<u8>> = Vec::new();
    let mut batch_at = at;
    loop {
        if at >= bounds.to {
            let damage = (!batch.is_empty()).then_some(Damage::BatchCut);
            return Ok(Stop { at: if batch.is_empty() { at } else { batch_at }, damage });
        }
        let bytes = reader.item(at).await?;
        match step(bytes, at, bounds) {
            Ok(Parsed::Blank { bytes }) if batch.is_empty() => at += u64::from(bytes),
            Ok(Parsed::Blank { .. }) => return Ok(Stop { at: batch_at, damage: Some(Damage::BatchCut) }),
            Ok(Parsed::Record(record)) => {
                if batch.is_empty() {
                    batch_at = at;
                }
                at += record.bytes().len() as u64;
                if record.is_continued() {
                    batch.push(record.bytes().to_vec());
                    continue;
                }
                for bytes in batch.drain(..) {
                    if let Ok(Parsed::Record(record)) = parse(&bytes) {
                        found(&record);
                    }
                }
                found(&record);
            }
            Err(damage) => {
                return Ok(Stop { at: if batch.is_empty() { at } else { batch_at }, damage: Some(damage) });
            }
        }
    }
}

/// What stands at `at`, fully checked.
fn step(bytes: &[u8], at: u64, bounds: Bounds) -> Result<Parsed<'_>, Damage> {
    let left = bounds.segment_bytes - at % bounds.segment_bytes;
    let parsed = parse(bytes)?;
    match parsed {
        Parsed::Blank { bytes } if u64::from(bytes) == left => {}
        Parsed::Blank { .. } => return Err(Damage::Blank),
        Parsed::Record(record) => {
            if record.bytes().len() as u64 + BLANK_BYTES > left {
                return Err(Damage::Length);
            }
            record.verify(PhysicalOffset::new(at), Cover::Whole)?;
        }
    }
    Ok(parsed)
}

/// Reads ahead in large pieces, never over the end of a segment.
struct Reader<'a, E: Env> {
    env: &'a E,
    source: &'a Source<'a, E>,
    bounds: Bounds,
    held: Option<(u64, Held)>,
}

enum Held {
    Slice(SharedSlice),
    Copy(Vec<u8>),
}

impl Held {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Slice(slice) => slice,
            Self::Copy(bytes) => bytes,
        }
    }
}

impl<E: Env> Reader<'_, E> {
    /// Everything known from `at` on: at least the whole item if its length is possible.
    async fn item(&mut self, at: u64) -> Result<&[u8], StoreError> {
        if self.cached(at) < 8 {
            self.load(at, PIECE).await?;
        }
        let stated = stated_bytes(self.rest(at)).map_or(0, u64::from);
        // A length that no record can have is not worth reading for; `parse` will refuse it.
        if stated <= self.bounds.record_bytes_max && self.cached(at) < stated {
            self.load(at, stated.max(PIECE)).await?;
        }
        Ok(self.rest(at))
    }

    fn rest(&self, at: u64) -> &[u8] {
        match &self.held {
            Some((from, held)) if at >= *from => {
                let into = usize::try_from(at - from).unwrap_or(usize::MAX);
                held.bytes().get(into..).unwrap_or_default()
            }
            _ => &[],
        }
    }

    fn cached(&self, at: u64) -> u64 {
        self.rest(at).len() as u64
    }

    async fn load(&mut self, at: u64, wanted: u64) -> Result<(), StoreError> {
        let segment_left = self.bounds.segment_bytes - at % self.bounds.segment_bytes;
        let len = wanted.min(segment_left).min(self.bounds.to - at);
        let len = usize::try_from(len).expect("a piece or a record");
        let held = match self.source {
            Source::Files(segments) => Held::Slice(segments.read(at, len).await?),
            Source::Window(leftover) => Held::Copy(leftover.bytes(at, len).unwrap_or_default()),
        };
        self.held = Some((at, held));
        self.env.yield_now().await;
        Ok(())
    }
}

const PIECE: u64 = 1 << 20;
