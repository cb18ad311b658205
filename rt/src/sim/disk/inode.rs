//! [`Inode`]: a file as the running system sees it, and as the device would give it back.

use std::rc::Rc;

use super::Crash;
use super::content::{Content, cut, page_count, pieces};
use crate::sim::Random;

#[derive(Clone, Default)]
pub(super) struct Inode {
    /// What a read returns now.
    pub(super) view: Content,
    /// What every crash leaves.
    durable: Content,
    /// Per page, what the filesystem knows about its space.
    space: Rc<Vec<PageSpace>>,
    /// What happened since, oldest first: a power cut decides about each.
    pending: Vec<Pending>,
    /// Open descriptors.
    pub(super) handles: u32,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct PageSpace {
    reserved: bool,
    /// The extent is durably marked as written: an unsynced overwrite may survive. Else it reads as zeros.
    written: bool,
}

#[derive(Clone)]
struct Pending {
    /// The write it belongs to.
    id: u64,
    /// When it returned, in operations; `None` while in flight (or failed).
    returned: Option<u64>,
    change: Change,
}

#[derive(Clone)]
enum Change {
    Write { offset: u64, data: Rc<[u8]>, direct: bool },
    Extend(u64),
    Truncate(u64),
}

impl Inode {
    /// Pages that a write or allocation of this range would take from the free space.
    pub(super) fn pages_missing(&self, offset: u64, len: u64) -> usize {
        let first = page_count(offset + 1) - 1;
        (first..page_count(offset + len))
            .filter(|page| !self.space.get(*page).is_some_and(|space| space.reserved))
            .count()
    }

    pub(super) fn pages_reserved(&self) -> usize {
        self.space.iter().filter(|space| space.reserved).count()
    }

    /// A write's bytes reach the page cache or the device. It is readable, and still in flight.
    pub(super) fn apply(&mut self, id: u64, offset: u64, data: Rc<[u8]>, direct: bool) {
        self.reserve(offset, data.len() as u64);
        self.view.write(offset, &data);
        self.pending.push(Pending { id, returned: None, change: Change::Write { offset, data, direct } });
    }

    /// The write returns at `now`: the file has its new length, a flush from here on covers it.
    pub(super) fn complete(&mut self, id: u64, now: u64, durable: bool) {
        let mut end = 0;
        for pending in self.pending.iter_mut().filter(|pending| pending.id == id) {
            pending.returned = Some(now);
            if let Change::Write { offset, data, .. } = &pending.change {
                end = end.max(*offset + data.len() as u64);
            }
        }
        if end > self.view.len {
            self.set_length(id, now, Change::Extend(end));
        }
        if durable {
            self.make_durable(id);
        }
    }

    pub(super) fn allocate(&mut self, now: u64, len: u64) {
        self.reserve(0, len);
        if len > self.view.len {
            self.set_length(u64::MAX, now, Change::Extend(len));
        }
    }

    pub(super) fn truncate(&mut self, now: u64, len: u64) {
        self.set_length(u64::MAX, now, Change::Truncate(len));
        Rc::make_mut(&mut self.space).truncate(page_count(len));
    }

    /// An fdatasync called at `called` (in operations) succeeds.
    pub(super) fn flush(&mut self, called: u64) {
        for pending in std::mem::take(&mut self.pending) {
            if pending.returned.is_some_and(|returned| returned <= called) {
                self.settle(&pending.change);
            } else {
                self.pending.push(pending);
            }
        }
    }

    /// An fdatasync called at `called` fails: what it covered is lost, and the next one will not know of it. The page
    /// cache still shows it; direct writes are gone at once.
    pub(super) fn fail_flush(&mut self, called: u64) {
        for pending in std::mem::take(&mut self.pending) {
            let covered = pending.returned.is_some_and(|returned| returned <= called);
            match &pending.change {
                Change::Write { offset, data, direct } if covered => {
                    if *direct {
                        let mut old = vec![0; data.len()];
                        self.durable.read(*offset, &mut old);
                        self.view.write(*offset, &old);
                    }
                }
                _ => self.pending.push(pending),
            }
        }
    }

    /// The file after the crash. After [`Crash::Process`] nothing is decided yet: the system goes on.
    pub(super) fn crashed(&self, kind: Crash, now: u64, random: &Random) -> Self {
        if kind == Crash::Process {
            let mut same = self.clone();
            same.handles = 0;
            let in_flight: Vec<_> =
                same.pending.iter().filter(|one| one.returned.is_none()).map(|one| one.id).collect();
            in_flight.into_iter().for_each(|id| same.complete(id, now, false));
            return same;
        }
        let mut left = Self { durable: self.durable.clone(), space: self.space.clone(), ..Self::default() };
        // The journal may have been committed on its own: then the extents are known to be written.
        let journaled = random.below(8) == 0;
        let lengths =
            self.pending.iter().filter(|pending| !matches!(pending.change, Change::Write { .. })).count();
        let mut lengths_kept = if journaled { lengths as u64 } else { random.between(0, lengths as u64) };
        for pending in &self.pending {
            match &pending.change {
                Change::Write { offset, data, direct } => {
                    let fate = match kind {
                        // What a direct write has handed to the device stays there.
                        Crash::Os if *direct && pending.returned.is_some() => Fate::Kept,
                        // The cache is written back page by page: no torn sectors, and nothing torn at all here.
                        Crash::Os if !*direct => Fate::whole(random),
                        _ => Fate::draw(random),
                    };
                    left.survive(*offset, data, fate, journaled, random);
                }
                change if lengths_kept > 0 => {
                    lengths_kept -= 1;
                    left.settle(change);
                }
                _ => {}
            }
        }
        let len = left.durable.len;
        left.durable.truncate(len);
        left.view = left.durable.clone();
        left
    }

