//! [`Reader`]: the frames of one file in order, up to the first that is not right.

use std::io;

use rt::{BLOCK, DiskFile};

use super::frame::{self, FrameHeader, Kind};

pub(super) struct Reader<F> {
    file: F,
    /// File offset of `buffer[0]`.
    base: u64,
    buffer: Vec<u8>,
    /// Start of the next frame in `buffer`.
    at: usize,
    chain: u32,
    group: u64,
    started: bool,
}

impl<F: DiskFile> Reader<F> {
    pub(super) fn new(file: F, kind: [u8; 4], generation: u64) -> Self {
        let chain = frame::first_chain(kind, generation);
        Self { file, base: 0, buffer: Vec::new(), at: 0, chain, group: 1, started: false }
    }

    /// File offset of the next frame.
    pub(super) fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Checksum of the last frame.
    pub(super) fn chain(&self) -> u32 {
        self.chain
    }

    /// The next frame that follows from the ones before; `None` at the end or at the first that does not.
    pub(super) async fn next(&mut self) -> io::Result<Option<(FrameHeader, &[u8])>> {
        if !self.fill(BLOCK).await? {
            return Ok(None);
        }
        let Some((header, length)) = FrameHeader::peek(&self.buffer[self.at..]) else { return Ok(None) };
        let bytes = frame::bytes_of(length);
        if header.previous != self.chain || header.group != self.group || !self.fill(bytes).await? {
            return Ok(None);
        }
        if (header.kind == Kind::Start) == self.started {
            return Ok(None);
        }
        let start = self.at;
        let Some(crc) = FrameHeader::verify(&self.buffer[start..start + bytes], length) else {
            return Ok(None);
        };
        self.started = true;
        self.chain = crc;
        self.at += bytes;
        if header.kind == Kind::Commit {
            self.group += 1;
        }
        Ok(Some((header, &self.buffer[start + frame::HEADER..start + frame::HEADER + length])))
    }

    /// Whether a sound frame of group `first` or later lies anywhere behind the position.
    pub(super) async fn find_group_from(&self, first: u64) -> io::Result<bool> {
        let mut ahead = Self {
            file: self.file.clone(),
            base: self.position(),
            buffer: Vec::new(),
            at: 0,
            chain: 0,
            group: 0,
            started: true,
        };
        while ahead.fill(BLOCK).await? {
            if let Some((header, length)) = FrameHeader::peek(&ahead.buffer[ahead.at..])
                && header.group >= first
                && ahead.fill(frame::bytes_of(length)).await?
                && FrameHeader::verify(&ahead.buffer[ahead.at..], length).is_some()
            {
                return Ok(true);
            }
            ahead.at += BLOCK;
        }
        Ok(false)
    }

    /// Makes `bytes` bytes from the position available; false if the file ends before.
    async fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        while self.buffer.len() - self.at < bytes {
            self.buffer.drain(..self.at);
            self.base += self.at as u64;
            self.at = 0;
            let read = self.file.read_at(self.base + self.buffer.len() as u64, READ_BYTES).await?;
            let whole = read.len() / BLOCK * BLOCK;
            if whole == 0 {
                return Ok(false);
            }
            self.buffer.extend_from_slice(&read[..whole]);
        }
        Ok(true)
    }
}

const READ_BYTES: usize = 512 << 10;
