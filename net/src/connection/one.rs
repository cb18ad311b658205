//! What one [`Connection`] decides for itself: whether to read, whether its time is over, what memory it keeps.

use std::net::SocketAddr;

use rt::{ConnId, Mono, Transport};

use super::{Connection, ConnectionLimits, Ending, Phase};
use crate::frame::FrameDecoder;
use crate::header::HeaderMemory;

impl<T> Connection<T> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The owner's state.
    #[must_use]
    pub fn state(&self) -> &T {
        &self.state
    }

    /// Up, and not being closed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Bytes written and not yet sent.
    #[must_use]
    pub fn output(&self) -> usize {
        self.sending + self.filling.len()
    }

    /// Whether reading was stopped by back-pressure.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        !self.reading
    }

    /// Stops reading over a limit, resumes below half of it. True if it stopped just now.
    pub(super) fn adjust_reading(
        &mut self,
        net: &impl Transport,
        limits: &ConnectionLimits,
        now: Mono,
    ) -> bool {
        let over = self.is_over(limits, if self.reading { 1 } else { 2 });
        if self.output() > limits.output_bytes {
            self.stuck_since.get_or_insert(now);
        }
        if self.reading != over {
            return false;
        }
        self.reading = !over;
        if self.reading {
            // The time of a frame in progress starts anew: it was us who did not read.
            self.frame_since = self.frame_since.and(Some(now));
        }
        net.set_reading(self.id, self.reading);
        over
    }

    /// Whether it holds more than a `part`-th of what a connection may.
    pub(super) fn is_over(&self, limits: &ConnectionLimits, part: u32) -> bool {
        self.stalled
            || self.output() > limits.output_bytes / part as usize
            || self.held.requests > limits.held_requests / part
            || self.held.bytes > limits.held_bytes / part as usize
    }

    /// What is remembered while frames flow is forgotten when they do not.
    pub(super) fn give_memory_back(&mut self, limits: &ConnectionLimits, now: Mono) {
        if now <= self.moved.plus_ms(QUIET_MS) {
            return;
        }
        self.headers = HeaderMemory::default();
        if let Some(decoder) = &mut self.decoder
            && decoder.pending_bytes() == 0
            && decoder.memory_bytes() > 0
        {
            *decoder = FrameDecoder::new(limits.frame);
        }
    }

    pub(super) fn expired(&self, limits: &ConnectionLimits, now: Mono) -> Option<Ending> {
        let older =
            |since: Option<Mono>, limit_ms: u64| since.is_some_and(|since| now > since.plus_ms(limit_ms));
        if self.phase == Phase::Closing {
            return None;
        }
        if self.phase == Phase::Connecting {
            return older(Some(self.moved), limits.connect_ms).then_some(Ending::ConnectTooSlow);
        }
        // A frame that we ourselves do not read is not slow.
        if self.reading && older(self.frame_since, self.frame_limit_ms(limits)) {
            return Some(Ending::FrameTooSlow);
        }
        if older(self.stuck_since, limits.output_stuck_ms) {
            return Some(Ending::OutputStuck);
        }
        older(Some(self.moved), limits.idle_ms).then_some(Ending::Idle)
    }

    fn frame_limit_ms(&self, limits: &ConnectionLimits) -> u64 {
        if self.in_frame { limits.frame_ms } else { limits.first_frame_ms }
    }
}

/// A connection without traffic for this long gives its decoder's memory back.
const QUIET_MS: u64 = 500;
