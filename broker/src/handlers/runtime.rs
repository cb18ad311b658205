//! What a broker says about itself: requests 28 and 26. operations.md 1.4 names the keys and who parses them.

use std::collections::BTreeMap;

use net::body::{HaRuntimeInfo, KvTable};
use net::json::{self, Style};
use net::names::SCHEDULE_TOPIC;
use net::requests::GetBrokerConfigReply;
use net::{ResponseCode, reply};
use rt::{Class, Env};

use super::offsets::stored_at;
use crate::call::{Call, Done, Outcome};
use crate::config::java_properties;
use crate::shard::Shard;
use crate::statistics::Counters;

impl<E: Env> Shard<E> {
    pub(crate) fn runtime_info(&mut self, call: &Call<'_>) -> Outcome {
        let first = self.store.record_at(self.store.statistics().min_physical);
        self.answer_later(call, Class::Admin, first, |shard, conn, to, first, now| {
            let mut table = BTreeMap::new();
            shard.describe_process(now.unix_ms, &mut table);
            shard.describe_traffic(&mut table);
            shard.describe_store(&mut table);
            shard.describe_delays(&mut table);
            shard.describe_waiting(&mut table);
            let earliest = first.ok().flatten().and_then(|record| stored_at(&record));
            set(&mut table, "earliestMessageTimeStamp", earliest.unwrap_or(-1));
            let body = json::to_vec(&KvTable { table }, Style::Raw);
            shard.answer_body(conn, to, &body)
        })
    }

    pub(crate) fn broker_config(&mut self, call: &Call<'_>) -> Outcome {
        let text = self.properties_text();
        let version = String::from_utf8(json::to_vec(self.topics.version().wire(), Style::Raw)).ok();
        let header = GetBrokerConfigReply { version: version.as_deref() };
        if let (Some(to), Some(out)) = (call.reply, self.connections.reply(call.conn)) {
            reply::with_body(out, to, ResponseCode::SUCCESS, None, &header, text.as_bytes());
        }
        Ok(Done::Answered)
    }

    /// Replication as it is: a master whose log nobody copies (907).
    pub(crate) fn ha_status(&mut self, call: &Call<'_>) -> Outcome {
        let info = HaRuntimeInfo {
            master: true,
            max_offset: i64::try_from(self.store.end().get()).expect("a log below 2^63 bytes"),
            ..HaRuntimeInfo::default()
        };
        self.answer_body(call.conn, call.reply, &json::to_vec(&info, Style::Raw))
    }

