//! [`Journal`]: groups of bytes that are recovered whole or not at all. Metadata and queue checkpoints are journals.
//!
//! A directory holds one *generation* file: a base group (a snapshot) and the groups committed since. A rewrite makes
//! the next generation under a temporary name, flushes it, renames it and syncs the directory; only then does the old
//! one go. A group is flushed before the next is written, so that at most one group can be torn by a crash.
//! FORMAT.md, "Journals".

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rt::{BLOCK, Disk, DiskFile, Env, OpenMode, SharedSlice};

mod frame;
mod reader;

use frame::{FrameHeader, Kind};
use reader::Reader;

/// Most payload bytes of one frame. Bounds what recovery allocates, and the slice that a checksum takes.
pub(crate) const PAYLOAD_MAX: usize = (256 << 10) - frame::HEADER;

/// The open generation of one journal. One task at a time uses it.
pub(crate) struct Journal<E: Env> {
    env: E,
    settings: JournalSettings,
    generation: u64,
    file: FileOf<E>,
    /// Where the next group starts; everything below is committed.
    end: u64,
    chain: u32,
    group: u64,
    nonce: u64,
    base_bytes: u64,
}

type FileOf<E> = <<E as Env>::Disk as Disk>::File;

/// What a journal is called and how its files are opened.
#[derive(Clone, Debug)]
pub(crate) struct JournalSettings {
    pub(crate) directory: PathBuf,
    /// Four letters that tell one kind of journal from another.
    pub(crate) kind: [u8; 4],
    pub(crate) direct: bool,
}

/// Why a journal cannot be opened, or took no more.
#[derive(Debug)]
pub(crate) enum JournalError {
    /// The device refused.
    Io { op: &'static str, path: PathBuf, source: io::Error },
    /// The file is not what was flushed: bad bytes below, or before, what was committed.
    Damaged { path: PathBuf, at: u64 },
}

impl JournalError {
    /// Whether nothing but space is missing: trying again later is sound.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Io { op: "write" | "create", source, .. } if source.kind() == io::ErrorKind::StorageFull
            || source.kind() == io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, path, source } => write!(f, "{op} of {} failed: {source}", path.display()),
            Self::Damaged { path, at } => write!(f, "{} is damaged at byte {at}", path.display()),
        }
    }
}

impl<E: Env> Journal<E> {
    /// Opens the newest generation and hands the payloads of its committed groups to `apply`, in order; or makes an
    /// empty first one. `apply` must be quick: it runs between two reads.
    pub(crate) async fn open(
        env: E,
        settings: JournalSettings,
        mut apply: impl FnMut(&[u8]),
    ) -> Result<Self, JournalError> {
        let disk = env.disk().clone();
        let directory = settings.directory.clone();
        disk.create_dir(&directory).await.map_err(on(&directory, "create"))?;
        if let Some(parent) = directory.parent() {
            disk.sync_dir(parent).await.map_err(on(parent, "sync"))?;
        }
        // A process may have died between a rename and its flush: what is seen here must also survive the power.
        disk.sync_dir(&directory).await.map_err(on(&directory, "sync"))?;
        let mut generations = Vec::new();
        for entry in disk.list(&directory).await.map_err(on(&directory, "list"))? {
            match generation_of(&entry.name) {
                Some(generation) => generations.push(generation),
                None if entry.name.ends_with(TEMPORARY) => {
                    let path = directory.join(&entry.name);
                    disk.remove(&path).await.map_err(on(&path, "remove"))?;
                }
                None => {}
            }
        }
        generations.sort_unstable();
        let Some(generation) = generations.pop() else {
            return Self::create(env, settings).await;
        };
        let path = path_of(&directory, generation);
        let file =
            disk.open(&path, OpenMode::Write { direct: settings.direct }).await.map_err(on(&path, "open"))?;
        let nonce = env.random();
        let mut journal =
            Self { env, settings, generation, file, end: 0, chain: 0, group: 0, nonce, base_bytes: 0 };
        // The same for a frame that was written and not flushed: who reads it here relies on it.
        journal.file.flush().await.map_err(on(&path, "flush"))?;
        journal.find_end(&path).await?;
        let mut reader = Reader::new(journal.file.clone(), journal.settings.kind, generation);
        while reader.position() < journal.end {
            let Some((header, payload)) = reader.next().await.map_err(on(&path, "read"))? else {
                return Err(JournalError::Damaged { path, at: reader.position() });
            };
            if header.kind != Kind::Start {
                apply(payload);
            }
            journal.env.yield_now().await;
        }
        for old in generations {
            let path = path_of(&directory, old);
            disk.remove(&path).await.map_err(on(&path, "remove"))?;
        }
        Ok(journal)
    }

