//! The `io-properties.yaml` block: what the disk can do at most, in the form that Seastar's `iotune` made known.
//!
//! Our own broker reads `io-properties.toml` (`--record`), which holds what its decisions are drawn from instead.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::advice::best;
use super::plan::{Op, SMALL_KIB};
use super::sample::Sample;

/// The block for the filesystem of `dir`; none if a figure of the four is missing.
pub(crate) fn yaml(dir: &Path, samples: &[Sample]) -> Option<String> {
    let most = |op: Op| {
        let iops =
            best(samples, |sample| sample.cell.op == op && sample.cell.kib == SMALL_KIB, Sample::per_second)?;
        let mib_s = best(samples, |sample| sample.cell.op == op, Sample::mib_per_second)?;
        Some((iops.round() as u64, (mib_s * f64::from(1 << 20)).round() as u64))
    };
    let ((reads, read_bytes), (writes, written_bytes)) = (most(Op::Read)?, most(Op::Write)?);
    // A quoted scalar of YAML is one of JSON.
    let at = serde_json::Value::from(mount_point(dir).display().to_string());
    Some(format!(
        "disks:\n  - mountpoint: {at}\n    read_iops: {reads}\n    read_bandwidth: {read_bytes}\n    write_iops: {writes}\n    \
         write_bandwidth: {written_bytes}\n"
    ))
}

/// The highest directory above `dir` that lies on the same device.
fn mount_point(dir: &Path) -> PathBuf {
    let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let same = dir.ancestors().take_while(|above| device(above) == device(&dir)).last();
    same.unwrap_or(&dir).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Area, Cell, Series};
    use super::*;

    #[test]
    fn the_block_holds_the_best_figures_in_operations_and_bytes_a_second() {
        let sample = |op, kib, per_second: u64| {
            let cell = Cell { series: Series::Size, op, direct: true, area: Area::Zeroed, kib, depth: 1 };
            Sample::new(cell, vec![1; 1000], 1_000_000_000_000 / per_second)
        };
        let samples = [
            sample(Op::Read, 4, 2_000),
            sample(Op::Read, 4, 5_000),
            sample(Op::Read, 128, 1_000),
            sample(Op::Write, 4, 4_000),
            sample(Op::Write, 1024, 500),
            sample(Op::Dsync, 1024, 5_000),
        ];
        let block = yaml(Path::new("/proc"), &samples).unwrap();
        let expected = "disks:\n  - mountpoint: \"/proc\"\n    read_iops: 5000\n    read_bandwidth: 131072000\n    \
                        write_iops: 4000\n    write_bandwidth: 524288000\n";
        assert_eq!(block, expected);
        assert!(
            serde_yaml_ng::from_str::<serde_yaml_ng::Value>(&block).unwrap()["disks"][0]["read_iops"] == 5000
        );
        assert_eq!(yaml(Path::new("/"), &samples[3..]), None, "nothing is made up");
    }
}
