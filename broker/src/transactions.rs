//! Half messages: which of them nobody has decided about, and how that is known after a restart.
//!
//! A half message is a record of [`HALF_TOPIC`]; when it is settled, its queue offset is written into a record of
//! [`OP_TOPIC`], one for all that were settled in a turn. The real message of a commit is stored before that record, so
//! no prefix of the log knows the decision without its result. The floors of both queues, below which nothing is open,
//! are consumer offsets of a group of RocketMQ's; they move only as far as the log is flushed. store.md 10.

use std::collections::{BTreeMap, VecDeque};

use net::names::{GIVEN_UP_TOPIC, HALF_TOPIC, OP_TOPIC};
use net::properties::{self, keys};
use rt::{Env, Now};
use store::record::{Parsed, Record, parse};
use store::{NewMessage, PhysicalOffset, QueueOffset, ReadBatch, ReadLimits, ReadStatus, StoreError};

use crate::parked::{Again, copy_without, park, real_place, text};
use crate::shard::Shard;

/// The group whose consumer offsets are the floors.
const GROUP: &str = "CID_RMQ_SYS_TRANS";
/// Tag of the records that settle.
const SETTLED: &str = "d";
/// Body of such a record, at most.
const OP_BODY_MAX: usize = 4_096;
/// Undecided half messages of one shard; each takes about 100 bytes of memory.
pub(crate) const OPEN_MAX: usize = 1_000_000;
/// One read of the recovery.
const RECOVERY_READ: ReadLimits = ReadLimits { count: 1_024, bytes: 8 << 20, scan: 1_024 };

/// What the shard knows of its half messages.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// Undecided ones by queue offset.
    open: BTreeMap<u64, Half>,
    /// Settled in this turn and not yet written.
    settled: Vec<u64>,
    /// Records of the op queue by their offset, with the highest half offset in each: those that still count.
    ops: VecDeque<(u64, u64)>,
    /// Ends of the two queues.
    half_end: u64,
    op_end: u64,
    /// Floors that may be stored once the log is flushed to the position.
    mark: Option<(Floors, PhysicalOffset)>,
    stored: Floors,
    /// For the choice among the producers of a group.
    pub(crate) asked: usize,
}

/// An undecided half message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Half {
    pub(crate) at: PhysicalOffset,
    pub(crate) bytes: u32,
    pub(crate) born_at_ms: i64,
    pub(crate) stored_at_ms: i64,
    /// Its own immunity against questions, if it names one.
    pub(crate) immunity_ms: Option<u64>,
    /// How often producers were asked.
    pub(crate) checks: u32,
}

/// Offsets of the half queue and the op queue below which nothing is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Floors {
    half: u64,
    op: u64,
}

