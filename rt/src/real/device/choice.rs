//! What follows from the facts of a device, and from measurements of it: how to write and how to flush.
//!
//! The one place that decides. The broker asks it at start for every key that is `auto`, `ringmq io-probe` to print its
//! advice. A measurement may choose among what is safe; it never makes a method safe that the facts do not.

use super::{BlockDevice, Facts, WriteCache};

/// How a write becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushMethod {
    /// A plain write is durable when it completes.
    WriteThrough,
    /// `RWF_DSYNC`: with FUA, one command.
    Dsync,
    /// Write, then `fdatasync`.
    Fdatasync,
}

impl FlushMethod {
    /// As the key `flush.method` spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            FlushMethod::WriteThrough => "plain",
            FlushMethod::Dsync => "dsync",
            FlushMethod::Fdatasync => "fdatasync",
        }
    }
}

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// `O_DIRECT`.
    Direct,
    /// Through the page cache.
    Buffered,
}

impl IoMode {
    /// As the key `store.io_mode` spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            IoMode::Direct => "direct",
            IoMode::Buffered => "buffered",
        }
    }
}

/// Figures of a device that choices depend on. `None`: not measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Median of one direct 4 KiB write and its `fdatasync`, one at a time, us.
    pub fdatasync_us: Option<f64>,
    /// Median of one direct 4 KiB `RWF_DSYNC` write, one at a time, us.
    pub dsync_us: Option<f64>,
    /// MiB/s of direct writes, four in flight, for each size of [`CHUNKS`].
    pub direct_mib_s: [Option<f64>; CHUNKS.len()],
    /// MiB/s of buffered writes of 256 KiB, the final flush included.
    pub buffered_mib_s: Option<f64>,
}

/// Sizes in KiB that `flush.chunk_kib` is chosen from when it was measured.
pub const CHUNKS: [u32; 4] = [64, 128, 256, 1_024];
/// `flush.chunk_kib` without a measurement: 2.5 to 4 GiB/s on every NVMe we know (performance.md 1).
pub const CHUNK_DEFAULT: u32 = 256;
/// A measured difference below this share is noise.
const NOISE: f64 = 0.1;
/// Direct writes that reach less than this share of buffered ones are the wrong choice.
const DIRECT_SHARE_LEAST: f64 = 0.7;

impl Facts {
    /// Chooses `store.io_mode`, and says why.
    #[must_use]
    pub fn io_mode(&self, measured: Option<&Measured>) -> (IoMode, String) {
        let filesystem = &self.filesystem;
        if !self.direct {
            return (IoMode::Buffered, format!("{filesystem} takes no O_DIRECT"));
        }
        let best = measured.and_then(|measured| fastest(&measured.direct_mib_s)).map(|(_, rate)| rate);
        let buffered = measured.and_then(|measured| measured.buffered_mib_s);
        match (best, buffered) {
            (Some(direct), Some(buffered)) if direct < DIRECT_SHARE_LEAST * buffered => (
                IoMode::Buffered,
                format!("measured: {direct:.0} MiB/s direct, {buffered:.0} buffered with its flush"),
            ),
            (Some(direct), Some(buffered)) => (
                IoMode::Direct,
                format!(
                    "{filesystem} takes O_DIRECT; measured: {direct:.0} MiB/s direct, {buffered:.0} buffered with its flush"
                ),
            ),
            _ => (IoMode::Direct, format!("{filesystem} takes O_DIRECT")),
        }
    }

    /// Chooses the cheapest method that is safe on this device, and says why.
    #[must_use]
    pub fn flush_method(&self, io_mode: IoMode, measured: Option<&Measured>) -> (FlushMethod, String) {
        if io_mode == IoMode::Buffered {
            return (FlushMethod::Fdatasync, "a buffered write is never durable by itself".to_owned());
        }
        let Some(device) = &self.device else {
            let reason =
                format!("{}: no block device known, so nothing is assumed about its cache", self.filesystem);
            return (FlushMethod::Fdatasync, reason);
        };
        let name = &device.name;
        let pair = measured.and_then(|measured| measured.dsync_us.zip(measured.fdatasync_us));
        match device {
            BlockDevice { write_cache: WriteCache::Through, .. } => {
                (FlushMethod::WriteThrough, format!("{name}: write through, a completed write is safe"))
            }
            BlockDevice { fua: true, .. } => with_fua(name, pair),
            // Without FUA the kernel ends a DSYNC write in a worker that a polling thread can starve for
            // milliseconds (performance.md 1, "Durability primitives, and a trap").
            _ => {
                let mut reason = format!("{name}: volatile cache without FUA");
                if let Some((dsync, fdatasync)) = pair
                    && dsync < fdatasync * (1.0 - NOISE)
                {
                    reason += &format!(
                        "; dsync was faster ({dsync:.0} against {fdatasync:.0} us), but then a polling thread can hold \
                         a completion for milliseconds"
                    );
                }
                (FlushMethod::Fdatasync, reason)
            }
        }
    }

    /// Chooses `flush.chunk_kib`, the size at which pending bytes are written without waiting: the smallest whose rate
    /// is the best one's, noise apart. Larger ones only make a durable write queue behind them.
    #[must_use]
    pub fn flush_chunk_kib(&self, measured: Option<&Measured>) -> (u32, String) {
        let rates = measured.map(|measured| measured.direct_mib_s).unwrap_or_default();
        let Some((_, best)) = fastest(&rates) else {
            return (CHUNK_DEFAULT, "the default; not measured here".to_owned());
        };
        let good = |rate: &Option<f64>| rate.is_some_and(|rate| rate >= best * (1.0 - NOISE));
        let place = rates.iter().position(good).expect("the best one is as good as itself");
        let (chunk, rate) = (CHUNKS[place], rates[place].unwrap_or(best));
        (chunk, format!("measured: {rate:.0} MiB/s four in flight, the best is {best:.0}"))
    }
}

