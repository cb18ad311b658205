//! What the build script says of the tree it builds: a checkout, a worktree, a tarball.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../build/commit.rs"]
mod commit;

/// A directory of this test's own.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ringmq-test-{}-commit-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// A repository with one commit of `src/a.rs` and `README`.
    fn repository(&self) -> PathBuf {
        let tree = self.tarball("tree");
        git(&tree, &["init", "-q", "-b", "main"]);
        commit_all(&tree);
        tree
    }

    fn tarball(&self, name: &str) -> PathBuf {
        let tree = self.0.join(name);
        fs::create_dir_all(tree.join("src")).unwrap();
        fs::write(tree.join("src/a.rs"), "fn a() {}").unwrap();
        fs::write(tree.join("README"), "a").unwrap();
        tree
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn git(tree: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").args(identity).args(arguments).current_dir(tree).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit_all(tree: &Path) {
    git(tree, &["add", "."]);
    git(tree, &["commit", "-q", "--allow-empty", "-m", "more"]);
}

fn described(tree: &Path) -> Option<String> {
    commit::describe(tree, &["src"])
}

#[test]
fn a_checkout_is_its_commit_and_dirty_when_its_sources_are() {
    let place = Place::new("checkout");
    let tree = place.repository();
    let head = git(&tree, &["rev-parse", "--short=12", "HEAD"]);
    assert_eq!(described(&tree), Some(head.clone()));
    fs::write(tree.join("README"), "b").unwrap();
    assert_eq!(described(&tree), Some(head.clone()), "a page is not in the binary");
    fs::write(tree.join("src/a.rs"), "fn b() {}").unwrap();
    assert_eq!(described(&tree), Some(format!("{head}-dirty")));
    commit_all(&tree);
    let next = git(&tree, &["rev-parse", "--short=12", "HEAD"]);
    assert!(next != head && described(&tree) == Some(next));
}

#[test]
fn a_worktree_is_at_a_commit_of_its_own() {
    let place = Place::new("worktree");
    let tree = place.repository();
    let other = place.0.join("other");
    git(&tree, &["worktree", "add", "-q", "-b", "other", other.to_str().unwrap()]);
    assert!(other.join(".git").is_file());
    commit_all(&other);
    assert_eq!(described(&other), Some(git(&other, &["rev-parse", "--short=12", "HEAD"])));
    assert_ne!(described(&other), described(&tree));
}

#[test]
fn a_tarball_has_no_commit_even_within_another_repository() {
    let place = Place::new("tarball");
    let tarball = place.tarball("ringmq-0.1.0");
    assert_eq!((described(&tarball), commit::watched(&tarball)), (None, Vec::new()));
    let inner = place.repository().join("vendor");
    fs::create_dir_all(inner.join("src")).unwrap();
    assert_eq!((described(&inner), commit::watched(&inner)), (None, Vec::new()));
}

#[test]
fn every_move_of_head_touches_a_file_that_is_watched() {
    let place = Place::new("watched");
    let tree = place.repository();
    let linked = place.0.join("linked");
    git(&tree, &["worktree", "add", "-q", "-b", "linked", linked.to_str().unwrap()]);
    for tree in [tree, linked] {
        // Detached, on a branch, on a branch whose ref is packed.
        for step in [&["checkout", "-q", "--detach"][..], &["checkout", "-q", "-"], &["pack-refs", "--all"]] {
            git(&tree, step);
            let seen = |places: &[PathBuf]| places.iter().map(|at| fs::read(at).unwrap()).collect::<Vec<_>>();
            let places = commit::watched(&tree);
            let before = seen(&places);
            assert!(!places.is_empty() && places.iter().all(|at| at.is_file()), "{places:?}");
            commit_all(&tree);
            assert_ne!(seen(&places), before, "after {step:?}: {places:?}");
        }
    }
}
