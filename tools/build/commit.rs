//! Which commit a tree is at, for the build script; `tests/commit.rs` runs it over trees of all kinds.
//!
//! A tree that is no checkout of its own has none: a tarball, even when it lies within somebody else's repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The commit of the checkout at `tree`, with `-dirty` when one of `sources` differs from it.
pub(crate) fn describe(tree: &Path, sources: &[&str]) -> Option<String> {
    if !is_checkout(tree) {
        return None;
    }
    let commit = git(tree, &["rev-parse", "--short=12", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--untracked-files=no", "--"];
    status.extend(sources);
    let changed = !git(tree, &status)?.is_empty();
    Some(if changed { format!("{commit}-dirty") } else { commit })
}

/// Files that change when [`describe`] would say another commit. Only such as are there: cargo takes a missing one for
/// changed each time.
pub(crate) fn watched(tree: &Path) -> Vec<PathBuf> {
    if !is_checkout(tree) {
        return Vec::new();
    }
    let branch = git(tree, &["symbolic-ref", "-q", "HEAD"]);
    // The log tells of commits on a branch whose ref is packed, and has no file until then.
    let names =
        [Some("HEAD".to_owned()), Some("logs/HEAD".to_owned()), Some("packed-refs".to_owned()), branch];
    let places =
        names.into_iter().flatten().filter_map(|name| git(tree, &["rev-parse", "--git-path", &name]));
    places.map(|place| tree.join(place)).filter(|place| place.exists()).collect()
}

/// `.git` is a directory, or, in a worktree, a file that names one.
fn is_checkout(tree: &Path) -> bool {
    let top = git(tree, &["rev-parse", "--show-toplevel"]).map(PathBuf::from);
    match (top.map(fs::canonicalize), fs::canonicalize(tree)) {
        (Some(Ok(top)), Ok(tree)) => top == tree,
        _ => false,
    }
}

/// What git answers; none if it is not there, or refuses.
fn git(tree: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // A hook's build is told of the tree that the hook is for.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    // No lock that an editor or another build may want.
    let output = command.arg("--no-optional-locks").args(arguments).current_dir(tree).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
