//! The requests that several suites need, by name.

use serde_json::json;

use super::{Answer, NewMessage, Sent, Wire};
use crate::trouble::Trouble;

impl Wire {
    /// SEND_MESSAGE_V2 (310).
    pub(crate) fn send_message(&mut self, group: &str, message: &NewMessage<'_>) -> Result<Sent, Trouble> {
        let queue_id = message.queue_id.to_string();
        let answer = self.succeed(
            310,
            &message.fields(group, &queue_id, &message.properties(), "false"),
            message.body,
        )?;
        Sent::of(&answer).ok_or_else(|| Trouble::Answer(format!("a send answered with {:?}", answer.fields)))
    }

    /// UPDATE_AND_CREATE_TOPIC (17).
    pub(crate) fn create_topic(&mut self, topic: &str, queues: u16) -> Result<(), Trouble> {
        let queues = queues.to_string();
        let fields = [
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", &queues),
            ("writeQueueNums", &queues),
            ("perm", "6"),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ];
        self.succeed(17, &fields, &[]).map(|_| ())
    }

    /// HEART_BEAT (34) of one producer group and one clustering push consumer group.
    pub(crate) fn heartbeat(
        &mut self,
        client: &str,
        producers: &str,
        group: &str,
        topic: &str,
    ) -> Result<(), Trouble> {
        let body = json!({
            "clientID": client, "producerDataSet": [{"groupName": producers}],
            "consumerDataSet": [{
                "groupName": group, "consumeType": "CONSUME_PASSIVELY", "messageModel": "CLUSTERING",
                "consumeFromWhere": "CONSUME_FROM_FIRST_OFFSET", "unitMode": false,
                "subscriptionDataSet": [{
                    "topic": topic, "subString": "*", "classFilterMode": false, "tagsSet": [], "codeSet": [],
                    "subVersion": 1, "expressionType": "TAG",
                }],
            }],
        });
        self.succeed(34, &[], body.to_string().as_bytes()).map(|_| ())
    }

    /// UPDATE_CONSUMER_OFFSET (15).
    pub(crate) fn commit_offset(
        &mut self,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<(), Trouble> {
        let (queue_id, offset) = (queue_id.to_string(), offset.to_string());
        let fields =
            [("consumerGroup", group), ("topic", topic), ("queueId", &queue_id), ("commitOffset", &offset)];
        self.succeed(15, &fields, &[]).map(|_| ())
    }

    /// GET_MAX_OFFSET (30).
    pub(crate) fn max_offset(&mut self, topic: &str, queue_id: i32) -> Result<i64, Trouble> {
        let answer = self.succeed(30, &[("topic", topic), ("queueId", &queue_id.to_string())], &[])?;
        answer.number("offset").ok_or_else(|| Trouble::Answer("a max offset without an offset".into()))
    }

    /// QUERY_CONSUMER_OFFSET (14); `None` if there is none.
    pub(crate) fn consumer_offset(
        &mut self,
        group: &str,
        topic: &str,
        queue_id: i32,
    ) -> Result<Option<i64>, Trouble> {
        let queue_id = queue_id.to_string();
        let fields = [
            ("consumerGroup", group),
            ("topic", topic),
            ("queueId", &queue_id),
            ("setZeroIfNotFound", "false"),
        ];
        Ok(self.call(14, &fields, &[])?.number("offset"))
    }

    /// PULL_MESSAGE (11) that does not wait, with a subscription to everything.
    pub(crate) fn pull(
        &mut self,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
        max: i32,
    ) -> Result<Answer, Trouble> {
        let (queue_id, offset, max) = (queue_id.to_string(), offset.to_string(), max.to_string());
        let fields = [
            ("consumerGroup", group),
            ("topic", topic),
            ("queueId", &queue_id),
            ("queueOffset", &offset),
            ("maxMsgNums", &max),
            ("sysFlag", "4"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "0"),
            ("subscription", "*"),
            ("subVersion", "0"),
            ("expressionType", "TAG"),
        ];
        self.call(11, &fields, &[])
    }
}
