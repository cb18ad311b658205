//! One request on its way through a handler, and how handlers end.

use std::borrow::Cow;
use std::net::SocketAddr;

use net::header::Header;
use net::{Language, ReplyTo, ResponseCode};
use rt::{ConnId, Now};

/// What every handler gets besides the decoded request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Where it came from, and where the answer goes.
    pub(crate) conn: ConnId,
    /// Our view of the peer's address.
    pub(crate) peer: SocketAddr,
    /// Our end of the connection.
    pub(crate) local: SocketAddr,
    /// Codec and opaque of the answer; `None` for oneway requests, which are never answered.
    pub(crate) reply: Option<ReplyTo>,
    /// The turn's clock.
    pub(crate) now: Now,
    /// The decoded header, for fields that no row names.
    pub(crate) header: &'a Header<'a>,
}

impl Call<'_> {
    /// Version ordinal of the client.
    pub(crate) fn version(&self) -> i32 {
        self.header.version
    }

    /// What the client is written in.
    pub(crate) fn language(&self) -> Language {
        self.header.language
    }
}

/// How a handler ended: with an answer given or promised, or with a refusal that the dispatcher writes.
pub(crate) type Outcome = Result<Done, Refused>;

/// The good ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The answer is in the connection's outbox (or the request wanted none).
    Answered,
    /// The answer comes later: from a commit, a long poll, or a background task.
    Later,
    /// Nothing to say but that it worked.
    Success,
}

/// A request that is not served: the code clients act on, the remark people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ResponseCode,
    pub(crate) remark: Cow<'static, str>,
}

impl Refused {
    pub(crate) fn new(code: ResponseCode, remark: impl Into<Cow<'static, str>>) -> Self {
        Self { code, remark: remark.into() }
    }

    /// INVALID_PARAMETER (29).
    pub(crate) fn invalid(remark: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ResponseCode::INVALID_PARAMETER, remark)
    }

    /// SYSTEM_ERROR (1).
    pub(crate) fn system(remark: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ResponseCode::SYSTEM_ERROR, remark)
    }

    /// TOPIC_NOT_EXIST (17), in RocketMQ's words.
    pub(crate) fn no_topic(topic: &str) -> Self {
        Self::new(
            ResponseCode::TOPIC_NOT_EXIST,
            format!("topic[{topic}] not exist, apply first please! ringmq admin topic create {topic}"),
        )
    }

    /// SUBSCRIPTION_GROUP_NOT_EXIST (26), in RocketMQ's words.
    pub(crate) fn no_group(group: &str) -> Self {
        Self::new(
            ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
            format!("subscription group [{group}] does not exist, see getSubscriptionGroup"),
        )
    }
}
