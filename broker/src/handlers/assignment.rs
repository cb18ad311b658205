//! Queues shared out by the broker: 400, and how a group is to take its messages: 401 and 402. behaviour.md 11.

use net::ResponseCode;
use net::body::{
    MessageModel, MessageQueue, MessageQueueAssignment, MessageRequestMode, QueryAssignmentBody,
    QueryAssignmentReply, SetMessageRequestModeBody,
};
use net::json::{self, Style};
use net::names::RETRY_PREFIX;
use rt::{Env, Now};

use crate::call::{Call, Done, Outcome, Refused};
use crate::routes::TopicQueues;
use crate::shard::Shard;

/// Most members that share a queue beside the one it belongs to.
const SHARES_MAX: usize = 1_024;

impl<E: Env> Shard<E> {
    pub(crate) fn query_assignment(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let request: QueryAssignmentBody = read(body)?;
        let (conn, reply) = (call.conn, call.reply);
        let topic = request.topic.clone();
        self.connections.request_held(conn, 0);
        let then = Box::new(move |shard: &mut Self, queues: TopicQueues, _: Now| {
            shard.connections.request_done(conn, 0);
            let body = match queues.and_then(|queues| shard.assign(&request, queues)) {
                Some(assignments) => json::to_vec(&QueryAssignmentReply { assignments }, Style::Raw),
                // Nothing is known: the client keeps what it has.
                None => b"{}".to_vec(),
            };
            let outcome = shard.answer_body(conn, reply, &body);
            shard.conclude(conn, reply, outcome);
        });
        self.with_queues(&topic, call.now, then);
        Ok(Done::Later)
    }

    /// What a member gets of `queues`; `None` if that cannot be said.
    fn assign(
        &self,
        request: &QueryAssignmentBody,
        queues: Vec<MessageQueue>,
    ) -> Option<Vec<MessageQueueAssignment>> {
        let (mode, shares) = self.pops.modes.get(&request.topic, &request.consumer_group);
        let mine = if request.message_model == MessageModel::Broadcasting {
            queues
        } else {
            let group = self.clients.consumer_group(&request.consumer_group)?;
            let mut members: Vec<&str> = group.members.values().map(|member| &*member.client_id).collect();
            members.sort_unstable();
            members.dedup();
            let strategy = Strategy::parse(&request.strategy_name)?;
            match mode {
                MessageRequestMode::Pop => pop_share(strategy, queues, &members, &request.client_id, shares),
                _ => strategy.share(&queues, &members, &request.client_id),
            }
        };
        let assignment = |queue| MessageQueueAssignment { attachments: Default::default(), queue, mode };
        Some(mine.into_iter().map(assignment).collect())
    }

    pub(crate) fn set_request_mode(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let mode: SetMessageRequestModeBody = read(body)?;
        if mode.topic.starts_with(RETRY_PREFIX) {
            let remark = "retry topic is not allowed to set mode";
            return Err(Refused::new(ResponseCode::NO_PERMISSION, remark));
        }
        if self.topics.slot(&mode.topic).is_none() {
            return Err(Refused::no_topic(&mode.topic));
        }
        if self.groups.get(&mode.consumer_group).is_none() {
            return Err(Refused::no_group(&mode.consumer_group));
        }
        self.put_request_mode(mode);
        self.answer_when_durable(call)
    }

    pub(crate) fn all_request_modes(&mut self, call: &Call<'_>) -> Outcome {
        let body = json::to_vec(&self.pops.modes.wire(), Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    json::from_slice(body).map_err(|error| Refused::system(format!("the body cannot be read: {error}")))
}

/// How queues are shared among members: those of RocketMQ that its brokers know.
#[derive(Clone, Copy)]
enum Strategy {
    /// Runs of neighbours.
    Averagely,
    /// In turn.
    Circle,
}

impl Strategy {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "AVG" => Some(Self::Averagely),
            "AVG_BY_CIRCLE" => Some(Self::Circle),
            _ => None,
        }
    }

    /// The queues of `me`, one of the sorted `members`; none for a stranger.
    fn share(self, queues: &[MessageQueue], members: &[&str], me: &str) -> Vec<MessageQueue> {
        let Some(index) = members.iter().position(|member| *member == me) else { return Vec::new() };
        match self {
            Self::Averagely => {
                let (each, extra) = (queues.len() / members.len(), queues.len() % members.len());
                let start = index * each + index.min(extra);
                queues[start..start + each + usize::from(index < extra)].to_vec()
            }
            Self::Circle => queues.iter().skip(index).step_by(members.len()).cloned().collect(),
        }
    }
}

/// The queues from which `me` pops: any of every broker, or, with a share count, its own and those of the members that
/// follow it.
///
/// Source: `QueryAssignmentProcessor.allocate4Pop`, RocketMQ 5.3; there each broker comes once for every queue it has,
/// and the client makes a set of them.
fn pop_share(
    strategy: Strategy,
    queues: Vec<MessageQueue>,
    members: &[&str],
    me: &str,
    shares: i32,
) -> Vec<MessageQueue> {
    let shares = usize::try_from(shares).unwrap_or(0).min(SHARES_MAX);
    if shares == 0 || shares + 1 >= members.len() {
        let mut any: Vec<MessageQueue> =
            queues.into_iter().map(|queue| MessageQueue { queue_id: -1, ..queue }).collect();
        any.dedup();
        return any;
    }
    let Some(index) = members.iter().position(|member| *member == me) else { return Vec::new() };
    if members.len() > queues.len() {
        return queues.get(index % queues.len().max(1)).cloned().into_iter().collect();
    }
    let followers = (index..=index + shares).map(|at| members[at % members.len()]);
    followers.flat_map(|member| strategy.share(&queues, members, member)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(count: i32) -> Vec<MessageQueue> {
        let queue = |queue_id| MessageQueue { broker_name: "b".to_owned(), topic: "T".to_owned(), queue_id };
        (0..count).map(queue).collect()
    }

    fn ids(queues: &[MessageQueue]) -> Vec<i32> {
        queues.iter().map(|queue| queue.queue_id).collect()
    }

    #[test]
    fn five_queues_for_two_members() {
        let (all, members) = (queues(5), ["a", "b"]);
        assert_eq!(ids(&Strategy::Averagely.share(&all, &members, "a")), [0, 1, 2]);
        assert_eq!(ids(&Strategy::Averagely.share(&all, &members, "b")), [3, 4]);
        assert_eq!(ids(&Strategy::Circle.share(&all, &members, "a")), [0, 2, 4]);
        assert!(Strategy::Averagely.share(&all, &members, "stranger").is_empty());
    }

    #[test]
    fn pops_share_everything_or_with_those_that_follow() {
        let members = ["a", "b", "c", "d"];
        let share = |me, shares| ids(&pop_share(Strategy::Averagely, queues(8), &members, me, shares));
        assert_eq!(share("a", 0), [-1]);
        assert_eq!(share("a", 3), [-1]);
        assert_eq!(share("a", 1), [0, 1, 2, 3]);
        assert_eq!(share("d", 1), [6, 7, 0, 1]);
        assert_eq!(ids(&pop_share(Strategy::Averagely, queues(2), &members, "d", 1)), [1]);
        assert!(pop_share(Strategy::Averagely, queues(0), &members, "d", 1).is_empty());
    }
}
