//! [`Kind`]: the loads there are.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sends.
    Produce,
    /// Sends of several messages a request.
    Batch,
    /// Pulls of what is stored.
    Consume,
    /// Sends and long polls.
    E2e,
    /// Pops and acknowledgements.
    Pop,
    /// Transactions.
    Tx,
    /// Delayed messages, and long polls for them.
    Delay,
    /// Several kinds of sends, long polls, and reads of what is stored.
    Mixed,
}

impl Kind {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Batch => "batch",
            Self::Consume => "consume",
            Self::E2e => "e2e",
            Self::Pop => "pop",
            Self::Tx => "tx",
            Self::Delay => "delay",
            Self::Mixed => "mixed",
        }
    }
}