    /// Changes the bytes everywhere: bit rot, or a fixture.
    pub(super) fn overwrite(&mut self, offset: u64, bytes: &[u8]) {
        self.reserve(offset, bytes.len() as u64);
        self.mark_written(offset, bytes.len());
        for content in [&mut self.view, &mut self.durable] {
            content.write(offset, bytes);
            content.extend(offset + bytes.len() as u64);
        }
    }

    fn set_length(&mut self, id: u64, now: u64, change: Change) {
        match change {
            Change::Extend(len) => self.view.extend(len),
            Change::Truncate(len) => self.view.truncate(len),
            Change::Write { .. } => unreachable!("a length"),
        }
        self.pending.push(Pending { id, returned: Some(now), change });
    }

    /// A DSYNC write vouches for its own bytes and for the file's length, for no other write.
    fn make_durable(&mut self, id: u64) {
        for pending in std::mem::take(&mut self.pending) {
            match &pending.change {
                Change::Write { offset, data, .. } if pending.id == id => {
                    self.settle(&pending.change);
                    self.supersede(*offset, data.len() as u64);
                }
                Change::Extend(_) => self.settle(&pending.change),
                Change::Truncate(len) => {
                    // Earlier writes beyond it, which are in `self.pending` again, must not come back later.
                    self.settle(&pending.change);
                    self.supersede(*len, u64::MAX - *len);
                }
                Change::Write { .. } => self.pending.push(pending),
            }
        }
    }

    /// Takes `from..from + len` out of the pending writes that have returned: their bytes there were replaced in the
    /// device's cache by a write that is durable.
    fn supersede(&mut self, from: u64, len: u64) {
        let to = from + len;
        for pending in std::mem::take(&mut self.pending) {
            let Change::Write { offset, data, direct } = &pending.change else {
                self.pending.push(pending);
                continue;
            };
            let end = offset + data.len() as u64;
            if pending.returned.is_none() || *offset >= to || end <= from {
                self.pending.push(pending);
                continue;
            }
            for (start, stop) in [(*offset, from.max(*offset)), (to.min(end), end)] {
                if start < stop {
                    let range = super::content::index(start - offset)..super::content::index(stop - offset);
                    let change = Change::Write { offset: start, data: data[range].into(), direct: *direct };
                    self.pending.push(Pending { change, ..pending });
                }
            }
        }
    }

    fn settle(&mut self, change: &Change) {
        match change {
            Change::Write { offset, data, .. } => {
                self.durable.write(*offset, data);
                self.mark_written(*offset, data.len());
            }
            Change::Extend(len) => self.durable.extend(*len),
            Change::Truncate(len) => self.durable.truncate(*len),
        }
    }

    fn survive(&mut self, offset: u64, data: &[u8], fate: Fate, journaled: bool, random: &Random) {
        if fate == Fate::Dropped {
            return;
        }
        for (page, _, range) in pieces(offset, data.len()) {
            if !journaled && !self.space.get(page).is_some_and(|space| space.written) {
                continue;
            }
            let at = offset + range.start as u64;
            let bytes = &data[range];
            if fate == Fate::Kept {
                self.durable.write(at, bytes);
                continue;
            }
            for (_, _, sector) in cut(at, bytes.len(), SECTOR) {
                if random.chance(50) {
                    self.durable.write(at + sector.start as u64, &bytes[sector]);
                }
            }
        }
    }

    fn reserve(&mut self, offset: u64, len: u64) {
        let (first, last) = (page_count(offset + 1) - 1, page_count(offset + len));
        let space = Rc::make_mut(&mut self.space);
        if space.len() < last {
            space.resize(last, PageSpace::default());
        }
        space[first.min(last)..last].iter_mut().for_each(|page| page.reserved = true);
    }

    fn mark_written(&mut self, offset: u64, len: usize) {
        let space = Rc::make_mut(&mut self.space);
        for (page, _, _) in pieces(offset, len) {
            // A truncation may have taken the space of a write that is flushed after it.
            if let Some(space) = space.get_mut(page) {
                space.written = true;
            }
        }
    }
}

/// What becomes of an unflushed write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Dropped,
    /// Some of its sectors.
    Torn,
}

impl Fate {
    /// The mix of reliability.md, R2.
    fn draw(random: &Random) -> Self {
        match random.below(100) {
            0..30 => Self::Kept,
            30..70 => Self::Dropped,
            _ => Self::Torn,
        }
    }

    fn whole(random: &Random) -> Self {
        if random.chance(50) { Self::Kept } else { Self::Dropped }
    }
}

/// What a device writes whole or not at all.
pub(super) const SECTOR: usize = 512;
