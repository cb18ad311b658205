//! Reads that want some of the messages: the same ones from memory and from files, as a look at each of them finds; and
//! damage is met, never passed over, unless its entry says that nobody wants it.

use proptest::prelude::*;
use rt::sim::Corruption;
use store::record::{Damage, Parsed, parse};
use store::{
    Accept, Candidate, PhysicalOffset, QueueOffset, QueueRef, ReadBatch, ReadLimits, ReadStatus, StoreError,
};

use crate::bench::{Bench, body_of, message, small};

const TOPIC: &str = "Chosen";

/// One in `of` by the number in its body, of those with this code of tags, if any.
#[derive(Clone, Copy, Debug)]
struct OneIn {
    of: u64,
    code: Option<i64>,
}

fn number_of(record: &[u8]) -> u64 {
    let Ok(Parsed::Record(record)) = parse(record) else { panic!("no record") };
    u64::from_be_bytes(*record.body().first_chunk().expect("a number first"))
}

impl Accept for OneIn {
    fn may_want(&self, tags_code: i64) -> bool {
        self.code.is_none_or(|code| code == tags_code)
    }

    fn wants(&mut self, candidate: &Candidate<'_>) -> bool {
        let record = candidate.record().expect("it can be had");
        self.may_want(candidate.tags_code) && number_of(record.bytes()).is_multiple_of(self.of)
    }
}

/// Messages of these sizes, turn and turn about to `queues` queues, with the code `number % 3`.
fn fill(bench: &mut Bench, sizes: &[usize], queues: u32) -> Vec<(u64, PhysicalOffset)> {
    let sent = (0u64..).zip(sizes).map(|(number, size)| {
        let body = body_of(number, *size);
        let mut message = message(TOPIC, &body);
        message.queue_id = number as u32 % queues;
        message.tags_code = (number % 3) as i64;
        (number, bench.send(&message, 1_000).at)
    });
    let sent = sent.collect();
    bench.settle();
    sent
}

fn numbers_of(batch: &ReadBatch) -> Vec<u64> {
    let mut found = Vec::new();
    for slice in &batch.slices {
        let mut rest = &slice[..];
        while !rest.is_empty() {
            let Ok(Parsed::Record(record)) = parse(rest) else { panic!("no record") };
            found.push(number_of(rest));
            rest = &rest[record.bytes().len()..];
        }
    }
    found
}

/// The numbers that `wanted` finds from the start of the queue on, in as many reads as it takes.
fn chosen(bench: &Bench, queue: QueueRef, wanted: OneIn, limits: ReadLimits) -> Vec<u64> {
    let range = bench.store.offsets(queue);
    let (mut from, mut found) = (range.min, Vec::new());
    while from < range.max {
        let mut wants = wanted;
        let mut batch = ReadBatch::default();
        let mut status = bench.store.read_hot(queue, from, limits, |one| wants.wants(one), &mut batch);
        if status == ReadStatus::Cold {
            let read = bench.store.read_chosen(queue, from, limits, wanted);
            (status, batch) = bench.sim.block_on(read).expect("it can be read");
        }
        assert_eq!(status == ReadStatus::Found, batch.count > 0);
        assert!(batch.count <= limits.count.max(1) && batch.next > from);
        found.extend(numbers_of(&batch));
        from = batch.next;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn reads_find_what_a_look_at_every_message_finds(
        sizes in prop::collection::vec(prop_oneof![0..200usize, 200..3_900usize], 50..400),
        queues in 1..4u32,
        of in 1..9u64,
        code in prop::option::of(0..3i64),
        count in 1..40u32,
        scan in 1..300u32,
    ) {
        let mut bench = Bench::new(small());
        let sent = fill(&mut bench, &sizes, queues);
        let limits = ReadLimits { count, bytes: 60_000, scan };
        for queue_id in 0..queues {
            let naive: Vec<u64> = sent
                .iter()
                .map(|(number, _)| *number)
                .filter(|number| number % u64::from(queues) == u64::from(queue_id))
                .filter(|number| number % of == 0 && code.is_none_or(|code| (number % 3) as i64 == code))
                .collect();
            let queue = bench.store.find_queue(TOPIC, queue_id).unwrap();
            prop_assert_eq!(chosen(&bench, queue, OneIn { of, code }, limits), naive);
        }
    }
}

/// Flips a bit in the body of message 7, cold by then, and reads from the start on.
fn read_over_damage(wanted: OneIn) -> Result<Vec<u64>, StoreError> {
    let mut bench = Bench::new(small());
    let sent = fill(&mut bench, &[600; 400], 1);
    let (number, at) = sent[7];
    assert!(bench.store.window().start() > at.get() && number == 7);
    bench.machine.disk().corrupt(
        "/store/commitlog/00000000000000000000",
        at.get() + 120,
        1,
        Corruption::FlipBit,
    );
    let queue = bench.store.find_queue(TOPIC, 0).expect("it was sent to");
    let limits = ReadLimits { count: 32, bytes: 1 << 20, scan: 32 };
    let read = || {
        let (_, batch) =
            bench.sim.block_on(bench.store.read_chosen(queue, QueueOffset::default(), limits, wanted))?;
        Ok(numbers_of(&batch))
    };
    let first: Result<Vec<u64>, StoreError> = read();
    // What was cached has been thrown away, and is no better.
    let second = read();
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    second
}

#[test]
fn a_damaged_record_is_reported_whether_or_not_it_would_be_chosen() {
    for of in [7, 5] {
        let read = read_over_damage(OneIn { of, code: None });
        assert!(
            matches!(read, Err(StoreError::Corrupt { damage: Damage::WholeCrc, .. })),
            "one in {of}: {read:?}"
        );
    }
}

#[test]
fn what_an_entry_refuses_is_not_read_at_all() {
    // Number 7 has code 1.
    assert_eq!(read_over_damage(OneIn { of: 5, code: Some(0) }).unwrap(), [0, 15, 30]);
}

#[test]
fn entries_are_read_no_further_than_messages_are_wanted() {
    let mut bench = Bench::new(small());
    fill(&mut bench, &[100; 1500], 1);
    let bench = bench.restart(2);
    let queue = bench.store.find_queue(TOPIC, 0).expect("it was sent to");
    let reads = |from, count, of| {
        let limits = ReadLimits { count, bytes: 1 << 20, scan: 800 };
        let before = bench.machine.disk().statistics().reads;
        let wanted = OneIn { of, code: None };
        let read = bench.store.read_chosen(queue, QueueOffset::new(from), limits, wanted);
        let (_, batch) = bench.sim.block_on(read).expect("it can be read");
        (batch.count, batch.slices.len(), bench.machine.disk().statistics().reads - before)
    };
    assert_eq!(
        reads(0, 32, 1),
        (32, 1, 3),
        "a page of entries, and an extent of neighbours, in two segments"
    );
    let (count, _, more) = reads(1, 1, 700);
    assert!(count == 1 && more > 3, "{count} message, {more} reads: entries are read until one is found");
}
