//! How the store is to write: what the configuration says, and where it says `auto` what `rt` makes of the device.
//!
//! A start looks at facts only (some files of /sys, one block to an unnamed file: well under a millisecond) and at the
//! record that `ringmq io-probe --record` left in the store's directory. It measures nothing.

use std::io;
use std::path::Path;

use rt::real::device::{self, Facts, Measured, Record};

use crate::config::{BrokerConfig, FlushMethod, IoMode};

/// The settings of the store that depend on the disk, each with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskChoice {
    /// `store.io_mode`.
    pub io_mode: (store::IoMode, String),
    /// `flush.method`.
    pub flush_method: (store::FlushMethod, String),
    /// `flush.chunk_kib`, in KiB.
    pub flush_chunk_kib: (u32, String),
}

impl DiskChoice {
    /// Looks at the device under the directory `dir` (which exists) and decides.
    ///
    /// # Errors
    /// When the directory cannot be looked at. A record that is of no use is logged and left aside.
    pub fn make(config: &BrokerConfig, dir: &Path) -> io::Result<Self> {
        let facts = device::probe(dir)?;
        let measured = match Record::read(dir, &facts) {
            Ok(record) => record.map(|record| record.measured),
            Err(error) => {
                tracing::warn!(%error, "ignored; `ringmq io-probe --record` on the store's directory makes a new one");
                None
            }
        };
        Ok(Self::of(config, &facts, measured.as_ref()))
    }

    /// Decides, with the device known.
    #[must_use]
    pub fn of(config: &BrokerConfig, facts: &Facts, measured: Option<&Measured>) -> Self {
        let (io_mode, why) = match config.io_mode {
            IoMode::Direct => (device::IoMode::Direct, CONFIGURED.to_owned()),
            IoMode::Buffered => (device::IoMode::Buffered, CONFIGURED.to_owned()),
            IoMode::Auto => facts.io_mode(measured),
        };
        let io_reason = format!("{} ({why})", io_mode.word());
        let (method, why) = match config.flush_method {
            FlushMethod::Plain => (device::FlushMethod::WriteThrough, CONFIGURED.to_owned()),
            FlushMethod::Dsync => (device::FlushMethod::Dsync, CONFIGURED.to_owned()),
            FlushMethod::Fdatasync => (device::FlushMethod::Fdatasync, CONFIGURED.to_owned()),
            FlushMethod::Auto => facts.flush_method(io_mode, measured),
        };
        let flush_reason = format!("{} ({why})", method.word());
        let (chunk, why) = match config.flush_chunk_kib {
            Some(chunk) => (chunk, CONFIGURED.to_owned()),
            None => facts.flush_chunk_kib(measured),
        };
        Self {
            io_mode: (store_io_mode(io_mode), io_reason),
            flush_method: (store_flush_method(method), flush_reason),
            flush_chunk_kib: (chunk, format!("{chunk} KiB ({why})")),
        }
    }
}

const CONFIGURED: &str = "configured";

fn store_io_mode(mode: device::IoMode) -> store::IoMode {
    match mode {
        device::IoMode::Direct => store::IoMode::Direct,
        device::IoMode::Buffered => store::IoMode::Buffered,
    }
}

fn store_flush_method(method: device::FlushMethod) -> store::FlushMethod {
    match method {
        device::FlushMethod::WriteThrough => store::FlushMethod::WriteThrough,
        device::FlushMethod::Dsync => store::FlushMethod::Dsync,
        device::FlushMethod::Fdatasync => store::FlushMethod::Fdatasync,
    }
}

#[cfg(test)]
mod tests {
    use rt::real::device::RECORD;
    use settings::override_entry;

    use super::*;
    use crate::config::{Host, load};

    fn config(sets: &[&str]) -> BrokerConfig {
        let all = ["listen.address=127.0.0.1"].iter().chain(sets);
        let entries: Vec<_> = all.map(|set| override_entry(set, "--set").unwrap()).collect();
        load(&entries, &Host::read()).unwrap().config
    }

    #[test]
    fn what_a_probe_recorded_in_the_stores_directory_decides_what_is_auto() {
        let dir = std::env::temp_dir().join(format!("ringmq-disk-choice-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let before = DiskChoice::make(&config(&[]), &dir).unwrap();
        let facts = device::probe(&dir).unwrap();
        let measured = Measured {
            direct_mib_s: [Some(5.0), Some(10.0), Some(20.0), Some(900.0)],
            buffered_mib_s: Some(100.0),
            ..Measured::default()
        };
        std::fs::write(dir.join(RECORD), Record::new(&facts, measured).render()).unwrap();
        let with = DiskChoice::make(&config(&[]), &dir).unwrap();
        let set = DiskChoice::make(&config(&["flush.chunk_kib=128"]), &dir).unwrap();
        std::fs::write(dir.join(RECORD), "format = 1\ndevice = \"another\"\n").unwrap();
        let other = DiskChoice::make(&config(&[]), &dir).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!((before.flush_chunk_kib.0, with.flush_chunk_kib.0), (256, 1024), "{with:?}");
        assert_eq!(set.flush_chunk_kib, (128, "128 KiB (configured)".to_owned()));
        assert_eq!(other, before, "a record of another device is left aside");
    }

    #[test]
    fn what_is_configured_is_taken_as_it_is() {
        let facts = Facts { filesystem: "x".into(), direct: false, direct_alignment: None, device: None };
        let choice = DiskChoice::of(&config(&["store.io_mode=direct", "flush.method=plain"]), &facts, None);
        assert_eq!(choice.io_mode, (store::IoMode::Direct, "direct (configured)".to_owned()));
        assert_eq!(choice.flush_method, (store::FlushMethod::WriteThrough, "plain (configured)".to_owned()));
        let auto = DiskChoice::of(&config(&[]), &facts, None);
        assert_eq!(
            (auto.io_mode.0, auto.flush_method.0),
            (store::IoMode::Buffered, store::FlushMethod::Fdatasync)
        );
    }
}
