//! [`prefetch`]: memory that is needed soon, fetched while something else is looked at.

/// Starts fetching the cache lines of `bytes`; returns at once and changes nothing. For scans that touch a few lines of
/// each of many records, where most of the time would be waiting for one after the other. A few lines each: the core
/// tracks a dozen misses at once.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(CACHE_LINE) {
        // SAFETY: the address is one of a live slice, and a prefetch has no effect but on caches.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;
