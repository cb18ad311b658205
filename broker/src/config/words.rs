//! Types that only this table uses.

use settings::{Limits, Rejection, Value, words};

words! {
    /// How the log reaches the disk.
    pub enum IoMode {
        /// `direct` where the store's filesystem can, else `buffered`.
        Auto = "auto",
        /// O_DIRECT.
        Direct = "direct",
        /// Through the page cache, with paced writeback.
        Buffered = "buffered",
    }
}

words! {
    /// When a send is acknowledged.
    pub enum FlushMode {
        /// Kept: survives the death of the process.
        Async = "async" | "ASYNC_FLUSH",
        /// Flushed: survives a power cut.
        Sync = "sync" | "SYNC_FLUSH",
    }
}

words! {
    /// How a write is made durable.
    pub enum FlushMethod {
        /// What the device supports best.
        Auto = "auto",
        /// The device writes through: nothing more to do.
        Plain = "plain",
        /// RWF_DSYNC on each write (FUA).
        Dsync = "dsync",
        /// A flush of the file after the write.
        Fdatasync = "fdatasync",
    }
}

words! {
    /// How a log line looks.
    pub enum LogFormat {
        /// For people.
        Pretty = "pretty",
        /// For people who have many.
        Compact = "compact",
        /// For machines.
        Json = "json",
    }
}

/// Hours of the day, `04` or `02;04`; empty means any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours(pub Vec<u8>);

impl Value for Hours {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        let hour = |piece: &str| piece.parse::<u8>().ok().filter(|hour| *hour < 24);
        let hours: Option<Vec<u8>> =
            text.split(';').map(str::trim).filter(|piece| !piece.is_empty()).map(hour).collect();
        hours.map(Hours).ok_or(Rejection::Expected("hours from 00 to 23, several separated by ';'"))
    }
    fn show(&self) -> String {
        let hours: Vec<String> = self.0.iter().map(|hour| format!("{hour:02}")).collect();
        hours.join(";")
    }
    fn kind() -> String {
        "hours".to_owned()
    }
}

/// The waiting times of the delay levels: `1s 5s 1m 2h 1d`, level 1 first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DelayLevels(pub Vec<u64>);

/// Units of a waiting time, in milliseconds.
const UNITS: [(&str, u64); 4] = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Each level is a queue of its own.
const LEVELS_MAX: usize = 256;

impl DelayLevels {
    /// The waiting time of `level`, which is 1 or more; levels beyond the last count as the last. Milliseconds.
    #[must_use]
    pub fn delay_ms(&self, level: u32) -> u64 {
        let index = (level.max(1) as usize).min(self.0.len()) - 1;
        self.0[index]
    }
}

impl Value for DelayLevels {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        let delay = |piece: &str| {
            let (unit, ms) = UNITS.iter().find(|(unit, _)| piece.ends_with(unit))?;
            piece.strip_suffix(unit)?.parse::<u32>().ok().map(|number| u64::from(number) * ms)
        };
        let delays: Option<Vec<u64>> = text.split_ascii_whitespace().map(delay).collect();
        delays
            .filter(|delays| (1..=LEVELS_MAX).contains(&delays.len()))
            .map(DelayLevels)
            .ok_or(Rejection::Expected("1 to 256 times such as 1s 5m 2h 1d, separated by blanks"))
    }
    fn show(&self) -> String {
        self.0.iter().copied().map(show_ms).collect::<Vec<_>>().join(" ")
    }
    fn kind() -> String {
        "times".to_owned()
    }
}

/// A length of time, `30s` or `10m`, in milliseconds; or `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Option<u64>);

impl Value for Span {
    fn parse(text: &str, _: &Limits) -> Result<Self, Rejection> {
        if matches!(text, "off" | "0") {
            return Ok(Self(None));
        }
        let ms = UNITS.iter().find_map(|(unit, ms)| {
            let number = text.strip_suffix(unit)?.parse::<u32>().ok().filter(|number| *number > 0)?;
            Some(u64::from(number) * ms)
        });
        ms.map(|ms| Self(Some(ms))).ok_or(Rejection::Expected("off, or a time such as 30s, 10m, 2h, 1d"))
    }
    fn show(&self) -> String {
        self.0.map_or_else(|| "off".to_owned(), show_ms)
    }
    fn kind() -> String {
        "time or off".to_owned()
    }
}

/// In the largest unit that fits.
fn show_ms(ms: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{}s", ms / 1_000), |(name, unit)| format!("{}{name}", ms / unit))
}
