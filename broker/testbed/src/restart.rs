//! Every way in which a broker ends and comes back with all that it acknowledged.

use rt::sim::{Crash, SimDisk};
use store::FlushMode;

use crate::{Host, Setup, WindowFile, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    Stop,
    Kill,
    PowerCut,
}

impl Restart {
    pub const ALL: [Self; 3] = [Self::Stop, Self::Kill, Self::PowerCut];

    /// `setup` so that what it acknowledges outlives this end: in its window, or flushed.
    pub fn survived_by(self, mut setup: Setup, window: &WindowFile) -> Setup {
        if self == Self::Kill {
            return setup.window(window);
        }
        setup.store.flush_mode = FlushMode::Sync;
        setup
    }

    /// Ends it; the disk is what the next boot finds.
    pub fn end(self, host: Host, world: &World) -> SimDisk {
        match self {
            Self::Stop => host.stop(world),
            Self::Kill => host.crash(Crash::Process),
            Self::PowerCut => host.crash(Crash::Power),
        }
    }
}