    /// Removes every file of the journal. For what can be rebuilt.
    pub(crate) async fn discard(env: &E, settings: &JournalSettings) -> Result<(), JournalError> {
        let directory = &settings.directory;
        for entry in env.disk().list(directory).await.map_err(on(directory, "list"))? {
            if generation_of(&entry.name).is_some() || entry.name.ends_with(TEMPORARY) {
                let path = directory.join(&entry.name);
                env.disk().remove(&path).await.map_err(on(&path, "remove"))?;
            }
        }
        Ok(())
    }

    async fn create(env: E, settings: JournalSettings) -> Result<Self, JournalError> {
        Rewrite::<E>::begin(&env, &settings, 1).await?.publish().await
    }

    /// Sets `end`, `chain` and `group` behind the last committed group.
    async fn find_end(&mut self, path: &Path) -> Result<(), JournalError> {
        let mut reader = Reader::new(self.file.clone(), self.settings.kind, self.generation);
        while let Some((header, _)) = reader.next().await.map_err(on(path, "read"))? {
            if header.kind == Kind::Commit {
                self.end = reader.position();
                self.chain = reader.chain();
                self.group = header.group;
                if header.group == BASE_GROUP {
                    self.base_bytes = self.end;
                }
            }
            self.env.yield_now().await;
        }
        // A base is flushed before its file gets its name, and a group before the next one is begun.
        let later = reader.find_group_from(self.group + 2).await.map_err(on(path, "read"))?;
        if self.end == 0 || later {
            return Err(JournalError::Damaged { path: path.into(), at: reader.position() });
        }
        Ok(())
    }

    /// Writes `payloads` as one group and flushes it. On an error nothing of it is committed; unless
    /// [`JournalError::is_full`], the journal must not be used again.
    pub(crate) async fn commit<'p>(
        &mut self,
        payloads: impl Iterator<Item = &'p [u8]>,
    ) -> Result<(), JournalError> {
        let path = path_of(&self.settings.directory, self.generation);
        let (mut at, mut chain, group) = (self.end, self.chain, self.group + 1);
        let mut payloads = payloads.peekable();
        if payloads.peek().is_none() {
            return Ok(());
        }
        while let Some(payload) = payloads.next() {
            let kind = if payloads.peek().is_some() { Kind::Part } else { Kind::Commit };
            let header = FrameHeader { kind, group, nonce: self.nonce, previous: chain };
            let (block, next) = header.frame(payload);
            chain = next;
            let len = block.len() as u64;
            self.file.write_at(at, block, false).await.map_err(on(&path, "write"))?;
            at += len;
            self.env.yield_now().await;
        }
        self.file.flush().await.map_err(on(&path, "flush"))?;
        (self.end, self.chain, self.group) = (at, chain, group);
        Ok(())
    }

    /// Bytes of this generation.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Bytes of its base.
    pub(crate) fn base_bytes(&self) -> u64 {
        self.base_bytes
    }

    /// Begins the next generation; this one stays in force until [`Journal::replace`].
    pub(crate) async fn rewrite(&self) -> Result<Rewrite<E>, JournalError> {
        Rewrite::begin(&self.env, &self.settings, self.generation + 1).await
    }

    /// Puts a complete rewrite in the place of this generation.
    pub(crate) async fn replace(&mut self, rewrite: Rewrite<E>) -> Result<(), JournalError> {
        assert_eq!(rewrite.journal.generation, self.generation + 1);
        let old = path_of(&self.settings.directory, self.generation);
        *self = rewrite.publish().await?;
        if let Err(error) = self.env.disk().remove(&old).await {
            tracing::warn!(path = %old.display(), %error, "an old generation stays until the next start");
        }
        Ok(())
    }
}

