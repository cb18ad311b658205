use std::rc::Rc;

use super::*;
use crate::window::tests::{ID, Place, byte_at, run};
use crate::window::{Backing, Window};

const WINDOW: u64 = WINDOW_BYTES_MIN;
const MIB: u64 = 1 << 20;

fn window(backing: Backing, bytes: u64) -> Rc<Window> {
    Window::create(backing, bytes as usize, ID, 0).unwrap()
}

/// One turn of a shard: the jobs of the window, then `len` bytes more.
fn turn(window: &Window, len: usize) {
    while let Some(job) = window.ensure_ahead() {
        run(job);
    }
    window.release(window.end());
    let from = window.end();
    let blocks = (from..).step_by(BLOCK);
    let fill = |memory: &mut [u8]| {
        blocks.zip(memory.chunks_mut(BLOCK)).for_each(|(at, block)| block.fill(byte_at(at)))
    };
    window.append(len, fill).expect("allocated and released");
}

fn holds_what_was_written(window: &Window) -> bool {
    let held = window.peek(window.start(), (window.end() - window.start()) as usize).unwrap();
    (window.start()..).step_by(BLOCK).zip(held.chunks(BLOCK)).all(|(at, block)| block == [byte_at(at); BLOCK])
}

fn is_running(window: &Window) -> bool {
    matches!(&*window.huge.borrow(), HugePages::Running(mover) if !mover.is_finished())
}

/// Whether this host has huge pages for shared memory; prints why not.
fn host_has_huge_pages() -> bool {
    let mapping = Mapping::private(4 * HUGE_PAGE).unwrap();
    mapping.allocate(0, 4 * HUGE_BYTES).unwrap();
    let refused = mapping.collapse(HUGE_BYTES).err();
    if let Some(error) = &refused {
        println!("skipped: no huge page for shared memory on this host: {error}");
    }
    refused.is_none()
}

/// Bytes that are mapped by huge pages in the mapping which holds `address`.
fn huge_bytes(address: usize) -> u64 {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut is_ours = false;
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if let Some((from, to)) = first.split_once('-') {
            let [from, to] = [from, to].map(|text| usize::from_str_radix(text, 16).unwrap());
            is_ours = (from..to).contains(&address);
        } else if is_ours && first == "ShmemPmdMapped:" {
            return second.parse::<u64>().unwrap() << 10;
        }
    }
    panic!("no mapping at {address:x}");
}

#[test]
fn a_window_comes_to_lie_on_huge_pages_while_its_bytes_stay() {
    if !host_has_huge_pages() {
        return;
    }
    let place = Place::new("huge");
    let window = window(Backing::Named(place.file()), WINDOW);
    window.move_to_huge_pages();
    turn(&window, BLOCK);
    let mut laps = 0;
    while is_running(&window) {
        // Racing with the thread, as a shard does.
        while window.end() < (laps + 1) * WINDOW {
            turn(&window, 1 << 20);
        }
        laps += 1;
        assert!(holds_what_was_written(&window), "in lap {laps}");
        assert!(laps < 1000, "the thread has had its time");
    }
    assert!(holds_what_was_written(&window));
    let (data, _) = window.region();
    let (first, mirror) = (huge_bytes(data as usize), huge_bytes(data as usize + WINDOW as usize));
    println!(
        "after {laps} laps: {} MiB of the window are huge, {} MiB of its mirror",
        first >> 20,
        mirror >> 20
    );
    // Pages that the host needed for itself may be missing.
    assert!(first >= WINDOW / 2, "{first} bytes of the window are huge");

    let leftover = Window::leftover(&place.file()).unwrap().unwrap();
    assert_eq!((leftover.start(), leftover.end()), (window.start(), window.end()));
    let len = (window.end() - window.start()) as usize;
    assert_eq!(leftover.bytes(window.start(), len).unwrap(), window.peek(window.start(), len).unwrap());
}

#[test]
fn a_dropped_window_ends_its_thread() {
    let window = window(Backing::Private, WINDOW);
    window.move_to_huge_pages();
    assert!(!is_running(&window), "no thread before the first turn");
    turn(&window, 1);
    assert!(matches!(&*window.huge.borrow(), HugePages::Running(_)));
    let mapping = Arc::downgrade(&window.mapping);
    drop(window);
    assert!(mapping.upgrade().is_none(), "the thread held it until its end");
}

#[test]
fn no_thread_is_started_unasked_or_for_little() {
    for (bytes, is_asked) in [(WINDOW, false), (WINDOW - MIB, true)] {
        let window = window(Backing::Private, bytes);
        if is_asked {
            window.move_to_huge_pages();
        }
        turn(&window, 1);
        assert!(matches!(&*window.huge.borrow(), HugePages::Unwanted));
    }
}

#[test]
fn a_range_is_due_when_the_cursor_is_far_from_it() {
    let is_due = |at: u64, end: u64, released: u64, pieces: [bool; 4]| {
        let range = Range { at: at * MIB - BLOCK as u64, not_before: 0, tries_left: 0 };
        let cursor = Cursor { capacity: WINDOW, end: end * MIB, released: released * MIB };
        range.is_due(&cursor, &pieces.map(AtomicBool::new))
    };
    let all = [true; 4];
    assert!(is_due(20, 4, 4, all));
    assert!(!is_due(4, 4, 4, all), "in use");
    assert!(!is_due(2, 4, 4, all), "just written");
    assert!(!is_due(10, 4, 4, all), "the cursor is near");
    assert!(!is_due(60, 4, 4, all), "written a while ago, and perhaps being read");
    assert!(is_due(60, 40, 40, all));
    assert!(is_due(20, 68, 68, all), "in a later lap");
    assert!(is_due(8, 120, 120, all), "over the seam");
    assert!(!is_due(20, 68, 21, all), "not yet on disk");
    assert!(is_due(20, 68, 22, all));
    assert!(!is_due(20, 4, 4, [true, false, true, true]), "no memory yet");
    assert!(is_due(16, 4, 4, [false, true, true, true]), "only a block of it lies in the piece before");
}

#[test]
fn the_range_with_the_header_is_left_out() {
    let window = window(Backing::Private, WINDOW + MIB);
    let HugePages::Wanted(shared) = HugePages::wanted(&window.mapping, &window.allocation.borrow()) else {
        panic!("wanted");
    };
    let ranges: Vec<_> = shared.ranges().iter().map(|range| range.at + BLOCK as u64).collect();
    assert_eq!((ranges.len(), ranges[0], ranges[30]), (31, 2 * MIB, 62 * MIB));
}
