//! [`Record`]: measurements of a device, kept in the store's directory for the broker's next start.
//!
//! A start must not measure: it takes under 100 ms, and a measurement that short would be of noise. So `ringmq io-probe
//! --record` measures at leisure and leaves this file; the broker reads it if it is of the device that is there now.
//! Lines of `name = value`, which is TOML too.

use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::{CHUNKS, Facts, Measured, WriteCache};

/// Name of the file in the store's directory.
pub const RECORD: &str = "io-properties.toml";
/// A record is some twenty short lines.
const RECORD_BYTES_MAX: u64 = 16 << 10;
const FORMAT: &str = "1";

/// What a probe of a directory found, and on what.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    identity: Vec<(&'static str, String)>,
    /// The figures.
    pub measured: Measured,
}

/// Why a record is of no use.
#[derive(Debug)]
pub enum RecordError {
    /// Not readable.
    Io(io::Error),
    /// Not what we write.
    Malformed {
        /// Line, from 1; 0 for the whole file.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Measured on something else.
    OtherDevice {
        /// The first fact that differs.
        fact: &'static str,
        /// As recorded.
        recorded: String,
        /// As found now.
        found: String,
    },
}

impl Record {
    /// A record of `measured` on the device of `facts`.
    #[must_use]
    pub fn new(facts: &Facts, measured: Measured) -> Self {
        Self { identity: identity(facts), measured }
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from(
            "# Written by `ringmq io-probe --record`. Read by the broker at start for the keys that are auto:\n\
             # store.io_mode, flush.method, flush.chunk_kib. Of no use, and ignored, on another device.\n",
        );
        let mut put =
            |name: &str, value: &str| writeln!(text, "{name} = {value}").expect("a string takes it");
        put("format", FORMAT);
        for (name, value) in &self.identity {
            put(name, &format!("\"{value}\""));
        }
        for (name, value) in figures(&self.measured) {
            if let Some(value) = value {
                put(&name, &value.to_string());
            }
        }
        text
    }

    /// The record in the directory `dir`, if there is one.
    ///
    /// # Errors
    /// See [`RecordError`]; all of them mean "as if there were none".
    pub fn read(dir: &Path, facts: &Facts) -> Result<Option<Self>, RecordError> {
        let path = dir.join(RECORD);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::Io(error)),
            Ok(file) if !file.is_file() || file.len() > RECORD_BYTES_MAX => {
                return Err(RecordError::Malformed { line: 0, what: "too large, or no file" });
            }
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).map_err(RecordError::Io)?;
        Self::parse(&text, facts).map(Some)
    }

    fn parse(text: &str, facts: &Facts) -> Result<Self, RecordError> {
        let mut known = Self::new(facts, Measured::default());
        let mut seen = 0;
        let mut format = false;
        for (index, line) in text.lines().enumerate() {
            let malformed = |what| RecordError::Malformed { line: index + 1, what };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once(" = ").ok_or_else(|| malformed("not `name = value`"))?;
            if name == "format" {
                format = value == FORMAT;
            } else if let Some((fact, found)) = known.identity.iter().find(|(fact, _)| *fact == name) {
                let recorded = value.trim_matches('"');
                if recorded != found {
                    let (recorded, found) = (recorded.to_owned(), found.clone());
                    return Err(RecordError::OtherDevice { fact, recorded, found });
                }
                seen += 1;
            } else {
                let figure = value.parse::<f64>().ok().filter(|figure| figure.is_finite() && *figure > 0.0);
                let figure = figure.ok_or_else(|| malformed("not a positive number"))?;
                *place(&mut known.measured, name).ok_or_else(|| malformed("unknown name"))? = Some(figure);
            }
        }
        if !format {
            return Err(RecordError::Malformed { line: 0, what: "not of a format that is known here" });
        }
        if seen != known.identity.len() {
            return Err(RecordError::Malformed { line: 0, what: "does not say which device it is of" });
        }
        Ok(known)
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Io(error) => write!(f, "{RECORD}: {error}"),
            RecordError::Malformed { line: 0, what } => write!(f, "{RECORD}: {what}"),
            RecordError::Malformed { line, what } => write!(f, "{RECORD}:{line}: {what}"),
            RecordError::OtherDevice { fact, recorded, found } => {
                write!(f, "{RECORD} is of another device ({fact}: {recorded} then, {found} now)")
            }
        }
    }
}

