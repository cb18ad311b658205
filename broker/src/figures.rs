//! Statistics by name and key that tools ask for (315): how many messages in the last minute, hour and day.
//!
//! They are differences of numbers that are there anyway, the ends of queues and the offsets of groups, so that no message
//! pays for them. What nobody asked for is not sampled: a statistic begins with the first question for it.

use std::collections::{BTreeMap, VecDeque};

use net::body::{BrokerStatsData, BrokerStatsItem};
use net::json::{self, Style};
use net::requests::ViewBrokerStatsData;
use rt::{Env, Mono, Now};

use crate::call::{Call, Outcome, Refused};
use crate::shard::Shard;

/// Statistics that are sampled at most; the one that nobody asked about for longest makes room.
const SAMPLED_MAX: usize = 4_096;
/// Spans of the samples kept, and how many of each: a minute by 10 s, an hour by 10 min, a day by the hour.
const SPANS_MS: [(u64, usize); 3] = [(10_000, 7), (600_000, 7), (3_600_000, 25)];

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    /// Messages stored for a topic.
    TopicPuts(String),
    /// Messages that a group consumed of a topic.
    GroupGets { topic: String, group: String },
    /// Messages that the shard stored.
    Puts,
    /// Messages that the shard handed out.
    Gets,
}

/// The samples of the statistics that somebody asked for.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    sampled: BTreeMap<Counted, Samples>,
}

/// A number at several times, oldest first, for each span.
#[derive(Debug)]
struct Samples {
    asked: Mono,
    rings: [VecDeque<(Mono, u64)>; 3],
}

impl Samples {
    fn new(now: Mono, value: u64) -> Self {
        Self { asked: now, rings: [(); 3].map(|()| VecDeque::from([(now, value)])) }
    }

    fn add(&mut self, now: Mono, value: u64) {
        for (ring, (span_ms, kept)) in self.rings.iter_mut().zip(SPANS_MS) {
            let is_due = ring.back().is_none_or(|(last, _)| now.as_ms() - last.as_ms() >= span_ms);
            if is_due {
                ring.push_back((now, value));
                if ring.len() > kept {
                    ring.pop_front();
                }
            }
        }
    }

    fn tell(&self, now: Mono, value: u64) -> BrokerStatsData {
        let item = |ring: &VecDeque<(Mono, u64)>| {
            let (since, before) = ring.front().copied().unwrap_or((now, value));
            // A topic made anew, or a group set back, begins again.
            let sum = value.saturating_sub(before);
            let ms = (now.as_ms() - since.as_ms()).max(1);
            BrokerStatsItem {
                average: if sum > 0 { 1.0 } else { 0.0 },
                sum: i64::try_from(sum).unwrap_or(i64::MAX),
                tps: sum as f64 * 1_000.0 / ms as f64,
            }
        };
        let [minute, hour, day] = &self.rings;
        BrokerStatsData { day: item(day), hour: item(hour), minute: item(minute) }
    }
}

fn counted(name: &str, key: &str) -> Option<Counted> {
    match name {
        "TOPIC_PUT_NUMS" => Some(Counted::TopicPuts(key.to_owned())),
        "GROUP_GET_NUMS" => {
            let (topic, group) = key.split_once('@')?;
            Some(Counted::GroupGets { topic: topic.to_owned(), group: group.to_owned() })
        }
        "BROKER_PUT_NUMS" => Some(Counted::Puts),
        "BROKER_GET_NUMS" => Some(Counted::Gets),
        _ => None,
    }
}

impl<E: Env> Shard<E> {
    pub(crate) fn view_statistic(&mut self, call: &Call<'_>, request: &ViewBrokerStatsData<'_>) -> Outcome {
        let (name, key) = (request.stats_name, request.stats_key);
        let missing =
            |why: &str| Err(Refused::system(format!("The stats <{name}> <{key}> not exist: {why}")));
        let Some(counted) = counted(name, key) else {
            return missing(
                "it is not counted; TOPIC_PUT_NUMS, GROUP_GET_NUMS, BROKER_PUT_NUMS and BROKER_GET_NUMS are",
            );
        };
        let Some(value) = self.value_of(&counted) else { return missing("there is no such topic or group") };
        let now = call.now.mono;
        if let Some(samples) = self.figures.sampled.get_mut(&counted) {
            samples.asked = now;
            let body = json::to_vec(&samples.tell(now, value), Style::Raw);
            return self.answer_body(call.conn, call.reply, &body);
        }
        if self.figures.sampled.len() >= SAMPLED_MAX {
            let oldest = self.figures.sampled.iter().min_by_key(|(_, samples)| samples.asked);
            if let Some(oldest) = oldest.map(|(counted, _)| counted.clone()) {
                self.figures.sampled.remove(&oldest);
            }
        }
        self.figures.sampled.insert(counted, Samples::new(now, value));
        missing("counting begins with this question")
    }

    /// Every ten seconds: notes where each asked-for number stands.
    pub(crate) fn sample_figures(&mut self, now: Now) {
        let mut figures = std::mem::take(&mut self.figures);
        figures.sampled.retain(|counted, samples| match self.value_of(counted) {
            Some(value) => {
                samples.add(now.mono, value);
                true
            }
            None => false,
        });
        self.figures = figures;
    }

    fn value_of(&self, counted: &Counted) -> Option<u64> {
        match counted {
            Counted::Puts => Some(self.statistics.counters.put_messages),
            Counted::Gets => Some(self.statistics.counters.got_messages),
            Counted::TopicPuts(topic) => {
                let config = self.topics.config(topic)?;
                let queues =
                    (0..config.queues()).filter_map(|queue_id| self.store.find_queue(topic, queue_id));
                Some(queues.map(|queue| self.store.offsets(queue).max.get()).sum())
            }
            Counted::GroupGets { topic, group } => {
                self.groups.get(group)?;
                let offsets = self.offsets.of_topic(group, topic);
                Some(offsets.filter_map(|(_, offset)| u64::try_from(offset).ok()).sum())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statistic_tells_of_the_last_minute_hour_and_day() {
        let at = |seconds: u64| Mono::from_ms(seconds * 1_000);
        let mut samples = Samples::new(at(0), 0);
        // One message a second for two hours.
        for tick in 1..=720 {
            samples.add(at(tick * 10), tick * 10);
        }
        let told = samples.tell(at(7_205), 7_205);
        assert_eq!((told.minute.sum, told.hour.sum, told.day.sum), (65, 3_605, 7_205));
        assert!((told.minute.tps - 1.0).abs() < 1e-9 && (told.hour.tps - 1.0).abs() < 1e-9, "{told:?}");
        assert_eq!(samples.tell(at(7_205), 3).minute.sum, 0, "what went back begins again");
    }
}
