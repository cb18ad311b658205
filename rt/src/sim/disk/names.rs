//! [`Names`]: the directories, as the running system sees them and as the journal has them.
//!
//! Changes of one directory become durable in order; those of different directories do not wait for each other. A
//! rename over two directories is atomic and belongs to both.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::sim::Random;

pub(super) type InodeId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Dir,
    File(InodeId),
}

#[derive(Clone, Default)]
pub(super) struct Names {
    view: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
struct Pending {
    dirs: [PathBuf; 2],
    change: Change,
}

#[derive(Clone)]
enum Change {
    Add(PathBuf, Entry),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl Names {
    pub(super) fn file(&self, path: &Path) -> io::Result<InodeId> {
        match self.view.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Dir) => Err(Errno::ISDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// Every file of the running system.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, InodeId)> {
        self.view.iter().filter_map(|(path, entry)| match entry {
            Entry::File(inode) => Some((path.as_path(), *inode)),
            Entry::Dir => None,
        })
    }

    pub(super) fn add_file(&mut self, path: &Path, inode: InodeId) -> io::Result<()> {
        self.check_dir(parent(path))?;
        if self.view.contains_key(path) {
            return Err(Errno::EXIST.into());
        }
        self.change(Change::Add(path.to_owned(), Entry::File(inode)));
        Ok(())
    }

    pub(super) fn add_dirs(&mut self, path: &Path) -> io::Result<()> {
        if is_root(path) {
            return Ok(());
        }
        match self.view.get(path) {
            Some(Entry::Dir) => return Ok(()),
            Some(Entry::File(_)) => return Err(Errno::NOTDIR.into()),
            None => {}
        }
        self.add_dirs(parent(path))?;
        self.change(Change::Add(path.to_owned(), Entry::Dir));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<InodeId> {
        let inode = self.file(path)?;
        self.change(Change::Remove(path.to_owned()));
        Ok(inode)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.file(from)?;
        self.check_dir(parent(to))?;
        if self.view.get(to) == Some(&Entry::Dir) {
            return Err(Errno::ISDIR.into());
        }
        if from != to {
            self.change(Change::Rename(from.to_owned(), to.to_owned()));
        }
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<impl Iterator<Item = (&Path, InodeId)>> {
        self.check_dir(dir)?;
        Ok(self.files().filter(move |(path, _)| parent(path) == dir))
    }

    /// Makes the entries of `dir` durable.
    pub(super) fn sync(&mut self, dir: &Path) -> io::Result<()> {
        self.check_dir(dir)?;
        let last = self.pending.iter().rposition(|pending| pending.dirs.iter().any(|one| one == dir));
        if let Some(last) = last {
            self.make_durable(BTreeMap::from([(dir.to_owned(), last)]));
        }
        Ok(())
    }

    /// Everything so far, at once: for fixtures.
    pub(super) fn sync_all(&mut self) {
        self.pending.clear();
        self.durable = self.view.clone();
    }

    /// What a crash of the system leaves.
    pub(super) fn crashed(&self, random: &Random) -> Self {
        let mut left = self.clone();
        let mut of_dir: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
        for (index, pending) in self.pending.iter().enumerate() {
            of_dir.entry(&pending.dirs[0]).or_default().push(index);
            if pending.dirs[0] != pending.dirs[1] {
                of_dir.entry(&pending.dirs[1]).or_default().push(index);
            }
        }
        let mut last_kept = BTreeMap::new();
        for (dir, changes) in of_dir {
            let kept = match random.below(3) {
                0 => 0,
                1 => changes.len(),
                _ => usize::try_from(random.between(0, changes.len() as u64)).expect("below a length"),
            };
            if kept > 0 {
                last_kept.insert(dir.to_owned(), changes[kept - 1]);
            }
        }
        left.make_durable(last_kept);
        left.pending.clear();
        left.drop_orphans();
        left.view = left.durable.clone();
        left
    }

    /// Whether any state after any crash could name this file.
    pub(super) fn may_name(&self, inode: InodeId) -> bool {
        let is = |entry: &Entry| *entry == Entry::File(inode);
        self.view.values().any(is)
            || self.durable.values().any(is)
            || self.pending.iter().any(|one| matches!(one.change, Change::Add(_, entry) if is(&entry)))
    }

    pub(super) fn is_linked(&self, inode: InodeId) -> bool {
        self.view.values().any(|entry| *entry == Entry::File(inode))
    }

    fn change(&mut self, change: Change) {
        let dirs = match &change {
            Change::Add(path, _) | Change::Remove(path) => [parent(path), parent(path)],
            Change::Rename(from, to) => [parent(from), parent(to)],
        };
        let dirs = dirs.map(Path::to_owned);
        change.apply(&mut self.view);
        self.pending.push(Pending { dirs, change });
    }

    /// Applies, per directory, the changes up to the given one, and what must come before those elsewhere.
    fn make_durable(&mut self, mut last: BTreeMap<PathBuf, usize>) {
        let mut included = vec![false; self.pending.len()];
        for (index, pending) in self.pending.iter().enumerate().rev() {
            if pending.dirs.iter().any(|dir| last.get(dir).is_some_and(|last| index <= *last)) {
                included[index] = true;
                for dir in &pending.dirs {
                    let last = last.entry(dir.clone()).or_insert(index);
                    *last = index.max(*last);
                }
            }
        }
        let mut included = included.into_iter();
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            let apply = included.next().expect("one per change");
            if apply {
                pending.change.apply(durable);
            }
            !apply
        });
    }

    /// A file whose directory did not make it is gone as well.
    fn drop_orphans(&mut self) {
        let names = self.durable.clone();
        self.durable.retain(|path, _| {
            path.ancestors().skip(1).all(|dir| is_root(dir) || names.get(dir) == Some(&Entry::Dir))
        });
    }

    fn check_dir(&self, dir: &Path) -> io::Result<()> {
        match self.view.get(dir) {
            _ if is_root(dir) => Ok(()),
            Some(Entry::Dir) => Ok(()),
            Some(Entry::File(_)) => Err(Errno::NOTDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Entry>) {
        match self {
            Self::Add(path, entry) => {
                names.insert(path.clone(), *entry);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(entry) = names.remove(from) {
                    names.insert(to.clone(), entry);
                }
            }
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty() || path == Path::new("/")
}
