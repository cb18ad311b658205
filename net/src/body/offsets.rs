//! Queues and offsets. Maps keyed by a queue are written raw, the only form every Java peer reads.

use std::collections::BTreeMap;

use super::{DataVersion, bodies};

/// A queue of a topic on a broker name.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(default)]
pub struct MessageQueue {
    /// `brokerName` on the wire.
    #[serde(rename = "brokerName")]
    pub broker_name: String,
    /// `queueId` on the wire.
    #[serde(rename = "queueId")]
    pub queue_id: i32,
    /// `topic` on the wire.
    pub topic: String,
}

bodies! {
    /// All consumer offsets (43): by `topic@group`, then by queue.
    ConsumerOffsets {
        data_version: Option<DataVersion> = "dataVersion",
        offsets: BTreeMap<String, BTreeMap<i32, i64>> = "offsetTable",
    }

    /// Progress of the delay levels (45).
    DelayOffsets {
        data_version: Option<DataVersion> = "dataVersion",
        offsets: BTreeMap<i32, i64> = "offsetTable",
    }

    /// Offsets by queue (220, 222).
    ResetOffsetBody {
        offsets: BTreeMap<MessageQueue, i64> = "offsetTable",
    }

    /// The same for C++ clients (220).
    ResetOffsetBodyForCpp {
        offsets: Vec<QueueOffsetForCpp> = "offsetTable",
    }

    /// One queue and its offset.
    QueueOffsetForCpp {
        broker_name: String = "brokerName",
        offset: i64 = "offset",
        queue_id: i32 = "queueId",
        topic: String = "topic",
    }

    /// What a consumer holds (221), or all of a group by client id (223).
    ConsumerStatusBody {
        by_client: BTreeMap<String, BTreeMap<MessageQueue, i64>> = "consumerTable",
        by_queue: BTreeMap<MessageQueue, i64> = "messageQueueTable",
    }

    /// Answer of 308.
    CorrectionOffsets {
        offsets: BTreeMap<i32, i64> = "correctionOffsets",
    }
}