/// What has to be the same for a measurement to mean anything. The device number is not in it: it changes with a boot.
fn identity(facts: &Facts) -> Vec<(&'static str, String)> {
    let mut all = vec![("filesystem", facts.filesystem.clone()), ("direct", facts.direct.to_string())];
    let Some(device) = &facts.device else {
        all.push(("device", "none".to_owned()));
        return all;
    };
    let cache = if device.write_cache == WriteCache::Back { "back" } else { "through" };
    all.push(("device", device.name.clone()));
    all.push(("below", device.below.join(",")));
    all.push(("write_cache", cache.to_owned()));
    all.push(("fua", device.fua.to_string()));
    all.push(("logical_block", device.logical_block.to_string()));
    all.push(("physical_block", device.physical_block.to_string()));
    all
}

fn figures(measured: &Measured) -> Vec<(String, Option<f64>)> {
    let mut all = vec![
        ("fdatasync_us".to_owned(), measured.fdatasync_us),
        ("dsync_us".to_owned(), measured.dsync_us),
        ("buffered_mib_s".to_owned(), measured.buffered_mib_s),
    ];
    all.extend(
        CHUNKS.iter().zip(measured.direct_mib_s).map(|(kib, rate)| (format!("direct_{kib}_kib_mib_s"), rate)),
    );
    all
}

fn place<'a>(measured: &'a mut Measured, name: &str) -> Option<&'a mut Option<f64>> {
    match name {
        "fdatasync_us" => Some(&mut measured.fdatasync_us),
        "dsync_us" => Some(&mut measured.dsync_us),
        "buffered_mib_s" => Some(&mut measured.buffered_mib_s),
        _ => {
            let place = CHUNKS.iter().position(|kib| name == format!("direct_{kib}_kib_mib_s"))?;
            Some(&mut measured.direct_mib_s[place])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BlockDevice;
    use super::*;

    fn facts(name: &str) -> Facts {
        let device = BlockDevice {
            name: name.into(),
            below: vec!["sda".into(), "sdb".into()],
            write_cache: WriteCache::Back,
            fua: true,
            logical_block: 512,
            physical_block: 4096,
            rotational: false,
        };
        Facts { filesystem: "xfs".into(), direct: true, direct_alignment: None, device: Some(device) }
    }

    fn sample() -> Measured {
        Measured {
            fdatasync_us: Some(132.4),
            dsync_us: None,
            direct_mib_s: [Some(2_200.0), None, Some(4_000.5), Some(4_800.0)],
            buffered_mib_s: Some(900.0),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for facts in [facts("md0"), Facts { device: None, ..facts("md0") }] {
            let record = Record::new(&facts, sample());
            assert_eq!(Record::parse(&record.render(), &facts).unwrap(), record);
        }
    }

    #[test]
    fn a_record_of_another_device_is_of_no_use() {
        let text = Record::new(&facts("md0"), sample()).render();
        let error = Record::parse(&text, &facts("md1")).unwrap_err().to_string();
        assert_eq!(error, "io-properties.toml is of another device (device: md0 then, md1 now)");
        let bare = Facts { device: None, ..facts("md0") };
        assert!(Record::parse(&text, &bare).is_err());
    }

    #[test]
    fn damage_is_named_by_its_line() {
        let text = Record::new(&facts("md0"), sample()).render();
        let damaged = |from: &str, to: &str| {
            let text = text.replacen(from, to, 1);
            Record::parse(&text, &facts("md0")).unwrap_err().to_string()
        };
        assert_eq!(
            damaged("format = 1", "format = 2"),
            "io-properties.toml: not of a format that is known here"
        );
        assert_eq!(damaged("fua = \"true\"\n", ""), "io-properties.toml: does not say which device it is of");
        assert_eq!(damaged("132.4", "-1"), "io-properties.toml:12: not a positive number");
        assert_eq!(damaged("132.4", "inf"), "io-properties.toml:12: not a positive number");
        assert_eq!(damaged("fdatasync_us", "fsync_us"), "io-properties.toml:12: unknown name");
        assert_eq!(damaged("fua = ", "fua "), "io-properties.toml:9: not `name = value`");
    }
}
