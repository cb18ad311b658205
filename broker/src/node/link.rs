//! The mesh between the shards of one process, as a shard sees it.

use std::sync::mpsc;

use rt::real::mesh::{Receiver, Sender};

use crate::peers::{PeerLink, PeerMessage};

/// The mesh between the shards of one process.
pub(super) struct MeshLink {
    others: Vec<Sender<PeerMessage>>,
    receiver: Receiver<PeerMessage>,
    confirmed: mpsc::Sender<()>,
}

impl MeshLink {
    /// The link of shard `me`, which hears through `receiver` and tells `confirmed` when a name server knows it.
    pub(super) fn new(
        all: &[Sender<PeerMessage>],
        me: usize,
        receiver: Receiver<PeerMessage>,
        confirmed: mpsc::Sender<()>,
    ) -> Self {
        let others = all.iter().enumerate().filter(|(index, _)| *index != me);
        Self { others: others.map(|(_, sender)| sender.clone()).collect(), receiver, confirmed }
    }
}

impl PeerLink for MeshLink {
    fn broadcast(&mut self, message: PeerMessage) {
        for other in &self.others {
            if other.try_send(message.clone()).is_err() {
                tracing::warn!(
                    ?message,
                    "a shard did not take a message; the next send there makes the topic"
                );
            }
        }
    }

    fn receive(&mut self) -> Option<PeerMessage> {
        self.receiver.try_recv()
    }

    fn registered(&mut self) {
        // Nobody listens any more once the start is over.
        let _ = self.confirmed.send(());
    }
}
