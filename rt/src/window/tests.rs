use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

const SMALL: usize = 64 << 10;
pub(super) const ID: WindowIdentity = WindowIdentity { store_id: [7; 16], shard: 3 };

fn small(base: u64) -> Rc<Window> {
    Window::create(Backing::Private, SMALL, ID, base).unwrap()
}

fn put(window: &Window, len: usize, byte: u8) -> Option<u64> {
    window.append(len, |memory| memory.fill(byte)).map(|(at, ())| at)
}

/// A directory of its own for a test, on tmpfs, gone with it.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new(test: &str) -> Self {
        let path = Path::new("/dev/shm").join(format!("rt-window-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("window-3")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn damage(path: &Path) -> LeftoverDamage {
    let error = Window::leftover(path).unwrap_err();
    *error.get_ref().unwrap().downcast_ref::<LeftoverDamage>().unwrap()
}

#[test]
fn a_record_over_the_seam_is_one_range() {
    let window = small(0);
    assert_eq!(put(&window, 60_000, 1), Some(0));
    window.release(60_000);
    assert_eq!(put(&window, 10_000, 2), Some(60_000));
    assert_eq!(window.peek(60_000, 10_000).unwrap(), vec![2; 10_000]);
    assert_eq!(&*window.slice(65_530, 12).unwrap(), &[2; 12]);
    assert!(window.peek(0, 1).is_none(), "overwritten");
    assert!(window.peek(70_000, 1).is_none(), "not yet written");
}

#[test]
fn what_is_not_released_is_not_overwritten() {
    let window = small(0);
    assert_eq!(put(&window, SMALL, 1), Some(0));
    assert_eq!(window.full(1), Some(Full::Unreleased));
    assert_eq!(put(&window, 1, 2), None);
    window.release(4095);
    assert_eq!(put(&window, 1, 2), None, "the block of the release point will be rewritten");
    window.release(4096);
    assert_eq!(put(&window, 1, 2), Some(SMALL as u64));
    assert_eq!(window.start(), 4096);
    assert!(window.peek(4096, 4096).is_some_and(|old| old == [1; 4096]));
}

#[test]
fn what_is_pinned_is_not_overwritten_until_the_last_clone_goes() {
    let window = small(0);
    put(&window, SMALL, 1);
    window.release(SMALL as u64);
    let slice = window.slice(100, 8000).unwrap();
    let clone = slice.range(7000, 8000);
    drop(slice);
    assert_eq!(window.full(1), Some(Full::Pinned));
    assert_eq!(put(&window, 1, 2), None);
    assert_eq!(&*clone, &[1; 1000]);
    drop(clone);
    assert_eq!(put(&window, SMALL, 2), Some(SMALL as u64));
}

#[test]
fn a_record_larger_than_the_window_is_refused_as_such() {
    let window = small(0);
    put(&window, 1, 1);
    window.release(1);
    assert_eq!(window.full(SMALL + 1), Some(Full::TooLarge));
    // The block with the first byte will be written again, so a whole window does not fit behind it.
    assert_eq!(window.full(SMALL), Some(Full::TooLarge));
    assert_eq!(window.full(SMALL - 1), None);
}

#[test]
fn blocks_are_whole_and_end_in_zeros() {
    let window = small(0);
    put(&window, SMALL, 0xff);
    window.release(SMALL as u64);
    put(&window, 5000, 1);
    let end = SMALL as u64 + 5000;
    let blocks = window.blocks(SMALL as u64, end);
    assert_eq!(blocks.len(), 2 * BLOCK);
    assert_eq!(blocks.as_ptr().align_offset(BLOCK), 0);
    assert_eq!(blocks[..5000], [1; 5000]);
    assert_eq!(blocks[5000..], [0; 2 * BLOCK - 5000]);
    put(&window, 10, 2);
    let again = window.blocks(SMALL as u64 + BLOCK as u64, end + 10);
    assert_eq!(again[5000 - BLOCK..5010 - BLOCK], [2; 10]);
    assert_eq!(again[5010 - BLOCK..], [0; 2 * BLOCK - 5010]);
}

#[test]
fn a_seed_completes_the_tail_block() {
    let window = small(10_000);
    window.seed(8192, &[9; 10_000 - 8192]);
    put(&window, 100, 1);
    let blocks = window.blocks(8192, 10_100);
    assert_eq!(blocks[..1808], [9; 1808]);
    assert_eq!(blocks[1808..1908], [1; 100]);
    assert_eq!(blocks[1908..], [0; BLOCK - 1908]);
    assert_eq!(window.start(), 8192);
}

#[test]
fn the_next_process_reads_everything_up_to_the_cursor() {
    let place = Place::new("reads");
    let window = Window::create(Backing::Named(place.file()), SMALL, ID, 5000).unwrap();
    window.seed(4096, &[9; 904]);
    assert_eq!(put(&window, 40_000, 1), Some(5000));
    window.release(45_000);
    assert_eq!(put(&window, 40_000, 2), Some(45_000));
    drop(window);

    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let leftover = Window::leftover(&place.file()).unwrap().unwrap();
    assert_eq!(leftover.identity(), ID);
    assert_eq!((leftover.released(), leftover.end()), (45_000, 85_000));
    assert!(leftover.start() <= 45_000);
    assert_eq!(leftover.bytes(45_000, 40_000).unwrap(), vec![2; 40_000]);
    assert_eq!(leftover.bytes(44_999, 2).unwrap(), [1, 2]);
    assert!(leftover.bytes(84_999, 2).is_none());
    assert!(leftover.bytes(leftover.start() - 1, 2).is_none());
}

#[test]
fn a_new_window_replaces_the_old_file() {
    let place = Place::new("replaces");
    for base in [0, 77] {
        let window = Window::create(Backing::Named(place.file()), SMALL, ID, base).unwrap();
        put(&window, 1, 1);
        assert_eq!(Window::leftover(&place.file()).unwrap().unwrap().end(), base + 1);
    }
    assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_file_that_is_no_window_is_refused_by_name() {
    let place = Place::new("refused");
    let path = place.file();
    assert!(Window::leftover(&path).unwrap().is_none());
    let make = || {
        drop(Window::create(Backing::Named(path.clone()), SMALL, ID, 0).unwrap());
        fs::OpenOptions::new().write(true).open(&path).unwrap()
    };

    make().set_len(100).unwrap();
    assert_eq!(damage(&path), LeftoverDamage::Short { bytes: 100 });
    make().set_len(8192).unwrap();
    assert_eq!(damage(&path), LeftoverDamage::Size { found: 8192, expected: 4096 + SMALL as u64 });
    make().write_all_at(b"x", 0).unwrap();
    assert_eq!(damage(&path), LeftoverDamage::NotAWindow);
    make().write_all_at(&[9], 8).unwrap();
    assert_eq!(damage(&path), LeftoverDamage::Version { found: 9, known: 1 });
    make().write_all_at(&[9], 20).unwrap();
    assert!(matches!(damage(&path), LeftoverDamage::Checksum { .. }));
    make().write_all_at(&[0xff; 8], CURSOR_END).unwrap();
    assert!(matches!(damage(&path), LeftoverDamage::Cursors { .. }));
    make().write_all_at(&(SMALL as u64 + 1).to_le_bytes(), CURSOR_END).unwrap();
    assert!(matches!(damage(&path), LeftoverDamage::Cursors { .. }));
    make().set_permissions(fs::Permissions::from_mode(0o622)).unwrap();
    assert_eq!(damage(&path), LeftoverDamage::Foreign);

    fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert!(Window::leftover(&path).is_err());
}

pub(super) fn run(mut job: AllocationJob) {
    while !job.step().unwrap() {}
}

#[test]
fn the_cursor_waits_for_memory() {
    let piece = 16 << 10;
    let window = Window::create_in_pieces(Backing::Private, SMALL, ID, 0, piece).unwrap();
    assert_eq!(put(&window, 16 << 10, 1), Some(0));
    assert_eq!(window.full(1), Some(Full::Unallocated));
    assert_eq!(put(&window, 1, 1), None);

    let job = window.ensure_ahead().unwrap();
    assert!(window.ensure_ahead().is_none(), "one at a time");
    assert_eq!(put(&window, 1, 1), None, "not yet run");
    run(job);
    assert_eq!(put(&window, 16 << 10, 1), Some(16 << 10));

    drop(window.ensure_ahead().unwrap());
    assert_eq!(put(&window, 1, 1), None, "dropped, so failed");
    window.release(16 << 10);
    // After a failure the oldest released piece is given back.
    run(window.ensure_ahead().unwrap());
    assert_eq!(window.start(), 16 << 10);
    assert_eq!(put(&window, 16 << 10, 3), Some(32 << 10));
    while let Some(job) = window.ensure_ahead() {
        run(job);
    }
    window.release(48 << 10);
    assert_eq!(put(&window, 48 << 10, 4), Some(48 << 10), "the first piece has memory again");
    assert!(window.peek(48 << 10, 48 << 10).unwrap().iter().all(|byte| *byte == 4));
}

/// Byte of the log at `at`, so that a byte of another lap is noticed.
pub(super) fn byte_at(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn held_bytes_never_change(blocks in 8_usize..20, steps in prop::collection::vec((0_u8..4, 1_usize..30_000), 1..80)) {
        let window = Window::create(Backing::Private, blocks * BLOCK, ID, 0).unwrap();
        let mut slices: Vec<(u64, SharedSlice)> = Vec::new();
        for (kind, size) in steps {
            match kind {
                0 => {
                    let from = window.end();
                    let fill = |memory: &mut [u8]| {
                        for (at, byte) in (from..).zip(memory) { *byte = byte_at(at); }
                    };
                    prop_assert!(window.append(size, fill).is_some() || window.full(size).is_some());
                }
                1 => {
                    let gap = (window.end() - window.released()).min(size as u64);
                    window.release(window.released() + gap);
                }
                2 => {
                    let at = window.start() + (size as u64 * 7) % (window.end() - window.start() + 1);
                    let len = size.min((window.end() - at) as usize);
                    slices.push((at, window.slice(at, len).unwrap()));
                }
                _ => {
                    if !slices.is_empty() { slices.swap_remove(size % slices.len()); }
                }
            }
            for (at, slice) in &slices {
                prop_assert!((*at..).zip(slice.iter()).step_by(61).all(|(at, byte)| *byte == byte_at(at)));
            }
            let held = window.peek(window.start(), (window.end() - window.start()) as usize).unwrap();
            prop_assert!((window.start()..).zip(held).step_by(61).all(|(at, byte)| *byte == byte_at(at)));
        }
    }
}

const CURSOR_END: u64 = 64;
