//! Free loopback ports, in groups as a broker needs them.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the kernel's ephemeral range, so that no outgoing connection takes a port between our look and its use.
const FIRST: u16 = 12_000;
const LAST: u16 = 31_000;
/// Ports of one group: two shards ten apart, each with its VIP port two below and its replication port one above.
const GROUP: u16 = 40;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port `p` such that `p - 2 ..= p + 31` were free a moment ago; every call gives another group.
pub(crate) fn group() -> u16 {
    // Two runs on one machine start at different places.
    let groups = (LAST - FIRST) / GROUP;
    let _ = NEXT.compare_exchange(
        0,
        1 + (std::process::id() % u32::from(groups)) as u16,
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    for _ in 0..groups {
        let index = NEXT.fetch_add(1, Ordering::Relaxed) % groups;
        let base = FIRST + index * GROUP + 2;
        let used = [0, 1, 2, 3, 10, 11, 12, 13, 20, 22, 30, 32];
        if used.iter().all(|at| TcpListener::bind((Ipv4Addr::LOCALHOST, base - 2 + at)).is_ok()) {
            return base;
        }
    }
    panic!("no group of free ports between {FIRST} and {LAST}");
}
