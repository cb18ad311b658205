//! Which queues of a topic a member of a group reads: RocketMQ's default, "averagely".

/// A queue of a topic, ordered as RocketMQ orders them for sharing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Queue {
    /// Topic: the subscribed one, or the group's retry topic.
    pub(crate) topic: String,
    /// Broker (shard) that has it.
    pub(crate) broker: String,
    /// Its number there.
    pub(crate) id: i32,
}

/// The part of `queues` that member `me` of `members` reads: consecutive runs of the sorted queues, the first members
/// taking one more if it does not come out even. Every member computes the same split, so all of them together read
/// each queue once.
///
/// Source: `AllocateMessageQueueAveragely`.
#[must_use]
pub(crate) fn share(mut queues: Vec<Queue>, members: &[String], me: &str) -> Vec<Queue> {
    queues.sort();
    let mut members: Vec<&str> = members.iter().map(String::as_str).collect();
    members.sort_unstable();
    members.dedup();
    let Some(index) = members.iter().position(|member| *member == me) else { return Vec::new() };
    let (each, extra) = (queues.len() / members.len(), queues.len() % members.len());
    let start = index * each + index.min(extra);
    let count = each + usize::from(index < extra);
    queues.drain(start..start + count).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queues(count: usize) -> Vec<Queue> {
        let queue = |id| Queue { topic: "t".to_owned(), broker: "b".to_owned(), id };
        (0..i32::try_from(count).unwrap()).map(queue).collect()
    }

    #[test]
    fn the_first_members_take_the_odd_ones() {
        let members = ["c1".to_owned(), "c2".to_owned(), "c3".to_owned()];
        let counts: Vec<usize> = members.iter().map(|me| share(queues(8), &members, me).len()).collect();
        assert_eq!(counts, [3, 3, 2]);
        assert!(share(queues(8), &members, "stranger").is_empty());
    }

    proptest! {
        #[test]
        fn together_the_members_read_every_queue_once(queue_count in 0usize..40, member_count in 1usize..12) {
            let members: Vec<String> = (0..member_count).map(|member| format!("c{member}")).collect();
            let mut all: Vec<Queue> = members.iter().flat_map(|me| share(queues(queue_count), &members, me)).collect();
            all.sort();
            prop_assert_eq!(all, queues(queue_count));
        }
    }
}
