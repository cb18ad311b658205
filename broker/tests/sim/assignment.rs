//! Queues that the broker shares out among consumers, and how groups are to take their messages.

use net::body::{
    MessageModel, MessageRequestMode, MessageRequestModes, QueryAssignmentBody, QueryAssignmentReply,
    SetMessageRequestModeBody,
};
use net::json::{self, Style};
use net::requests::{
    DeleteSubscriptiongroup, GetAllMessageRequestMode, HeartBeat, QueryAssignment, SetMessageRequestMode,
};

use crate::support::{Answer, Client, Setup, World, create_topic, heartbeat, subscription};

fn ask(client: &mut Client<'_>, client_id: &str, change: impl FnOnce(&mut QueryAssignmentBody)) -> Answer {
    let mut body = QueryAssignmentBody {
        client_id: client_id.to_owned(),
        consumer_group: "g".to_owned(),
        message_model: MessageModel::Clustering,
        strategy_name: "AVG".to_owned(),
        topic: "T".to_owned(),
    };
    change(&mut body);
    client.must(&QueryAssignment {}, &json::to_vec(&body, Style::Raw))
}

fn queues(answer: &Answer) -> Vec<(i32, MessageRequestMode)> {
    let reply: QueryAssignmentReply = answer.json();
    reply.assignments.iter().map(|one| (one.queue.queue_id, one.mode)).collect()
}

fn mode(topic: &str, group: &str, mode: MessageRequestMode) -> Vec<u8> {
    let body = SetMessageRequestModeBody {
        consumer_group: group.to_owned(),
        mode,
        pop_share_queues: 0,
        topic: topic.to_owned(),
    };
    json::to_vec(&body, Style::Raw)
}

#[test]
fn members_share_queues_by_pull_and_all_brokers_by_pop() {
    let world = World::new(1);
    let setup = Setup::default();
    let host = world.boot(&setup);
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 4), b"");
    let mut members: Vec<Client<'_>> = ["a", "b"]
        .iter()
        .map(|id| {
            let mut client = world.connect(&host);
            client.must(&HeartBeat {}, &heartbeat(id, "g", &[subscription("T", "*", 1)]));
            client
        })
        .collect();
    let pull = MessageRequestMode::Pull;
    assert_eq!(queues(&ask(&mut members[0], "a", |_| {})), [(0, pull), (1, pull)]);
    assert_eq!(queues(&ask(&mut members[1], "b", |_| {})), [(2, pull), (3, pull)]);
    let circle = ask(&mut members[1], "b", |body| body.strategy_name = "AVG_BY_CIRCLE".to_owned());
    assert_eq!(queues(&circle), [(1, pull), (3, pull)]);
    let all = ask(&mut members[0], "a", |body| body.message_model = MessageModel::Broadcasting);
    assert_eq!(queues(&all).len(), 4);
    assert_eq!(queues(&ask(&mut members[0], "stranger", |_| {})), []);
    for change in [
        (|body| body.strategy_name = "MINE".to_owned()) as fn(&mut QueryAssignmentBody),
        |body| body.topic = "U".to_owned(),
        |body| body.consumer_group = "nobody".to_owned(),
    ] {
        assert_eq!(ask(&mut members[0], "a", change).body, b"{}", "clients keep what they have");
    }
    admin.must(&SetMessageRequestMode {}, &mode("T", "g", MessageRequestMode::Pop));
    for (id, client) in ["a", "b"].into_iter().zip(&mut members) {
        assert_eq!(queues(&ask(client, id, |_| {})), [(-1, MessageRequestMode::Pop)]);
    }
    drop((admin, members));
    let host = world.boot_from(host.stop(&world), &setup);
    let mut admin = world.connect_local(&host);
    let known: MessageRequestModes = admin.ask(&GetAllMessageRequestMode {}, b"").json();
    assert_eq!(known.modes["T"]["g"].mode, MessageRequestMode::Pop, "kept over a restart");
    admin.must(&DeleteSubscriptiongroup { group_name: "g", clean_offset: true }, b"");
    let known: MessageRequestModes = admin.ask(&GetAllMessageRequestMode {}, b"").json();
    assert!(known.modes.is_empty());
}

#[test]
fn a_mode_needs_a_topic_and_a_group_and_is_not_for_retry_topics() {
    let world = World::new(2);
    let host = world.boot(&Setup::default());
    let mut admin = world.connect_local(&host);
    admin.must(&create_topic("T", 4), b"");
    for (topic, group, code) in [("%RETRY%g", "g", 16), ("U", "TOOLS_CONSUMER", 17), ("T", "nobody", 26)] {
        let answer = admin.ask(&SetMessageRequestMode {}, &mode(topic, group, MessageRequestMode::Pop));
        assert_eq!(answer.code, code, "{topic} {group}: {answer:?}");
    }
    assert_eq!(admin.ask(&SetMessageRequestMode {}, b"[").code, 1);
}
