//! Records read back: from the window, or from the files through the cache of cold extents, verified.

use std::io;

use rt::{Env, SharedSlice};

use super::Log;
use crate::cold::{ColdError, Held};
use crate::record::{Cover, Damage, MAGIC_BLANK, Parsed, Record, parse};
use crate::{PhysicalOffset, StoreError};

impl<E: Env> Log<E> {
    /// The record of `len` bytes at `at`, from memory if it is there, else through the cold cache; `None` if the log
    /// does not hold it (any more). What came from the disk is verified. `reader` names a consumer that reads in order.
    pub(crate) async fn fetch(
        &self,
        at: u64,
        len: usize,
        reader: Option<u64>,
    ) -> Result<Option<SharedSlice>, StoreError> {
        if let Some(slice) = self.window.slice(at, len) {
            return Ok(Some(slice));
        }
        if !self.is_in_files(at, len) {
            return Ok(None);
        }
        let place = PhysicalOffset::new(at);
        let read = self.cold.read(at, len, self.written(), reader, |bytes| verify(bytes, place)).await;
        read.map(Some).map_err(|error| match error {
            ColdError::Check(damage) => StoreError::Corrupt { at: place, damage },
            ColdError::Io(source) => self.cannot_read(at, source),
        })
    }

    /// As [`Log::fetch`], with what came along, for a reader who goes on behind it. Nothing is verified: that is for
    /// [`Log::proven`], record by record. `None` if the log does not hold the record (any more).
    pub(crate) async fn hold(&self, at: u64, len: usize, reader: u64) -> Result<Option<Held>, StoreError> {
        if let Some(slice) = self.window.slice(at, len) {
            return Ok(Some(Held::new(at, slice)));
        }
        if !self.is_in_files(at, len) {
            return Ok(None);
        }
        let held = self.cold.hold(at, len, self.written(), Some(reader)).await;
        held.map(Some).map_err(|source| self.cannot_read(at, source))
    }

    /// The record at `at` whose bytes came with [`Log::hold`].
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is not what was written; its extents have left the cache.
    pub(crate) fn proven<'b>(&self, at: PhysicalOffset, bytes: &'b [u8]) -> Result<Record<'b>, StoreError> {
        proven(bytes, at).map_err(|damage| {
            self.cold.distrust(at.get(), bytes.len());
            StoreError::Corrupt { at, damage }
        })
    }

    /// Whether the files hold these bytes, all in one segment.
    pub(crate) fn is_in_files(&self, at: u64, len: usize) -> bool {
        let to = at + len as u64;
        to <= self.written() && to <= self.segment_end(at) && at >= self.segments.first()
    }

    fn cannot_read(&self, at: u64, source: io::Error) -> StoreError {
        StoreError::Io { op: "read", path: self.segments.path_of(at), source }
    }

    /// The first bytes of whatever starts at `at`, unverified; `None` if the log does not hold them.
    pub(crate) async fn peek(&self, at: u64, len: usize) -> Result<Option<SharedSlice>, StoreError> {
        if let Some(slice) = self.window.slice(at, len) {
            return Ok(Some(slice));
        }
        if !self.is_in_files(at, len) {
            return Ok(None);
        }
        self.segments.read(at, len).await.map(Some)
    }

    /// Forgets what retention has taken.
    pub(crate) fn forget_cold(&self) {
        self.cold.forget_below(self.segments.first());
    }
}

fn verify(bytes: &[u8], at: PhysicalOffset) -> Result<(), Damage> {
    proven(bytes, at).map(drop)
}

fn proven(bytes: &[u8], at: PhysicalOffset) -> Result<Record<'_>, Damage> {
    match parse(bytes)? {
        Parsed::Record(record) => record.verify(at, Cover::Whole).map(|()| record),
        Parsed::Blank { .. } => Err(Damage::Magic(MAGIC_BLANK)),
    }
}
