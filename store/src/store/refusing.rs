//! What [`Store::refusal`] says: the latest reason why an append is refused, until it is over.

use rt::Env;

use super::Store;
use crate::{Refusal, StoreError};

impl<E: Env> Store<E> {
    /// Refreshes what [`Store::refusal`] says.
    pub(super) fn refresh_refusal(&mut self) {
        self.refusal = match (self.log.failure(), self.log.segments.disk_full()) {
            (Some(failed), _) => Some(failed.clone()),
            (None, Some(full)) => Some(full),
            (None, None) if self.window_full => Some(self.log.window_full()),
            (None, None) => None,
        };
    }

    /// The refusal a failed append met, remembered for [`Store::refusal`].
    pub(super) fn refused(&mut self, error: StoreError) -> StoreError {
        if let StoreError::Refused(refusal) = &error {
            self.window_full = matches!(refusal, Refusal::WindowFull { .. });
            self.refusal = Some(refusal.clone());
        }
        error
    }
}