impl Transactions {
    pub(crate) fn open(&self, offset: u64) -> Option<Half> {
        self.open.get(&offset).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The first undecided half message from `offset` on.
    pub(crate) fn next_open(&self, offset: u64) -> Option<(u64, Half)> {
        self.open.range(offset..).next().map(|(offset, half)| (*offset, *half))
    }

    pub(crate) fn began(&mut self, offset: QueueOffset, half: Half) {
        self.open.insert(offset.get(), half);
        self.half_end = self.half_end.max(offset.get() + 1);
    }

    /// Somebody was asked about it once more; returns how often now.
    pub(crate) fn asked_about(&mut self, offset: u64) -> u32 {
        self.open.get_mut(&offset).map_or(0, |half| {
            half.checks += 1;
            half.checks
        })
    }

    /// It is decided; the record that says so is written at the end of the turn.
    pub(crate) fn settle(&mut self, offset: u64) {
        if self.open.remove(&offset).is_some() {
            self.settled.push(offset);
        }
    }

    fn floors(&mut self) -> Floors {
        let half = self.open.keys().next().copied().unwrap_or(self.half_end);
        while self.ops.front().is_some_and(|(_, highest)| *highest < half) {
            self.ops.pop_front();
        }
        Floors { half, op: self.ops.front().map_or(self.op_end, |(offset, _)| *offset) }
    }

    fn wrote_op(&mut self, at: QueueOffset, highest: u64) {
        self.ops.push_back((at.get(), highest));
        self.op_end = at.get() + 1;
    }

    /// Floors that may be stored now, if they moved. The log reaches to `end` and is flushed to `flushed`.
    pub(crate) fn take_flushed(
        &mut self,
        flushed: PhysicalOffset,
        end: PhysicalOffset,
    ) -> Option<(QueueOffset, QueueOffset)> {
        let ready = self.mark.take_if(|(_, end)| *end <= flushed).map(|(floors, _)| floors);
        self.stored = ready.unwrap_or(self.stored);
        let floors = self.floors();
        if self.mark.is_none() && self.settled.is_empty() && floors != self.stored {
            self.mark = Some((floors, end));
        }
        ready.map(|floors| (QueueOffset::new(floors.half), QueueOffset::new(floors.op)))
    }

    /// Whether the floors on disk are those in memory.
    pub(crate) fn is_saved(&mut self) -> bool {
        self.settled.is_empty() && self.floors() == self.stored
    }
}

/// What is known of a stored half message.
pub(crate) fn half_of(record: &Record<'_>) -> Half {
    let immunity = properties::find(record.properties(), keys::CHECK_IMMUNITY_TIME);
    Half {
        at: record.physical_offset(),
        bytes: u32::try_from(record.bytes().len()).expect("a record fits a segment"),
        born_at_ms: record.born_at_ms(),
        stored_at_ms: record.stored_at_ms(),
        immunity_ms: immunity.and_then(immunity_ms),
        checks: 0,
    }
}

/// The value of `CHECK_IMMUNITY_TIME_IN_SECONDS`; unreadable and -1 mean the broker's own time.
pub(crate) fn immunity_ms(value: &[u8]) -> Option<u64> {
    Some(str::from_utf8(value).ok()?.parse::<u64>().ok()?.saturating_mul(1_000))
}

impl<E: Env> Shard<E> {
    /// Finds the undecided half messages of an earlier run.
    ///
    /// # Errors
    /// What reading the store says.
    pub(crate) async fn resume_transactions(&mut self) -> Result<(), StoreError> {
        let floor =
            |topic| self.offsets.get(GROUP, topic, 0).and_then(|at| u64::try_from(at).ok()).unwrap_or(0);
        let floors = Floors { half: floor(HALF_TOPIC), op: floor(OP_TOPIC) };
        let mut found = Transactions::default();
        let end = self.read_all(HALF_TOPIC, floors.half, |record| {
            found.began(record.queue_offset(), half_of(record));
        });
        found.half_end = end.await?.max(found.half_end);
        let end = self.read_all(OP_TOPIC, floors.op, |record| {
            let mut highest = 0;
            for offset in settled_offsets(record.body()) {
                found.open.remove(&offset);
                highest = highest.max(offset);
            }
            found.wrote_op(record.queue_offset(), highest);
        });
        found.op_end = end.await?.max(found.op_end);
        found.stored = floors;
        self.transactions = found;
        Ok(())
    }

