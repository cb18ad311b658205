//! Java's own `mqadmin` (5.5.0) against the servers: the commands people use most, by what they print.

use std::{path::Path, time::Duration};

use crate::{
    artifacts::Workshop,
    cluster::{CLUSTER, Cluster},
    report::Report,
    trouble::Trouble,
    wire::{NewMessage, Sent, Wire},
};

mod said;
mod shell;

use said::{expect, row};
use shell::Shell;

const COMMAND: Duration = Duration::from_secs(60);

/// Runs every scenario that `wanted` accepts.
pub(crate) fn run(
    workshop: &Workshop,
    cluster: &Cluster,
    home: &Path,
    report: &Report,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Trouble> {
    let mut it = Fixture::prepare(workshop, cluster, home)?;
    for (name, scenario) in SCENARIOS {
        if wanted(name) {
            report.scenario("mqadmin", name, || scenario(&mut it));
        }
    }
    Ok(())
}

type Scenario = fn(&mut Fixture) -> Result<(), Trouble>;

/// In this order: the last ones change what the earlier ones look at.
const SCENARIOS: [(&str, Scenario); 21] = [
    ("clusterList", Fixture::cluster_list),
    ("updateTopic", Fixture::update_topic),
    ("topicList", Fixture::topic_list),
    ("topicRoute", Fixture::topic_route),
    ("topicStatus", Fixture::topic_status),
    ("queryMsgById", Fixture::query_by_id),
    ("queryMsgByKey", Fixture::query_by_key),
    ("queryMsgByOffset", Fixture::query_by_offset),
    ("consumerProgress", Fixture::consumer_progress),
    ("consumerConnection", Fixture::consumer_connection),
    ("producerConnection", Fixture::producer_connection),
    ("getBrokerConfig", Fixture::broker_config),
    ("brokerStatus", Fixture::broker_status),
    ("queryCq", Fixture::query_queue),
    ("brokerConsumeStats", Fixture::broker_consume_stats),
    ("statsAll", Fixture::stats_all),
    ("updateSubGroup", Fixture::update_group),
    ("cleanup", Fixture::cleanup),
    ("wipeWritePerm", Fixture::wipe_write_permission),
    ("addWritePerm", Fixture::add_write_permission),
    ("deleteTopic", Fixture::delete_topic),
];

const TOPIC: &str = "MqadminTopic";
const GROUP: &str = "MqadminGroup";
const PRODUCERS: &str = "MqadminProducers";
const CLIENT_ID: &str = "127.0.0.1@mqadmin-scenario";

/// Servers with a topic, a message on each queue, a producer and a consumer that stay connected.
struct Fixture {
    shell: Shell,
    masters: Vec<String>,
    addresses: Vec<String>,
    sent: Sent,
    /// Keep the producer and the consumer connected to every broker: the tool asks any one of them.
    _clients: Vec<Wire>,
}

impl Fixture {
    fn prepare(workshop: &Workshop, cluster: &Cluster, home: &Path) -> Result<Self, Trouble> {
        let mut shell = Shell::start(workshop, &cluster.name_servers(), home)?;
        shell.run(&format!("updateTopic -c {CLUSTER} -t {TOPIC} -r 4 -w 4"))?;
        let mut clients = Vec::new();
        for address in cluster.addresses() {
            let mut client = Wire::connect_to(&address, COMMAND)?;
            client.heartbeat(CLIENT_ID, PRODUCERS, GROUP, TOPIC)?;
            clients.push(client);
        }
        let client = clients.first_mut().expect("a cluster has a master");
        let message = NewMessage {
            topic: TOPIC,
            queue_id: 2,
            keys: "mqadmin-key",
            tags: "TagA",
            body: b"shown by mqadmin",
        };
        let sent = client.send_message(PRODUCERS, &message)?;
        client.commit_offset(GROUP, TOPIC, 2, 1)?;
        Ok(Self {
            shell,
            masters: cluster.masters(),
            addresses: cluster.addresses(),
            sent,
            _clients: clients,
        })
    }

    fn cluster_list(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run("clusterList")?;
        for (name, address) in self.masters.iter().zip(&self.addresses) {
            let row = row(&said, &[CLUSTER, name, address])?;
            let columns: Vec<&str> = row.split_whitespace().collect();
            expect(columns.get(2) == Some(&"0"), "the broker id is 0", &said)?;
            expect(columns.get(4).is_some_and(|version| version.starts_with('V')), "a version", &said)?;
        }
        Ok(())
    }

    fn update_topic(&mut self) -> Result<(), Trouble> {
        let said =
            self.shell.run(&format!("updateTopic -b {} -t MqadminOne -r 3 -w 2", self.addresses[0]))?;
        expect(said.contains("success"), "success", &said)?;
        let route =
            self.shell.run_until("topicRoute -t MqadminOne", |said| said.contains("\"brokerName\":"))?;
        expect(
            route.contains("\"readQueueNums\":3") && route.contains("\"writeQueueNums\":2"),
            "3 read, 2 write queues",
            &route,
        )?;
        let others = self.masters[1..].iter().any(|name| route.contains(&format!("\"{name}\"")));
        expect(!others, "only the broker that was named", &route)
    }

    fn topic_list(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run("topicList")?;
        row(&said, &[TOPIC]).map(|_| ())?;
        let said = self.shell.run("topicList -c")?;
        row(&said, &[CLUSTER, TOPIC]).map(|_| ())
    }

    fn topic_route(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("topicRoute -t {TOPIC}"))?;
        for (name, address) in self.masters.iter().zip(&self.addresses) {
            expect(
                said.contains(&format!("\"{name}\"")) && said.contains(address.as_str()),
                "every master",
                &said,
            )?;
        }
        expect(said.contains("\"readQueueNums\":4"), "4 queues", &said)
    }

    fn topic_status(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("topicStatus -t {TOPIC}"))?;
        let row = row(&said, &[self.masters[0].as_str(), " 2 "])?;
        let columns: Vec<&str> = row.split_whitespace().collect();
        expect(columns.get(2..4) == Some(&["0", "1"]), "min 0 and max 1 of the queue with a message", &said)?;
        let rows = said
            .lines()
            .filter(|line| self.masters.iter().any(|name| line.starts_with(name.as_str())))
            .count();
        expect(rows == 4 * self.masters.len(), "a row per queue", &said)
    }

    fn query_by_id(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("queryMsgById -t {TOPIC} -i {}", self.sent.offset_msg_id))?;
        row(&said, &["Topic:", TOPIC])?;
        row(&said, &["Tags:", "TagA"])?;
        row(&said, &["Keys:", "mqadmin-key"])?;
        row(&said, &["Queue ID:", "2"])?;
        row(&said, &["Queue Offset:", "0"]).map(|_| ())
    }

    fn query_by_key(&mut self) -> Result<(), Trouble> {
        let command = format!("queryMsgByKey -t {TOPIC} -k mqadmin-key");
        let said = self.shell.run_until(&command, |said| said.lines().count() > 1)?;
        let found = said.lines().filter(|line| line.split_whitespace().nth(1) == Some("2")).count();
        expect(found == 1, "one message, on queue 2", &said)
    }

    fn query_by_offset(&mut self) -> Result<(), Trouble> {
        let said =
            self.shell.run(&format!("queryMsgByOffset -t {TOPIC} -b {} -i 2 -o 0", self.masters[0]))?;
        row(&said, &["Topic:", TOPIC])?;
        row(&said, &["Keys:", "mqadmin-key"]).map(|_| ())
    }

    fn consumer_progress(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("consumerProgress -g {GROUP}"))?;
        let row = row(&said, &[TOPIC, self.masters[0].as_str(), " 2 "])?;
        let columns: Vec<&str> = row.split_whitespace().collect();
        expect(columns.get(3..5) == Some(&["1", "1"]), "broker and consumer offset 1", &said)
    }

    fn consumer_connection(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("consumerConnection -g {GROUP}"))?;
        row(&said, &[CLIENT_ID, "127.0.0.1", "JAVA"])?;
        row(&said, &[TOPIC, " *"])?;
        row(&said, &["ConsumeType:", "CONSUME_PASSIVELY"])?;
        row(&said, &["MessageModel:", "CLUSTERING"]).map(|_| ())
    }

    fn producer_connection(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("producerConnection -g {PRODUCERS} -t {TOPIC}"))?;
        row(&said, &[CLIENT_ID, "JAVA"]).map(|_| ())
    }

    fn broker_config(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("getBrokerConfig -b {}", self.addresses[0]))?;
        row(&said, &["brokerName", self.masters[0].as_str()])?;
        row(&said, &["brokerClusterName", CLUSTER])?;
        row(&said, &["flushDiskType", "ASYNC_FLUSH"])?;
        row(&said, &["listenPort"]).map(|_| ())
    }

    fn broker_status(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("brokerStatus -b {}", self.addresses[0]))?;
        for key in [
            "bootTimestamp",
            "brokerVersionDesc",
            "commitLogMaxOffset",
            "commitLogMinOffset",
            "putTps",
            "runtime",
            "getTransferredTps",
        ] {
            row(&said, &[key])?;
        }
        let put = row(&said, &["putMessageTimesTotal"])?
            .split_whitespace()
            .last()
            .and_then(|n| n.parse::<i64>().ok());
        expect(put.is_some_and(|n| n >= 1), "putMessageTimesTotal is a number above 0", &said)
    }

    fn query_queue(&mut self) -> Result<(), Trouble> {
        let address = self.addresses[0].clone();
        let said = self.shell.run(&format!("queryCq -t {TOPIC} -q 2 -i 0 -c 5 -b {address} -g {GROUP}"))?;
        expect(said.contains("max: 1, min: 0"), "the bounds of the queue", &said)?;
        expect(said.contains("physicOffset"), "its entry", &said)
    }

    fn broker_consume_stats(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("brokerConsumeStats -b {} -o false", self.addresses[0]))?;
        row(&said, &[TOPIC, GROUP]).map(|_| ())?;
        expect(said.contains("Diff Total: 0"), "nothing left to consume", &said)
    }

    fn stats_all(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("statsAll -t {TOPIC}"))?;
        row(&said, &[TOPIC, GROUP]).map(|_| ())
    }

    fn update_group(&mut self) -> Result<(), Trouble> {
        let address = self.addresses[0].clone();
        let said = self
            .shell
            .run(&format!("updateSubGroup -b {address} -g MqadminNew --attributes +priority.factor=7"))?;
        expect(said.contains("success"), "success", &said)?;
        let said = self
            .shell
            .run(&format!("updateSubGroup -b {address} -g MqadminNew --attributes +priority.factor=700"))?;
        expect(!said.contains("success"), "a refusal of a factor above 100", &said)
    }

    /// There is nothing to clean, and saying so is no failure.
    fn cleanup(&mut self) -> Result<(), Trouble> {
        for command in ["cleanExpiredCQ", "cleanUnusedTopic", "deleteExpiredCommitLog"] {
            let said = self.shell.run(&format!("{command} -b {}", self.addresses[0]))?;
            expect(said.contains("success"), "success", &said)?;
        }
        Ok(())
    }

    fn wipe_write_permission(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("wipeWritePerm -b {}", self.masters[0]))?;
        expect(said.contains("OK"), "OK from every name server", &said)?;
        let route = self.shell.run(&format!("topicRoute -t {TOPIC}"))?;
        expect(route.contains("\"perm\":4"), "a broker without the write permission", &route)
    }

    fn add_write_permission(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("addWritePerm -b {}", self.masters[0]))?;
        expect(said.contains("OK"), "OK from every name server", &said)?;
        let route = self.shell.run(&format!("topicRoute -t {TOPIC}"))?;
        expect(
            route.contains("\"perm\":6") && !route.contains("\"perm\":4"),
            "all brokers writable again",
            &route,
        )
    }

    fn delete_topic(&mut self) -> Result<(), Trouble> {
        let said = self.shell.run(&format!("deleteTopic -c {CLUSTER} -t {TOPIC}"))?;
        expect(said.contains("success"), "success", &said)?;
        let list = self.shell.run("topicList")?;
        expect(!list.lines().any(|line| line.trim() == TOPIC), "no longer listed", &list)
    }
}