fn with_fua(name: &str, pair: Option<(f64, f64)>) -> (FlushMethod, String) {
    match pair {
        Some((dsync, fdatasync)) if fdatasync < dsync * (1.0 - NOISE) => (
            FlushMethod::Fdatasync,
            format!(
                "{name}: volatile cache with FUA, but measured: fdatasync {fdatasync:.0} us, dsync {dsync:.0} us"
            ),
        ),
        _ => (FlushMethod::Dsync, format!("{name}: volatile cache with FUA, one command does both")),
    }
}

fn fastest(rates: &[Option<f64>; CHUNKS.len()]) -> Option<(u32, f64)> {
    let measured = CHUNKS.iter().zip(rates).filter_map(|(chunk, rate)| rate.map(|rate| (*chunk, rate)));
    measured.max_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(write_cache: WriteCache, fua: bool) -> Facts {
        let device = BlockDevice {
            name: "nvme0n1".into(),
            below: Vec::new(),
            write_cache,
            fua,
            logical_block: 512,
            physical_block: 4096,
            rotational: false,
        };
        Facts { filesystem: "ext4".into(), direct: true, direct_alignment: None, device: Some(device) }
    }

    fn flushes(dsync_us: f64, fdatasync_us: f64) -> Measured {
        Measured { dsync_us: Some(dsync_us), fdatasync_us: Some(fdatasync_us), ..Measured::default() }
    }

    fn rates(direct: [f64; 4], buffered: f64) -> Measured {
        Measured { direct_mib_s: direct.map(Some), buffered_mib_s: Some(buffered), ..Measured::default() }
    }

    #[test]
    fn the_flush_method_never_trusts_more_than_the_device_says() {
        use FlushMethod::{Dsync, Fdatasync, WriteThrough};
        use WriteCache::{Back, Through};
        let (slow_flush, slow_dsync, even) =
            (flushes(50.0, 500.0), flushes(500.0, 50.0), flushes(100.0, 95.0));
        for (cache, fua, measured, wanted) in [
            (Through, false, None, WriteThrough),
            (Through, true, None, WriteThrough),
            (Through, false, Some(&slow_dsync), WriteThrough),
            (Back, true, None, Dsync),
            (Back, true, Some(&slow_flush), Dsync),
            (Back, true, Some(&even), Dsync),
            (Back, true, Some(&slow_dsync), Fdatasync),
            (Back, false, None, Fdatasync),
            (Back, false, Some(&slow_dsync), Fdatasync),
            // Ten times as fast and still not taken: the trap of performance.md 1.
            (Back, false, Some(&slow_flush), Fdatasync),
        ] {
            let (method, reason) = facts(cache, fua).flush_method(IoMode::Direct, measured);
            assert_eq!(method, wanted, "{cache:?}, fua {fua}, {measured:?}: {reason}");
            let (buffered, _) = facts(cache, fua).flush_method(IoMode::Buffered, measured);
            assert_eq!(buffered, Fdatasync, "the page cache is volatile over any device");
        }
        let unknown = Facts { device: None, ..facts(Through, true) };
        assert_eq!(unknown.flush_method(IoMode::Direct, Some(&slow_flush)).0, Fdatasync);
    }

    #[test]
    fn direct_unless_it_cannot_or_is_measured_to_be_much_slower() {
        let able = facts(WriteCache::Back, false);
        let unable = Facts { direct: false, ..able.clone() };
        let fast = rates([1000.0, 2000.0, 3000.0, 3000.0], 1500.0);
        let slow = rates([20.0, 40.0, 60.0, 100.0], 150.0);
        let near = rates([20.0, 40.0, 60.0, 110.0], 150.0);
        for (facts, measured, wanted) in [
            (&able, None, IoMode::Direct),
            (&able, Some(&fast), IoMode::Direct),
            (&able, Some(&near), IoMode::Direct),
            (&able, Some(&slow), IoMode::Buffered),
            (&unable, Some(&fast), IoMode::Buffered),
        ] {
            assert_eq!(facts.io_mode(measured).0, wanted, "{measured:?}");
        }
    }

    #[test]
    fn the_chunk_is_the_smallest_of_the_best() {
        let facts = facts(WriteCache::Back, false);
        for (direct, wanted) in [
            ([1000.0, 2000.0, 3950.0, 4000.0], 256),
            ([1000.0, 1000.0, 1000.0, 1000.0], 64),
            ([10.0, 20.0, 30.0, 100.0], 1024),
            ([100.0, 4000.0, 3900.0, 2000.0], 128),
        ] {
            assert_eq!(facts.flush_chunk_kib(Some(&rates(direct, 1.0))).0, wanted, "{direct:?}");
        }
        assert_eq!(facts.flush_chunk_kib(None).0, CHUNK_DEFAULT);
        assert_eq!(facts.flush_chunk_kib(Some(&Measured::default())).0, CHUNK_DEFAULT);
        let one = Measured { direct_mib_s: [None, Some(5.0), None, None], ..Measured::default() };
        assert_eq!(facts.flush_chunk_kib(Some(&one)).0, 128);
    }
}
