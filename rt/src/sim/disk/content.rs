//! [`Content`]: the bytes of a file, in copy-on-write pages, so that a copy of a disk is cheap.

use std::rc::Rc;

use crate::BLOCK;

type Page = [u8; BLOCK];

/// Bytes that were never written read as zeros.
#[derive(Clone, Default)]
pub(super) struct Content {
    /// May hold bytes beyond `len`: of a write that is still extending the file.
    pages: Rc<Vec<Option<Rc<Page>>>>,
    pub(super) len: u64,
}

impl Content {
    pub(super) fn read(&self, offset: u64, memory: &mut [u8]) {
        for (page, within, range) in pieces(offset, memory.len()) {
            let piece = &mut memory[range];
            match self.pages.get(page).and_then(Option::as_ref) {
                Some(bytes) => piece.copy_from_slice(&bytes[within..within + piece.len()]),
                None => piece.fill(0),
            }
        }
    }

    /// Places bytes; the length stays.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let pages = Rc::make_mut(&mut self.pages);
        for (page, within, range) in pieces(offset, bytes.len()) {
            let piece = &bytes[range];
            if page >= pages.len() {
                pages.resize(page + 1, None);
            }
            let whole = piece.len() == BLOCK;
            if whole && piece.iter().all(|byte| *byte == 0) {
                pages[page] = None;
                continue;
            }
            let target = pages[page].get_or_insert_with(|| Rc::new([0; BLOCK]));
            Rc::make_mut(target)[within..within + piece.len()].copy_from_slice(piece);
        }
    }

    /// Sets the length; what lies beyond is gone for good.
    pub(super) fn truncate(&mut self, len: u64) {
        let pages = Rc::make_mut(&mut self.pages);
        pages.truncate(page_count(len));
        let within = index(len % BLOCK as u64);
        if within > 0
            && let Some(Some(last)) = pages.get_mut(index(len / BLOCK as u64))
        {
            Rc::make_mut(last)[within..].fill(0);
        }
        self.len = len;
    }

    pub(super) fn extend(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; index(self.len)];
        self.read(0, &mut bytes);
        bytes
    }
}

/// Cuts `offset..offset + len` at page borders: page index, offset in the page, range of the whole.
pub(super) fn pieces(
    offset: u64,
    len: usize,
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    cut(offset, len, BLOCK)
}

/// The same at borders of `unit` bytes.
pub(super) fn cut(
    offset: u64,
    len: usize,
    unit: usize,
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = index(at % unit as u64);
        let piece = (unit - within).min(len - done);
        let range = done..done + piece;
        done += piece;
        Some((index(at / unit as u64), within, range))
    })
}

pub(super) fn page_count(len: u64) -> usize {
    index(len.div_ceil(BLOCK as u64))
}

pub(super) fn index(value: u64) -> usize {
    usize::try_from(value).expect("a simulated file fits in memory")
}
