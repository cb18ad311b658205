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
