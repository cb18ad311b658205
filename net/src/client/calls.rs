//! [`Calls`]: which requests of ours wait for an answer, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rt::{Mono, Outbox};

use super::{RequestHead, encode};
use crate::fields::Fields;
use crate::{Codec, RequestCode};

/// Requests that wait for an answer, each with a token of its owner's. No I/O, no clock.
///
/// One per connection, or one per process with the connection in the token: numbers never repeat while one waits.
#[derive(Debug)]
pub struct Calls<T> {
    next: i32,
    limit: usize,
    waiting: BTreeMap<i32, (Mono, T)>,
    by_deadline: BTreeSet<(Mono, i32)>,
}

impl<T> Calls<T> {
    /// At most `limit` requests may wait at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { next: 0, limit, waiting: BTreeMap::new(), by_deadline: BTreeSet::new() }
    }

    /// Appends a request to `out` and remembers `token` until its answer or `deadline`. Returns its number.
    ///
    /// # Errors
    /// As many requests wait as may; nothing was appended and the token is dropped.
    pub fn begin<F: Fields>(
        &mut self,
        out: &mut Outbox,
        (codec, code): (Codec, RequestCode),
        header: &F,
        body: &[u8],
        (deadline, token): (Mono, T),
    ) -> Result<i32, TooManyCalls> {
        if self.waiting.len() >= self.limit {
            return Err(TooManyCalls { limit: self.limit });
        }
        let opaque = self.fresh();
        encode(out.bytes(), RequestHead { codec, code, opaque, oneway: false }, header, body);
        self.waiting.insert(opaque, (deadline, token));
        self.by_deadline.insert((deadline, opaque));
        Ok(opaque)
    }

    /// Appends a request that wants no answer.
    pub fn oneway<F: Fields>(
        &mut self,
        out: &mut Outbox,
        codec: Codec,
        code: RequestCode,
        header: &F,
        body: &[u8],
    ) {
        let opaque = self.fresh();
        encode(out.bytes(), RequestHead { codec, code, opaque, oneway: true }, header, body);
    }

    /// The answer to `opaque` came: its token. `None` if nobody waits for it (any more).
    pub fn finish(&mut self, opaque: i32) -> Option<T> {
        let (deadline, token) = self.waiting.remove(&opaque)?;
        self.by_deadline.remove(&(deadline, opaque));
        Some(token)
    }

    /// One request whose deadline is not after `now`, the earliest first. Call until it returns `None`.
    pub fn expire(&mut self, now: Mono) -> Option<T> {
        let (deadline, opaque) = *self.by_deadline.first()?;
        if deadline > now { None } else { self.finish(opaque) }
    }

    /// When the next request expires.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Gives every waiting request up, oldest number first: the connection is gone.
    pub fn abandon(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.by_deadline.clear();
        std::mem::take(&mut self.waiting).into_values().map(|(_, token)| token)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// None waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn fresh(&mut self) -> i32 {
        loop {
            let opaque = self.next;
            self.next = self.next.checked_add(1).unwrap_or(0);
            if !self.waiting.contains_key(&opaque) {
                return opaque;
            }
        }
    }
}

/// No request may be sent before one is answered or expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCalls {
    /// How many may wait.
    pub limit: usize,
}

impl fmt::Display for TooManyCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests wait for an answer, more are not allowed", self.limit)
    }
}

impl std::error::Error for TooManyCalls {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::GetBrokerClusterInfo;

    fn begin(
        calls: &mut Calls<&'static str>,
        deadline: u64,
        token: &'static str,
    ) -> Result<i32, TooManyCalls> {
        let request = (Codec::Json, RequestCode::GET_BROKER_CLUSTER_INFO);
        calls.begin(&mut Outbox::default(), request, &GetBrokerClusterInfo {}, &[], (Mono(deadline), token))
    }

    #[test]
    fn an_answer_finds_its_request_once() {
        let mut calls = Calls::new(4);
        let (a, b) = (begin(&mut calls, 9, "a").unwrap(), begin(&mut calls, 8, "b").unwrap());
        assert_ne!(a, b);
        assert_eq!(calls.finish(a), Some("a"));
        assert_eq!(calls.finish(a), None);
        assert_eq!(calls.abandon().collect::<Vec<_>>(), ["b"]);
        assert_eq!((calls.is_empty(), calls.next_deadline()), (true, None));
    }

    #[test]
    fn requests_expire_at_their_deadline_in_its_order() {
        let mut calls = Calls::new(4);
        begin(&mut calls, 20, "late").unwrap();
        begin(&mut calls, 10, "early").unwrap();
        assert_eq!(calls.expire(Mono(9)), None);
        assert_eq!((calls.expire(Mono(10)), calls.expire(Mono(10))), (Some("early"), None));
        assert_eq!(calls.next_deadline(), Some(Mono(20)));
    }

    #[test]
    fn the_number_of_waiting_requests_is_bounded() {
        let mut calls = Calls::new(1);
        let first = begin(&mut calls, 1, "x").unwrap();
        assert_eq!(begin(&mut calls, 1, "y"), Err(TooManyCalls { limit: 1 }));
        calls.finish(first);
        assert!(begin(&mut calls, 1, "z").is_ok());
    }

    #[test]
    fn numbers_wrap_around_those_that_wait() {
        let mut calls = Calls::new(4);
        let first = begin(&mut calls, 1, "first").unwrap();
        calls.next = i32::MAX;
        assert_eq!(begin(&mut calls, 1, "last"), Ok(i32::MAX));
        assert_eq!(begin(&mut calls, 1, "again"), Ok(first + 1));
    }
}
