//! [`State`]: everything a disk knows, without time and without tasks.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use rustix::io::Errno;

use super::content::{cut, index};
use super::faults::Rules;
use super::inode::{Inode, SECTOR};
use super::names::{InodeId, Names};
use super::{Crash, DiskStatistics, OpKind};
use crate::sim::Random;
use crate::{BLOCK, SharedSlice};

#[derive(Default)]
pub(super) struct State {
    pub(super) names: Names,
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    pub(super) inode_sequence: u64,
    /// Counts what happens, to order returns and flush calls.
    pub(super) clock: u64,
    pub(super) writes: BTreeMap<u64, WriteInFlight>,
    pub(super) write_sequence: u64,
    pub(super) capacity: Option<u64>,
    pub(super) rules: Rules,
    pub(super) frozen: bool,
    pub(super) statistics: DiskStatistics,
}

pub(super) struct WriteInFlight {
    pub(super) inode: InodeId,
    pub(super) offset: u64,
    /// `None` once the bytes were taken.
    pub(super) data: Option<SharedSlice>,
    pub(super) direct: bool,
    pub(super) durable: bool,
}

impl State {
    pub(super) fn new_inode(&mut self) -> InodeId {
        self.inode_sequence += 1;
        self.inodes.insert(self.inode_sequence, Inode::default());
        self.inode_sequence
    }

    pub(super) fn forget(&mut self, inode: InodeId) {
        self.inodes.remove(&inode);
    }

    pub(super) fn drop_unreachable(&mut self) {
        let names = &self.names;
        self.inodes.retain(|id, inode| inode.handles > 0 || names.may_name(*id));
    }

    pub(super) fn begin_write(
        &mut self,
        inode: InodeId,
        offset: u64,
        data: SharedSlice,
        direct: bool,
        durable: bool,
    ) -> u64 {
        let id = self.write_sequence;
        self.write_sequence += 1;
        self.writes.insert(id, WriteInFlight { inode, offset, data: Some(data), direct, durable });
        self.statistics.writes_in_flight_max = self.statistics.writes_in_flight_max.max(self.writes.len());
        id
    }

    /// Of a write that is in flight and whose bytes were not yet taken: some sectors from its start, or none, or all.
    pub(super) fn apply_part(&mut self, id: u64, random: &Random) {
        let write = &self.writes[&id];
        let (inode, offset, direct) = (write.inode, write.offset, write.direct);
        let Some(data) = write.data.clone() else { return };
        let sectors = cut(offset, data.len(), SECTOR).count() as u64;
        let whole = match random.below(3) {
            0 => 0,
            1 => sectors,
            _ => random.between(0, sectors),
        };
        let end =
            cut(offset, data.len(), SECTOR).take(index(whole)).last().map_or(0, |(.., range)| range.end);
        if end > 0
            && self.check_space(inode, offset, end as u64).is_ok()
            && let Some(file) = self.inodes.get_mut(&inode)
        {
            file.apply(id, offset, Rc::from(&data[..end]), direct);
        }
    }

    pub(super) fn crashed(&self, kind: Crash, random: &Random) -> Self {
        let mut left = Self {
            names: self.names.clone(),
            inodes: self.inodes.clone(),
            inode_sequence: self.inode_sequence,
            clock: self.clock + 1,
            writes: BTreeMap::new(),
            write_sequence: self.write_sequence,
            capacity: self.capacity,
            ..Self::default()
        };
        // What was in flight may have got somewhere.
        for (id, write) in &self.writes {
            let WriteInFlight { inode, offset, ref data, direct, durable } = *write;
            left.writes.insert(*id, WriteInFlight { inode, offset, data: data.clone(), direct, durable });
            left.apply_part(*id, random);
        }
        left.writes.clear();
        let now = left.clock;
        for inode in left.inodes.values_mut() {
            *inode = inode.crashed(kind, now, random);
        }
        if kind != Crash::Process {
            left.names = left.names.crashed(random);
        }
        left.drop_unreachable();
        left
    }

    pub(super) fn check_space(&self, inode: InodeId, offset: u64, len: u64) -> io::Result<()> {
        let (Some(capacity), Some(file)) = (self.capacity, self.inodes.get(&inode)) else { return Ok(()) };
        let missing = file.pages_missing(offset, len) as u64 * BLOCK as u64;
        if missing > 0 && self.bytes_used() + missing > capacity {
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }

    /// Space of files that have a name or are open.
    pub(super) fn bytes_used(&self) -> u64 {
        let in_use = |(id, inode): &(&InodeId, &Inode)| inode.handles > 0 || self.names.is_linked(**id);
        let pages: usize = self.inodes.iter().filter(in_use).map(|(_, inode)| inode.pages_reserved()).sum();
        pages as u64 * BLOCK as u64
    }

    pub(super) fn count(&mut self, kind: OpKind, bytes: u64) {
        let statistics = &mut self.statistics;
        statistics.operations += 1;
        match kind {
            OpKind::Read => {
                statistics.reads += 1;
                statistics.bytes_read += bytes;
            }
            OpKind::Write | OpKind::DurableWrite => {
                statistics.writes += 1;
                statistics.durable_writes += u64::from(kind == OpKind::DurableWrite);
                statistics.bytes_written += bytes;
            }
            OpKind::Flush => statistics.flushes += 1,
            OpKind::SyncDir => statistics.dir_syncs += 1,
            _ => {}
        }
    }
}