    /// The configuration of this shard as Java properties: the node's, with the shard's own name and port.
    fn properties_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in java_properties(&self.config) {
            let value = match name {
                "brokerName" => self.identity.name.to_string(),
                "listenPort" => self.identity.store_host.port().to_string(),
                _ => value,
            };
            text.push_str(&format!("{name}={value}\n"));
        }
        text
    }

    fn describe_process(&self, now_ms: i64, table: &mut BTreeMap<String, String>) {
        let seconds = (now_ms - self.identity.booted_at_ms).max(0) / 1_000;
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        let runtime = format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", seconds % 60);
        set(table, "bootTimestamp", self.identity.booted_at_ms);
        set(table, "runtime", runtime);
        set(table, "brokerVersion", net::header::OUR_VERSION);
        set(table, "brokerVersionDesc", VERSION_NAME);
        set(table, "brokerActive", true);
        set(table, "startAcceptSendRequestTimeStamp", self.config.accept_sends_from_ms);
    }

    fn describe_traffic(&self, table: &mut BTreeMap<String, String>) {
        let statistics = &self.statistics;
        let now = statistics.counters;
        let [yesterday, today] = statistics.mornings();
        let rates: [(&str, Counter); 5] = [
            ("putTps", |counters| counters.put_messages),
            ("getFoundTps", |counters| counters.pulls_found),
            ("getMissTps", |counters| counters.pulls_missed),
            ("getTotalTps", |counters| counters.pulls_found + counters.pulls_missed),
            ("getTransferredTps", |counters| counters.got_messages),
        ];
        for (key, counter) in rates {
            set(table, key, statistics.rates(counter));
        }
        for (kind, counter) in [
            ("Put", (|counters: &Counters| counters.put_messages) as Counter),
            ("Get", |counters| counters.got_messages),
        ] {
            set(table, &format!("msg{kind}TotalYesterdayMorning"), counter(&yesterday));
            set(table, &format!("msg{kind}TotalTodayMorning"), counter(&today));
            set(table, &format!("msg{kind}TotalTodayNow"), counter(&now));
        }
        let times = now.put_messages.max(1);
        set(table, "putMessageTimesTotal", times);
        set(table, "putMessageFailedTimes", now.put_failed);
        set(table, "putMessageSizeTotal", now.put_bytes);
        set(table, "putMessageAverageSize", format!("{:?}", now.put_bytes as f64 / times as f64));
        set(table, "putMessageEntireTimeMax", statistics.put_latency_ms_max());
        set(table, "getMessageEntireTimeMax", 0);
        set(table, "putMessageDistributeTime", statistics.distribution());
        let backlog = self.receipts.len();
        for kind in ["send", "pull", "litePull", "query", "ack"] {
            set(table, &format!("{kind}ThreadPoolQueueSize"), if kind == "send" { backlog } else { 0 });
            set(table, &format!("{kind}ThreadPoolQueueCapacity"), QUEUE_CAPACITY);
            set(table, &format!("{kind}ThreadPoolQueueHeadWaitTimeMills"), 0);
        }
    }

    /// Per level in use: first offset not delivered, end of its queue.
    fn describe_delays(&self, table: &mut BTreeMap<String, String>) {
        for (queue_id, next) in self.delays.progress() {
            let Some(queue) = self.store.find_queue(SCHEDULE_TOPIC, queue_id) else { continue };
            let end = self.store.offsets(queue).max;
            if end.get() > 0 {
                let key = format!("scheduleMessageOffset_{}", queue_id + 1);
                set(table, &key, format!("{},{}", next.get(), end.get()));
            }
        }
    }

    /// Messages that wait for a time of their own and are near it; half messages without a decision.
    fn describe_waiting(&self, table: &mut BTreeMap<String, String>) {
        set(table, "timerNearMessages", self.timed.near());
        set(table, "openTransactions", self.transactions.len());
        if let Some(dedup) = &self.dedup {
            set(table, "dedupKeys", dedup.len());
            set(table, "dedupAnsweredAgain", self.statistics.counters.put_again);
        }
    }

    fn describe_store(&self, table: &mut BTreeMap<String, String>) {
        let store = self.store.statistics();
        let behind = store.max_physical.since(store.flushed);
        set(table, "commitLogMinOffset", store.min_physical);
        set(table, "commitLogMaxOffset", store.max_physical);
        set(table, "dispatchMaxBuffer", 0);
        set(table, "dispatchBehindBytes", 0);
        set(table, "remainHowManyDataToCommit", size(store.max_physical.since(store.written)));
        set(table, "remainHowManyDataToFlush", size(behind));
        set(table, "remainTransientStoreBufferNumbs", i32::MAX);
        set(table, "pageCacheLockTimeMills", 0);
        set(table, "commitLogDiskRatio", format!("{:?}", store.disk_ratio));
        set(table, "consumeQueueDiskRatio", format!("{:?}", store.disk_ratio));
        let capacity = format!("Total : {}, Free : {}.", size(store.disk_total), size(store.disk_available));
        set(table, "commitLogDirCapacity", capacity);
    }
}

/// Picks one counter.
type Counter = fn(&Counters) -> u64;

/// Name of the version that answers carry, as tools print it.
const VERSION_NAME: &str = "V5_5_1";

/// What a shard may have unanswered, in Java's words the capacity of its queue of requests.
const QUEUE_CAPACITY: u32 = 10_000;

fn set(table: &mut BTreeMap<String, String>, key: &str, value: impl ToString) {
    table.insert(key.to_owned(), value.to_string());
}

/// `1.5 MiB`, as tools split it at the blank.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_tools_expect() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(1_536 * 1_024), "1.5 MiB");
        assert_eq!(size(u64::MAX), "16384.0 PiB");
    }
}
