//! One [`Connection`]: what is known of it, and what it decides for itself: whether to read, whether its time is over, what
//! memory it keeps.

use std::net::SocketAddr;

use rt::{ConnId, Mono, Outbox, Transport};

use super::{ConnectionLimits, Ending};
use crate::frame::FrameDecoder;
use crate::header::HeaderMemory;

/// One connection.
#[derive(Debug)]
pub struct Connection<T> {
    pub(super) id: ConnId,
    pub(super) peer: SocketAddr,
    pub(super) phase: Phase,
    pub(super) dialled: bool,
    /// Lent out while bytes are being decoded, as is what its headers look like.
    pub(super) decoder: Option<FrameDecoder>,
    pub(super) headers: HeaderMemory,
    pub(super) filling: Outbox,
    /// Bytes of the send in flight; 0 if there is none.
    pub(super) sending: usize,
    pub(super) dirty: bool,
    pub(super) reading: bool,
    /// The decoder holds complete frames behind a stop.
    pub(super) backlog: bool,
    pub(super) close_when_sent: bool,
    /// The owner wants nothing from it for now.
    pub(super) stalled: bool,
    pub(super) held: Held,
    /// Last time bytes moved in either direction.
    pub(super) moved: Mono,
    /// Since when the frame in progress (or the first byte) is awaited.
    pub(super) frame_since: Option<Mono>,
    /// A frame is begun and not complete.
    pub(super) in_frame: bool,
    /// Since when output is over its limit without a send having completed.
    pub(super) stuck_since: Option<Mono>,
    pub(super) state: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Dialled by us, not up yet.
    Connecting,
    /// Frames flow.
    Open,
    /// We closed it; the transport has not confirmed yet.
    Closing,
}

/// Requests taken from a connection and not yet answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) requests: u32,
    pub(super) bytes: usize,
}

impl<T> Connection<T> {
    pub(super) fn new(
        id: ConnId,
        peer: SocketAddr,
        phase: Phase,
        limits: &ConnectionLimits,
        now: Mono,
        state: T,
    ) -> Self {
        Self {
            id,
            peer,
            phase,
            dialled: phase == Phase::Connecting,
            decoder: Some(FrameDecoder::new(limits.frame)),
            headers: HeaderMemory::default(),
            filling: Outbox::default(),
            sending: 0,
            dirty: false,
            reading: true,
            backlog: false,
            close_when_sent: false,
            stalled: false,
            held: Held::default(),
            moved: now,
            in_frame: false,
            frame_since: (phase == Phase::Open).then_some(now),
            stuck_since: None,
            state,
        }
    }

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