/// A generation being written. Dropping it leaves a temporary file that the next open removes.
pub(crate) struct Rewrite<E: Env> {
    journal: Journal<E>,
    /// The payload given last: it becomes the commit.
    held: Option<Vec<u8>>,
}

impl<E: Env> Rewrite<E> {
    async fn begin(env: &E, settings: &JournalSettings, generation: u64) -> Result<Self, JournalError> {
        let path = temporary_path(&settings.directory, generation);
        let disk = env.disk();
        let mode = OpenMode::CreateNew { direct: settings.direct };
        let file = match disk.open(&path, mode).await {
            // What an attempt that failed has left.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(&path).await.map_err(on(&path, "remove"))?;
                disk.open(&path, mode).await
            }
            other => other,
        }
        .map_err(on(&path, "create"))?;
        let mut journal = Journal {
            env: env.clone(),
            settings: settings.clone(),
            generation,
            file,
            end: 0,
            chain: frame::first_chain(settings.kind, generation),
            group: BASE_GROUP,
            nonce: env.random(),
            base_bytes: 0,
        };
        journal.write_base(Kind::Start, &frame::VERSION.to_be_bytes()).await?;
        Ok(Self { journal, held: None })
    }

    /// Adds a payload to the base.
    pub(crate) async fn push(&mut self, payload: &[u8]) -> Result<(), JournalError> {
        if let Some(held) = self.held.replace(payload.to_vec()) {
            self.journal.write_base(Kind::Part, &held).await?;
        }
        Ok(())
    }

    /// Makes the base durable under its final name.
    async fn publish(mut self) -> Result<Journal<E>, JournalError> {
        let last = self.held.take().unwrap_or_default();
        let mut journal = self.journal;
        journal.write_base(Kind::Commit, &last).await?;
        journal.base_bytes = journal.end;
        let directory = journal.settings.directory.clone();
        let (from, to) =
            (temporary_path(&directory, journal.generation), path_of(&directory, journal.generation));
        journal.file.flush().await.map_err(on(&from, "flush"))?;
        let disk = journal.env.disk();
        disk.rename(&from, &to).await.map_err(on(&from, "rename"))?;
        disk.sync_dir(&directory).await.map_err(on(&directory, "sync"))?;
        Ok(journal)
    }
}

impl<E: Env> Journal<E> {
    async fn write_base(&mut self, kind: Kind, payload: &[u8]) -> Result<(), JournalError> {
        let header = FrameHeader { kind, group: BASE_GROUP, nonce: self.nonce, previous: self.chain };
        let (block, chain): (SharedSlice, u32) = header.frame(payload);
        let len = block.len() as u64;
        let path = temporary_path(&self.settings.directory, self.generation);
        self.file.write_at(self.end, block, false).await.map_err(on(&path, "write"))?;
        self.end += len;
        self.chain = chain;
        self.env.yield_now().await;
        Ok(())
    }
}

fn on(path: &Path, op: &'static str) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { op, path, source }
}

fn path_of(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("{generation:020}{NAME}"))
}

fn temporary_path(directory: &Path, generation: u64) -> PathBuf {
    directory.join(format!("{generation:020}{TEMPORARY}"))
}

fn generation_of(name: &str) -> Option<u64> {
    name.strip_suffix(NAME).filter(|digits| digits.len() == 20)?.parse().ok()
}

const NAME: &str = ".journal";
const TEMPORARY: &str = ".tmp";
const BASE_GROUP: u64 = 1;
const _: () = assert!((PAYLOAD_MAX + frame::HEADER).is_multiple_of(BLOCK));
