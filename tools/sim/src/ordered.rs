//! A group that consumes in order: who has which queue, as clients compute it, and whether everything was consumed.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, QUEUES, SHARDS};
use crate::life::{Actor, Phase};
use crate::member::Member;

pub(crate) const GROUP: &str = "inorder";
const MEMBERS: usize = 3;

/// A queue of the group's topic: shard and id, in the order in which clients sort them.
pub(crate) type Place = (usize, u32);

/// The members of the group.
pub(crate) struct OrderedGroup<'w> {
    members: Vec<Member<'w>>,
}

impl OrderedGroup<'_> {
    pub(crate) fn new() -> Self {
        Self { members: (0..MEMBERS).map(Member::new).collect() }
    }
}

impl<'w> Actor<'w> for OrderedGroup<'w> {
    fn enter(&mut self) {
        self.members.iter_mut().for_each(Member::enter);
    }

    fn step(&mut self, cluster: &mut Cluster<'w>, phase: Phase) {
        self.members.iter_mut().for_each(|member| member.step(cluster, phase));
    }

    /// Every queue has an owner who is at its end.
    fn is_quiet(&self, _now: u64) -> bool {
        let done: BTreeSet<Place> = self.members.iter().flat_map(Member::at_end).collect();
        done.len() == every_place().count()
    }
}

fn every_place() -> impl Iterator<Item = Place> {
    (0..SHARDS).flat_map(|shard| (0..QUEUES).map(move |id| (shard, id)))
}

/// The queues of the member `id` among `ids`: as many for each as possible, one behind the other (behaviour.md 11, `AVG`).
pub(crate) fn share_of(id: &str, mut ids: Vec<String>) -> BTreeSet<Place> {
    ids.sort();
    ids.dedup();
    let Some(index) = ids.iter().position(|one| one == id) else { return BTreeSet::new() };
    let all: Vec<Place> = every_place().collect();
    let (count, rest) = (all.len() / ids.len(), all.len() % ids.len());
    let size = if all.len() <= ids.len() { 1 } else { count + usize::from(index < rest) };
    let start = if rest > 0 && index < rest { index * size } else { index * size + rest };
    all.into_iter().skip(start).take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_one_member() {
        for members in 1..6 {
            let ids: Vec<String> = (0..members).map(|number| format!("m{number}")).collect();
            let mut all: Vec<Place> = ids.iter().flat_map(|id| share_of(id, ids.clone())).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(every_place()), "{members} members");
        }
        assert_eq!(share_of("stranger", vec!["m0".to_owned()]).len(), 0);
    }
}
