//! A pull as most callers want it.

use super::PullMessage;

impl<'a> PullMessage<'a> {
    /// Bit of `sys_flag`: the broker may hold the request for `suspend_timeout_ms` if there is nothing.
    pub const SUSPEND: i32 = 2;
    /// Bit of `sys_flag`: the subscription comes with the request (Java: `PullSysFlag`).
    pub const SUBSCRIPTION: i32 = 4;

    /// Asks for up to 32 messages from `offset` on, whatever their tags, and for an answer at once.
    #[inline]
    #[must_use]
    pub fn everything(group: &'a str, topic: &'a str, queue_id: i32, offset: i64) -> Self {
        Self {
            consumer_group: group,
            topic,
            queue_id,
            queue_offset: offset,
            max_msg_nums: 32,
            sys_flag: Self::SUBSCRIPTION,
            commit_offset: 0,
            suspend_timeout_ms: 0,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: Some("TAG"),
            max_msg_bytes: None,
            request_source: None,
            forward_client_id: None,
            lite_topic: None,
        }
    }
}
