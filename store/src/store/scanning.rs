//! Reading the log in the order in which it was written, for those who rebuild what they know from it.

use rt::Env;

use super::Store;
use crate::record::Record;
use crate::{PhysicalOffset, StoreError};

impl<E: Env> Store<E> {
    /// Shows every record from `from`, where one starts, to the end of what the files hold, oldest first. Begins at the
    /// oldest record if retention took `from`. Meant for a start: what is only in the window is not shown.
    ///
    /// # Errors
    /// [`StoreError::Io`]; a record that is not whole ends the scan without an error.
    pub async fn scan(
        &self,
        from: PhysicalOffset,
        found: &mut dyn FnMut(&Record<'_>),
    ) -> Result<PhysicalOffset, StoreError> {
        let log = &self.log;
        let (from, to) = (from.get().max(log.segments.first()), log.written());
        if from >= to {
            return Ok(PhysicalOffset::new(from));
        }
        let end = crate::recovery::scan(&log.env, &log.config, &log.segments, (from, to), found);
        end.await.map(PhysicalOffset::new)
    }
}
