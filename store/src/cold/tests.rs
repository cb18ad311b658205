use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rt::sim::{SimDisk, SimEnv, Simulation};

use super::*;

/// A log whose byte at `n` is a function of `n`, and which takes time to read.
#[derive(Clone)]
struct Pattern {
    env: SimEnv,
    end: Rc<Cell<u64>>,
    reads: Rc<Cell<u64>>,
    in_flight: Rc<Cell<usize>>,
    broken: Rc<Cell<bool>>,
}

fn byte(at: u64) -> u8 {
    (at % 251) as u8 ^ (at >> 13) as u8
}

impl ExtentSource for Pattern {
    async fn read(&self, at: u64, len: usize) -> io::Result<SharedSlice> {
        assert!(at.is_multiple_of(EXTENT) && len.is_multiple_of(rt::BLOCK));
        self.reads.set(self.reads.get() + 1);
        self.in_flight.set(self.in_flight.get() + 1);
        assert!(self.in_flight.get() <= 8);
        self.env.sleep(Duration::from_micros(100)).await;
        self.in_flight.set(self.in_flight.get() - 1);
        if self.broken.get() {
            return Err(io::Error::from_raw_os_error(5));
        }
        let end = self.end.get().next_multiple_of(4096).min(at + len as u64);
        Ok(rt::slice::aligned((end - at) as usize, |memory| {
            for (index, value) in memory.iter_mut().enumerate() {
                let position = at + index as u64;
                *value = if position < self.end.get() { byte(position) } else { 0 };
            }
        }))
    }
}

fn world(sim: &Simulation, end: u64, extents: usize) -> (ColdCache<SimEnv, Pattern>, Pattern) {
    let env = sim.machine([10, 0, 0, 1], SimDisk::new()).env();
    let source = Pattern {
        env: env.clone(),
        end: Rc::new(Cell::new(end)),
        reads: Rc::default(),
        in_flight: Rc::default(),
        broken: Rc::default(),
    };
    let config = ColdConfig::new(extents * EXTENT as usize, ReadGate::new(8));
    (ColdCache::new(env, source.clone(), config), source)
}

fn fine(_: &[u8]) -> Result<(), ()> {
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_range_reads_as_the_log_while_the_log_grows(
        ranges in prop::collection::vec((0..3_000_000u64, 1..400_000usize, any::<bool>()), 1..40),
    ) {
        let sim = Simulation::new(1);
        let (cache, source) = world(&sim, 1_000_000, 6);
        sim.block_on(async {
            for (at, len, grow) in ranges {
                if grow {
                    source.end.set(source.end.get() + 70_001);
                }
                let end = source.end.get();
                let read = cache.read(at, len, end, Some(1), fine).await;
                if at + len as u64 > end {
                    assert!(matches!(read, Err(ColdError::Io(_))));
                } else {
                    let read = read.unwrap();
                    assert!(read.iter().enumerate().all(|(index, value)| *value == byte(at + index as u64)));
                    assert_eq!(read.len(), len);
                }
                assert!(cache.statistics().bytes <= 6 * EXTENT as usize);
            }
        });
    }

    #[test]
    fn two_queues_hold_what_was_put_and_never_more_than_their_room(
        uses in prop::collection::vec((0..40u64, 0..10u8), 1..500),
    ) {
        let mut cache = TwoQueue::new(8);
        let mut model = BTreeMap::new();
        for (step, (key, action)) in uses.into_iter().enumerate() {
            match action {
                0 => {
                    cache.remove(key);
                    model.remove(&key);
                }
                1..5 => {
                    cache.insert(key, step);
                    model.insert(key, step);
                    prop_assert_eq!(cache.get(key), Some(&step));
                }
                _ => {
                    if let Some(value) = cache.get(key) {
                        prop_assert_eq!(Some(value), model.get(&key));
                    }
                }
            }
            prop_assert!(cache.values().count() <= 8);
        }
    }
}

#[test]
fn a_scan_does_not_evict_what_is_read_again_and_again() {
    let mut cache = TwoQueue::new(16);
    for key in 0..16 {
        cache.insert(key, ());
    }
    for key in 100..104 {
        cache.insert(key, ());
    }
    for key in 0..4 {
        assert!(cache.get(key).is_none());
        cache.insert(key, ());
    }
    for key in 1000..2000 {
        cache.insert(key, ());
    }
    assert!((0..4).all(|key| cache.contains(key)), "a thousand extents read once evicted them");
}

#[test]
fn concurrent_readers_of_an_extent_share_one_read_even_if_the_first_goes_away() {
    let sim = Simulation::new(2);
    let (cache, source) = world(&sim, 10 * EXTENT, 8);
    let done = Rc::new(Cell::new(0));
    sim.block_on(async {
        let first = Box::pin(cache.read(10, 100, 10 * EXTENT, None, fine));
        let mut first = Some(first);
        poll_fn(|context| {
            let _ = first.as_mut().unwrap().as_mut().poll(context);
            first = None;
            Poll::Ready(())
        })
        .await;
        for reader in 0..20u64 {
            let (cache, done) = (cache.clone(), done.clone());
            source.env.spawn(Class::ColdRead, async move {
                cache.read(reader * 50, 100, 10 * EXTENT, None, fine).await.unwrap();
                done.set(done.get() + 1);
            });
        }
        source.env.sleep(Duration::from_millis(10)).await;
    });
    assert_eq!(done.get(), 20);
    assert_eq!(source.reads.get(), 1);
}

#[test]
fn a_sequential_reader_waits_for_few_of_its_extents() {
    let sim = Simulation::new(3);
    let (cache, source) = world(&sim, 100 * EXTENT, 32);
    sim.block_on(async {
        for step in 0..400 {
            cache.read(step * EXTENT / 4, 1000, 100 * EXTENT, Some(7), fine).await.unwrap();
            source.env.sleep(Duration::from_micros(200)).await;
        }
    });
    let statistics = cache.statistics();
    assert!(statistics.misses <= 3, "{statistics:?}");
    assert_eq!(source.reads.get(), 51, "two extents are one read");
}

#[test]
fn groups_at_four_places_of_one_queue_are_read_ahead_for_alike() {
    let sim = Simulation::new(5);
    let (cache, source) = world(&sim, 400 * EXTENT, 64);
    sim.block_on(async {
        for step in 0..400 {
            for place in 0..4 {
                let at = place * 100 * EXTENT + step * EXTENT / 4;
                cache.read(at, 1000, 400 * EXTENT, Some(7), fine).await.unwrap();
                source.env.sleep(Duration::from_micros(200)).await;
            }
        }
    });
    let statistics = cache.statistics();
    assert!(statistics.misses <= 4 * 3, "{statistics:?}");
}

#[test]
fn a_failed_check_or_read_is_reported_and_not_cached() {
    let sim = Simulation::new(4);
    let (cache, source) = world(&sim, 4 * EXTENT, 8);
    sim.block_on(async {
        let refused = cache.read(0, 10, EXTENT, None, |_| Err("damaged")).await;
        assert!(matches!(refused, Err(ColdError::Check("damaged"))));
        cache.read(0, 10, EXTENT, None, fine).await.unwrap();
        assert_eq!(source.reads.get(), 2);
        source.broken.set(true);
        let failed = cache.read(EXTENT, 10, 2 * EXTENT, None, fine).await;
        assert!(matches!(failed, Err(ColdError::Io(error)) if error.raw_os_error() == Some(5)));
        source.broken.set(false);
        cache.read(EXTENT, 10, 2 * EXTENT, None, fine).await.unwrap();
    });
}
