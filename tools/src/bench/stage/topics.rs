//! Topics of a run: made before it, removed after it; and half messages that must not outlive it.

use std::net::SocketAddr;

use net::requests::{DeleteTopicInBroker, DeleteTopicInNamesrv, EndTransaction, UpdateAndCreateTopic};

use crate::bench::act::Fate;
use crate::bench::plan::Plan;
use crate::bench::sender::Undecided;
use crate::failure::Failure;

use super::{Queue, Stage};

impl Stage {
    /// Makes the topics with `queues` queues at each broker.
    pub(super) fn make(&mut self, queues: u32) -> Result<(), Failure> {
        self.refuse_theirs()?;
        let count = i32::try_from(queues).expect("at most 65,535");
        let mut all = Vec::new();
        for topic in self.topics.clone() {
            self.made.push(topic.clone());
            let header = UpdateAndCreateTopic::plain(&topic, count);
            for (broker, at) in self.brokers.clone().iter().enumerate() {
                self.cluster.ask(&at.address, &header, &[], &format!("creating topic {topic}"))?;
                all.extend((0..count).map(|id| Queue { topic: topic.clone(), broker, id }));
            }
        }
        all.sort_by(|a, b| (a.broker, &a.topic, a.id).cmp(&(b.broker, &b.topic, b.id)));
        self.queues = all;
        Ok(())
    }

    /// What did not work of removing what was made.
    pub fn clear(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for topic in std::mem::take(&mut self.made) {
            let doing = format!("removing {topic}");
            for broker in self.brokers.clone() {
                let outcome =
                    self.cluster.ask(&broker.address, &DeleteTopicInBroker { topic: &topic }, &[], &doing);
                if outcome.is_err() {
                    let fix = format!("when it is back: ringmq admin topic delete {topic}");
                    left.push(format!("topic {topic} is still at {}; {fix}", broker.address));
                }
            }
            // A broker called directly may be registered all the same.
            let registered = if self.direct {
                self.setting("namesrvAddr").unwrap_or_default()
            } else {
                self.cluster.namesrv()
            };
            for server in registered
                .split(';')
                .filter(|server| !server.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
            {
                let header =
                    DeleteTopicInNamesrv { topic: &topic, cluster_name: self.cluster_name.as_deref() };
                // A name server that is away forgets the topic when brokers stop registering it.
                let _ = self.cluster.ask(&server, &header, &[], &doing);
            }
        }
        left
    }

    /// Rolls back half messages that were left undecided, so that nobody asks about them when we are gone. What did
    /// not work of it.
    pub(crate) fn roll_back(
        &mut self,
        group: &str,
        undecided: &[(SocketAddr, Undecided)],
        more: u64,
    ) -> Vec<String> {
        let mut failed = 0;
        for (at, half) in undecided {
            let header = EndTransaction {
                topic: None,
                producer_group: group,
                tran_state_table_offset: half.queue_offset,
                commit_log_offset: half.log_offset,
                commit_or_rollback: Fate::Rollback.code(),
                from_transaction_check: false,
                msg_id: Some(""),
                transaction_id: None,
            };
            let doing = "rolling back undecided half messages";
            failed += u64::from(self.cluster.ask(&at.to_string(), &header, &[], doing).is_err());
        }
        let left = failed + more;
        let what = || format!("{left} undecided half messages stay with the broker until it gives them up");
        (left > 0).then(what).into_iter().collect()
    }

    /// A topic that is there is somebody else's.
    fn refuse_theirs(&mut self) -> Result<(), Failure> {
        for topic in self.topics.clone() {
            let there = if self.direct {
                let address = self.brokers[0].address.clone();
                self.stats(&address, &topic)?.is_some()
            } else {
                self.cluster.find_route(&topic)?.is_some_and(|places| !places.is_empty())
            };
            if there {
                return Err(Failure::Usage {
                    what: format!("topic {topic} is there already, and this run did not make it"),
                    fix: "choose another name, or use it as it is with --topic-exists".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Their names: one given or drawn, numbered if there are several.
pub(super) fn names(plan: &Plan) -> Vec<String> {
    let name = plan.topic.clone().unwrap_or_else(|| format!("ringmq-bench-{:08x}", plan.run));
    if plan.topics == 1 {
        return vec![name];
    }
    (0..plan.topics).map(|number| format!("{name}-{number}")).collect()
}
