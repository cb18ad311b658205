//! What a shard needs that runs in this process without a node: a place for its store, and a way to stop it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use broker::{PeerLink, PeerMessage};

/// Tells the shard to stop once something is sent.
pub(crate) struct Control(pub(crate) mpsc::Receiver<()>);

impl PeerLink for Control {
    fn broadcast(&mut self, _: PeerMessage) {}

    fn receive(&mut self) -> Option<PeerMessage> {
        self.0.try_recv().ok().map(|()| PeerMessage::Stop)
    }
}

/// A store directory and a window file, gone when this is dropped.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) window: PathBuf,
}

impl Place {
    /// Made below `base`, or the directory for temporary files, under a name of this process.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(crate) fn new(base: Option<PathBuf>, name: &str) -> io::Result<Self> {
        let unique = format!("ringmq-{name}-{}", std::process::id());
        let dir = base.unwrap_or_else(std::env::temp_dir).join(&unique);
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, window: Path::new("/dev/shm").join(unique) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
        let _ = std::fs::remove_file(&self.window);
    }
}
