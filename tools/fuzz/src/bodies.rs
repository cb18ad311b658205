//! JSON bodies: whatever decodes is written, in both styles, to bytes that decode, and what comes of that stays.

use std::fmt::Debug;

use net::body::{
    CheckClientConfigBody, ClusterInfo, ConsumerConnection, ConsumerOffsets, ConsumerRunningInfo,
    GroupNameList, HeartbeatData, KvTable, LockBatch, LockBatchReply, RegisterBrokerBody, ResetOffsetBody,
    SubscriptionGroupConfig, SubscriptionGroupWrapper, TopicConfigList, TopicConfigSerializeWrapper,
    TopicList, TopicRouteData,
};
use net::json::{self, Style};
use serde::Serialize;
use serde::de::DeserializeOwned;

const VERSION: i32 = 515;

pub(crate) fn json_bodies(data: &[u8]) {
    // Every type reads every body: a peer decides which body goes with which code.
    both::<HeartbeatData>(data);
    both::<CheckClientConfigBody>(data);
    both::<LockBatch>(data);
    both::<LockBatchReply>(data);
    both::<TopicConfigList>(data);
    both::<TopicConfigSerializeWrapper>(data);
    both::<TopicList>(data);
    both::<SubscriptionGroupConfig>(data);
    both::<SubscriptionGroupWrapper>(data);
    both::<GroupNameList>(data);
    both::<ConsumerConnection>(data);
    both::<ConsumerOffsets>(data);
    both::<ResetOffsetBody>(data);
    both::<KvTable>(data);
    both::<ClusterInfo>(data);
    both::<TopicRouteData>(data);
    let _no_panic = json::from_slice::<ConsumerRunningInfo>(data);
    if let Ok(body) = RegisterBrokerBody::decode(data, VERSION) {
        let again = |body: &RegisterBrokerBody| {
            RegisterBrokerBody::decode(&body.encode(), VERSION).expect("what we encode is a registration")
        };
        let settled = again(&body);
        assert_eq!(again(&settled), settled);
    }
}

fn both<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) {
    let Ok(value) = json::from_slice::<T>(data) else { return };
    for style in [Style::Raw, Style::Standard] {
        // A name of another version and an explicit null are written as nothing and read as the default, once.
        let settled: T = again(&value, style);
        assert_eq!(again(&settled, style), settled, "{style:?}");
    }
}

fn again<T: DeserializeOwned + Serialize>(value: &T, style: Style) -> T {
    let bytes = json::to_vec(value, style);
    json::from_slice(&bytes)
        .unwrap_or_else(|error| panic!("{style:?}: {error} in {}", String::from_utf8_lossy(&bytes)))
}
