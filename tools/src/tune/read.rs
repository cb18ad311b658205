//! The values of a knob: where it is, and what of the file counts.

use std::fs;
use std::path::{Path, PathBuf};

use super::knob::Part;

/// The values at `path` (absolute, as on the host; `*` in a name stands for any text) below `root`. None if the kernel
/// has no such file, or it cannot be read.
pub(super) fn values(root: &Path, path: &str, part: &Part) -> Vec<String> {
    let texts = places(root, path).into_iter().filter_map(|place| fs::read_to_string(place).ok());
    texts.filter_map(|text| value(&text, part)).collect()
}

fn places(root: &Path, path: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for name in path.split('/').filter(|name| !name.is_empty()) {
        found = match name.split_once('*') {
            None => found.into_iter().map(|dir| dir.join(name)).collect(),
            Some((before, after)) => {
                let fits = |name: &str| {
                    name.len() >= before.len() + after.len()
                        && name.starts_with(before)
                        && name.ends_with(after)
                };
                let entries = found.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
                let fitting = entries.filter(|entry| entry.file_name().to_str().is_some_and(fits));
                fitting.map(|entry| entry.path()).collect()
            }
        };
    }
    found
}

fn value(text: &str, part: &Part) -> Option<String> {
    let found = match part {
        Part::Whole => text.trim(),
        Part::Selected => text.split_once('[')?.1.split_once(']')?.0,
        Part::Last => text.split_whitespace().next_back()?,
        Part::Rows => return Some(text.lines().count().saturating_sub(1).to_string()),
        // The name, then the soft limit, the hard one, the unit.
        Part::Limit(name) => {
            text.lines().find_map(|line| line.strip_prefix(name.as_str()))?.split_whitespace().nth(1)?
        }
    };
    Some(found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_file_is_found() {
        let of = |text, part| value(text, &part);
        assert_eq!(of(" 60\n", Part::Whole).as_deref(), Some("60"));
        assert_eq!(of("always [madvise] never\n", Part::Selected).as_deref(), Some("madvise"));
        assert_eq!(of("none\n", Part::Selected), None);
        assert_eq!(of("4096\t131072\t33554432\n", Part::Last).as_deref(), Some("33554432"));
        assert_eq!(of("Filename Type\n/dev/a file\n", Part::Rows).as_deref(), Some("1"));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  unlimited  files\n";
        assert_eq!(of(limits, Part::Limit("Max open files".into())).as_deref(), Some("unlimited"));
        assert_eq!(of(limits, Part::Limit("Max locked memory".into())), None);
    }
}