    /// Shows every record of a topic's queue 0 from `from` on; returns the end of the queue.
    async fn read_all(
        &mut self,
        topic: &str,
        from: u64,
        mut show: impl FnMut(&Record<'_>),
    ) -> Result<u64, StoreError> {
        let queue = self.queue_of(topic, 0);
        let mut next = QueueOffset::new(from);
        loop {
            let (status, batch) = self.store.read_cold(queue, next, RECOVERY_READ, |_| true).await?;
            each_record(&batch, &mut show);
            match status {
                ReadStatus::AtEnd | ReadStatus::Empty => return Ok(self.store.offsets(queue).max.get()),
                _ => next = batch.next,
            }
        }
    }

    /// Writes which half messages were settled in this turn. What the store refuses now is written in a later turn.
    pub(crate) fn write_settled(&mut self, now: Now) {
        while !self.transactions.settled.is_empty() {
            let mut body = String::new();
            let (mut taken, mut highest) = (0, 0);
            for offset in &self.transactions.settled {
                if body.len() > OP_BODY_MAX {
                    break;
                }
                body.push_str(&offset.to_string());
                body.push(',');
                taken += 1;
                highest = highest.max(*offset);
            }
            let mut stored = Vec::new();
            properties::append(&mut stored, 0, keys::TAGS, SETTLED.as_bytes());
            let message = NewMessage {
                topic: OP_TOPIC,
                queue_id: 0,
                body: body.as_bytes(),
                properties: &stored,
                flag: 0,
                sys_flag: 0,
                born_at_ms: now.unix_ms,
                born_host: self.identity.store_host,
                store_host: self.identity.store_host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                tags_code: properties::tags_code(SETTLED),
                keys: b"",
                unique_key: b"",
            };
            let queue = self.queue_of(OP_TOPIC, 0);
            match self.store.append(queue, &message, now.unix_ms) {
                Ok(appended) => {
                    self.transactions.settled.drain(..taken);
                    self.transactions.wrote_op(appended.queue_offset, highest);
                }
                Err(error) => {
                    tracing::debug!(shard = self.identity.index, %error, "decisions are written later");
                    return;
                }
            }
        }
    }

    /// Stores the real message of a half message and settles it.
    pub(crate) fn commit_half(
        &mut self,
        record: &Record<'_>,
        place: (&str, u32),
        now: Now,
    ) -> Result<store::Appended, StoreError> {
        const COMMITTED: i32 = 0x8;
        let mut stored = Vec::with_capacity(record.properties().len());
        // The mark of the half stays, its place goes: as in RocketMQ since 5.4.
        copy_without(&mut stored, record.properties(), &[keys::REAL_TOPIC, keys::REAL_QID]);
        let again = Again {
            sys_flag: record.sys_flag() | COMMITTED,
            prepared_at: i64::try_from(record.physical_offset().get()).unwrap_or(i64::MAX),
            ..Again::moved(record, place, &stored)
        };
        let appended = self.store_again(record, &again, now)?;
        self.transactions.settle(record.queue_offset().get());
        Ok(appended)
    }

    /// Moves a half message that nobody decided to where operators find it.
    pub(crate) fn give_up_half(&mut self, record: &Record<'_>, now: Now) -> Result<(), StoreError> {
        let mut stored = Vec::with_capacity(record.properties().len());
        copy_without(&mut stored, record.properties(), &[]);
        self.store_again(record, &Again::moved(record, (GIVEN_UP_TOPIC, 0), &stored), now)?;
        self.transactions.settle(record.queue_offset().get());
        let topic = text(record.properties(), keys::REAL_TOPIC);
        tracing::warn!(
            shard = self.identity.index,
            topic,
            key = text(record.properties(), keys::UNIQ_KEY),
            "half message given up: no producer decided"
        );
        Ok(())
    }

    /// Takes a message that was given up among the half messages again (323).
    pub(crate) fn resume_half(
        &mut self,
        record: &Record<'_>,
        now: Now,
    ) -> Result<store::Appended, StoreError> {
        let place = real_place(record.properties()).unwrap_or_default();
        let mut parked = Vec::with_capacity(record.properties().len());
        park(&mut parked, record.properties(), &[keys::TRANSACTION_CHECK_TIMES], place);
        let appended = self.store_again(record, &Again::moved(record, (HALF_TOPIC, 0), &parked), now)?;
        let half = Half {
            at: appended.at,
            bytes: appended.bytes,
            stored_at_ms: appended.stored_at_ms,
            ..half_of(record)
        };
        self.transactions.began(appended.queue_offset, half);
        Ok(appended)
    }

    /// Hands the floors to the consumer offsets, as far as what they rest on is flushed.
    pub(crate) fn store_floors(&mut self) {
        let (flushed, end) = (self.store.flushed(), self.store.end());
        let Some((half, op)) = self.transactions.take_flushed(flushed, end) else { return };
        for (topic, offset) in [(HALF_TOPIC, half), (OP_TOPIC, op)] {
            self.offsets.commit(GROUP, topic, 0, i64::try_from(offset.get()).unwrap_or(i64::MAX));
        }
    }
}

/// Shows the records of a read in order.
fn each_record(batch: &ReadBatch, show: &mut impl FnMut(&Record<'_>)) {
    for mut bytes in batch.slices.iter().map(|slice| &slice[..]) {
        while let Ok(Parsed::Record(record)) = parse(bytes) {
            show(&record);
            bytes = &bytes[record.bytes().len()..];
        }
    }
}

/// Queue offsets in the body of an op record.
fn settled_offsets(body: &[u8]) -> impl Iterator<Item = u64> {
    body.split(|byte| *byte == b',').filter_map(|digits| str::from_utf8(digits).ok()?.parse().ok())
}
