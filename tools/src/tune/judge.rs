//! [`check`]: the rows of the table against a host.

use std::path::Path;

use super::disks::disks;
use super::knob::{Knob, Part, Severity};
use super::read::values;

/// One row, looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The knob; of a disk's, with the disk before it.
    pub(crate) name: String,
    /// What is there.
    pub(crate) current: String,
    /// What should be.
    pub(crate) wanted: String,
    /// Not as wanted, and how much that matters.
    pub(super) otherwise: Option<Severity>,
    pub(super) why: String,
    pub(super) source: String,
}

impl Finding {
    /// It is as wanted.
    pub(crate) fn is_fine(&self) -> bool {
        self.otherwise.is_none()
    }

    /// `fatal`, `warn`, `info`, `ok`.
    pub(crate) fn word(&self) -> &'static str {
        match self.otherwise {
            Some(Severity::Fatal) => "fatal",
            Some(Severity::Warn) => "warn",
            Some(Severity::Info) => "info",
            None => "ok",
        }
    }
}

/// Judges the host whose `/proc` and `/sys` lie below `root`, with the disks under `dir` (all, without one). Rows whose
/// file this kernel does not have are left out.
pub(crate) fn check(root: &Path, dir: Option<&Path>) -> Vec<Finding> {
    let disks = disks(root, dir);
    let mut findings = Vec::new();
    for knob in Knob::all() {
        if !knob.read.contains(DISK) {
            findings.extend(judge(root, &knob, knob.name.clone(), &knob.read));
            continue;
        }
        for disk in &disks {
            let turns = values(root, &format!("/sys/block/{disk}/queue/rotational"), &Part::Whole) == ["1"];
            if knob.rotational.is_none_or(|wanted| wanted == turns) {
                let read = knob.read.replace(DISK, disk);
                findings.extend(judge(root, &knob, format!("{disk} {}", knob.name), &read));
            }
        }
    }
    findings
}

/// The worst of the places that the row names.
fn judge(root: &Path, knob: &Knob, name: String, read: &str) -> Option<Finding> {
    let found = values(root, read, &knob.value);
    let worst = found.iter().find(|value| !knob.want.holds(value));
    Some(Finding {
        name,
        current: worst.or(found.first())?.clone(),
        wanted: knob.want.shown(),
        otherwise: worst.map(|_| knob.severity),
        why: knob.why.clone(),
        source: knob.source.clone(),
    })
}

const DISK: &str = "{disk}";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A host of these files, removed again.
    struct Host(std::path::PathBuf);

    impl Host {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("ringmq-tune-{}-{name}", std::process::id()));
            for (path, text) in files {
                let place = root.join(path);
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::write(place, text).unwrap();
            }
            Self(root)
        }

        fn found(&self) -> Vec<(String, String, &'static str)> {
            let told = |finding: Finding| (finding.name.clone(), finding.current.clone(), finding.word());
            check(&self.0, None).into_iter().map(told).collect()
        }
    }

    impl Drop for Host {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn each_row_counts_by_its_severity_and_what_the_kernel_lacks_is_left_out() {
        let host = Host::new(
            "rows",
            &[
                ("proc/sys/kernel/io_uring_disabled", "2\n"),
                ("proc/sys/vm/swappiness", "60\n"),
                ("proc/sys/kernel/nmi_watchdog", "1\n"),
                ("proc/sys/vm/zone_reclaim_mode", "0\n"),
                ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "performance\n"),
                ("sys/devices/system/cpu/cpufreq/policy1/scaling_governor", "powersave\n"),
            ],
        );
        let expected = [
            ("kernel.io_uring_disabled", "2", "fatal"),
            ("vm.swappiness", "60", "warn"),
            ("vm.zone_reclaim_mode", "0", "ok"),
            ("kernel.nmi_watchdog", "1", "info"),
            ("scaling_governor", "powersave", "warn"),
        ];
        assert_eq!(host.found(), expected.map(|(name, current, word)| (name.into(), current.into(), word)));
    }

    #[test]
    fn every_disk_is_judged_by_what_it_is() {
        let host = Host::new(
            "disks",
            &[
                ("sys/block/nvme0n1/device/model", "x"),
                ("sys/block/nvme0n1/queue/rotational", "0\n"),
                ("sys/block/nvme0n1/queue/scheduler", "[none] mq-deadline\n"),
                ("sys/block/sda/device/model", "x"),
                ("sys/block/sda/queue/rotational", "1\n"),
                ("sys/block/sda/queue/scheduler", "[none] mq-deadline\n"),
                ("sys/block/zram0/queue/scheduler", "none\n"),
            ],
        );
        let expected = [("nvme0n1 queue/scheduler", "none", "ok"), ("sda queue/scheduler", "none", "warn")];
        assert_eq!(host.found(), expected.map(|(name, current, word)| (name.into(), current.into(), word)));
    }

    #[test]
    fn what_goes_into_a_result_has_counts_and_the_rows_that_are_not_as_wanted() {
        let files = [("proc/sys/vm/swappiness", "60\n"), ("proc/sys/vm/zone_reclaim_mode", "0\n")];
        let host = Host::new("record", &files);
        let record = crate::tune::for_the_record(&host.0, None);
        let finding = serde_json::json!(
            { "severity": "warn", "knob": "vm.swappiness", "current": "60", "wanted": "1 to 10" });
        let expected =
            serde_json::json!({ "fatal": 0, "warn": 1, "info": 0, "ok": 1, "findings": [finding] });
        assert_eq!(record, expected);
    }
}
