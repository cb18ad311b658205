//! [`ConnectionCounts`]: what became of connections, in figures.

use super::{Ending, Refused};

/// What happened to connections since the start; for metrics and status lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Let in.
    pub accepted: u64,
    /// Turned away: too many in all.
    pub refused_total: u64,
    /// Turned away: too many from one address.
    pub refused_source: u64,
    /// Turned away: too many in this second.
    pub refused_rate: u64,
    /// Ended for bytes that are no frame.
    pub bad_frame: u64,
    /// Ended for idleness.
    pub idle: u64,
    /// Ended for a frame (or a connect) that took too long.
    pub too_slow: u64,
    /// Ended for output nobody drained.
    pub output_stuck: u64,
    /// Times reading was stopped by back-pressure.
    pub paused: u64,
}

impl ConnectionCounts {
    pub(super) fn refused(&mut self, why: Refused) {
        match why {
            Refused::Total => self.refused_total += 1,
            Refused::Source => self.refused_source += 1,
            Refused::Rate => self.refused_rate += 1,
        }
    }

    pub(super) fn ended(&mut self, why: Ending) {
        match why {
            Ending::Asked => {}
            Ending::BadFrame(_) | Ending::BadHeader(_) => self.bad_frame += 1,
            Ending::Idle => self.idle += 1,
            Ending::FrameTooSlow | Ending::ConnectTooSlow => self.too_slow += 1,
            Ending::OutputStuck => self.output_stuck += 1,
        }
    }
}
