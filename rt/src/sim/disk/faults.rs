//! What a test may do to the operations of a disk.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// An operation about to start.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its number on this disk, from 0.
    pub index: u64,
    /// What it does.
    pub kind: OpKind,
    /// The file or directory (for a rename: the old name).
    pub path: Rc<Path>,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// Opening, creating, listing, asking for the length.
    Lookup,
    /// Creating a file.
    Create,
    /// Creating directories.
    CreateDir,
    /// Renaming.
    Rename,
    /// Unlinking.
    Remove,
    /// Flushing a directory.
    SyncDir,
    /// Reading.
    Read,
    /// A write that is not durable by itself.
    Write,
    /// An `RWF_DSYNC` write.
    DurableWrite,
    /// `fdatasync`.
    Flush,
    /// `fallocate`.
    Allocate,
    /// Setting the length.
    Truncate,
}

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing special.
    Proceed,
    /// It takes this much longer.
    Delay(Duration),
    /// It fails with this errno (`libc::EIO`, ...). A failed write may have been applied in part; a failed flush has
    /// lost what it covered.
    Fail(i32),
    /// A write says it went well and nothing was written: the old sectors stay.
    Lose,
    /// A write goes to this offset of the file instead (a multiple of 512, inside the file).
    Misdirect(u64),
    /// This operation and every later one never ends and changes nothing: the place for a crash.
    Freeze,
}

/// Which operations fail.
#[derive(Clone, Debug)]
pub struct FaultRule {
    /// Operations of this kind ...
    pub kind: OpKind,
    /// ... on paths that contain this ...
    pub path_contains: &'static str,
    /// ... after so many of them went well ...
    pub after: u64,
    /// ... once or from then on ...
    pub repeat: Repeat,
    /// ... fail with this errno.
    pub errno: i32,
}

impl FaultRule {
    /// The next operation of a kind on such a path fails.
    #[must_use]
    pub fn once(kind: OpKind, path_contains: &'static str, errno: i32) -> Self {
        Self { kind, path_contains, after: 0, repeat: Repeat::Once, errno }
    }

    /// All of them fail, until the disk is healed.
    #[must_use]
    pub fn forever(kind: OpKind, path_contains: &'static str, errno: i32) -> Self {
        Self { kind, path_contains, after: 0, repeat: Repeat::Forever, errno }
    }
}

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// One operation.
    Once,
    /// This operation and all later ones.
    Forever,
}

/// The rules in force, with what they have seen.
#[derive(Default)]
pub(super) struct Rules(Vec<(FaultRule, u64)>);

impl Rules {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.0.push((rule, 0));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The errno, if a rule strikes.
    pub(super) fn strike(&mut self, operation: &Operation) -> Option<i32> {
        let mut errno = None;
        for (rule, seen) in &mut self.0 {
            let path = operation.path.to_string_lossy();
            if rule.kind != operation.kind || !path.contains(rule.path_contains) {
                continue;
            }
            let strikes = match rule.repeat {
                Repeat::Once => *seen == rule.after,
                Repeat::Forever => *seen >= rule.after,
            };
            *seen += 1;
            if strikes {
                errno = Some(rule.errno);
            }
        }
        errno
    }
}
