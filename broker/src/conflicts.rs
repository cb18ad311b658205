//! Subscription conflicts: members of one group that want different things of a topic. The group then consumes what the
//! latest of them said, and the others miss messages in silence. RocketMQ leaves that to be found by hand; here it is
//! found at the heartbeat, said in the log once, and told with the answer of 203.

use std::collections::BTreeMap;
use std::rc::Rc;

use net::names::RETRY_PREFIX;
use rt::ConnId;

use crate::clients::{ConsumerGroup, Member, Subscription};

/// What one member wants: topics with their expressions, sorted.
pub(crate) type Wants = Rc<[(Box<str>, Box<str>)]>;

/// Conflicts of one group that are told.
const TOLD_MAX: usize = 16;

/// What the subscriptions of a heartbeat ask for. The group's own retry topic is everybody's.
pub(crate) fn wants(subscriptions: &[(Box<str>, Subscription)]) -> Wants {
    let mut all: Vec<(Box<str>, Box<str>)> = subscriptions
        .iter()
        .filter(|(topic, _)| !topic.starts_with(RETRY_PREFIX))
        .map(|(topic, one)| (topic.clone(), expression(one)))
        .collect();
    all.sort_unstable();
    all.into()
}

fn expression(subscription: &Subscription) -> Box<str> {
    let data = &subscription.data;
    let text = if data.expression.is_empty() { "*" } else { data.expression.as_str() };
    match data.expression_type.as_deref() {
        None | Some("" | "TAG") => text.into(),
        Some(kind) => format!("{kind} {text}").into(),
    }
}

/// What two members disagree about, as a sentence: the first topic.
fn disagreement(one: (&Member, &Wants), other: (&Member, &Wants)) -> Option<String> {
    let find = |wants: &Wants, topic: &str| {
        wants.iter().find(|(name, _)| **name == *topic).map(|(_, expression)| expression.clone())
    };
    let topics: BTreeMap<&str, ()> =
        one.1.iter().chain(other.1.iter()).map(|(topic, _)| (&**topic, ())).collect();
    let topic = topics.into_keys().find(|topic| find(one.1, topic) != find(other.1, topic))?;
    let said = |(member, wants): (&Member, &Wants)| match find(wants, topic) {
        Some(expression) => format!("{} wants \"{expression}\"", member.client_id),
        None => format!("{} does not subscribe to it", member.client_id),
    };
    Some(format!("topic {topic}: {}, {}", said(one), said(other)))
}

impl ConsumerGroup {
    /// Remembers what a member wants. If that is new, whom of the others it disagrees with.
    pub(crate) fn note_wants(&mut self, conn: ConnId, wants: Wants) -> Option<String> {
        if self.wants.get(&conn) == Some(&wants) {
            return None;
        }
        self.wants.insert(conn, wants);
        let one = (self.members.get(&conn)?, self.wants.get(&conn)?);
        let others = self.members.iter().filter(|(other, _)| **other != conn);
        others
            .filter_map(|(conn, member)| Some((member, self.wants.get(conn)?)))
            .find_map(|other| disagreement(one, other))
    }

    /// The disagreements of members with the first one.
    pub(crate) fn conflicts(&self) -> Vec<String> {
        let mut members =
            self.members.iter().filter_map(|(conn, member)| Some((member, self.wants.get(conn)?)));
        let Some(first) = members.next() else { return Vec::new() };
        members.filter_map(|other| disagreement(first, other)).take(TOLD_MAX).collect()
    }
}
