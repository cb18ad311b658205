//! Name servers and brokers of either make, with the life they lead in a scenario.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{artifacts::Workshop, process::Process, trouble::Trouble, wire::Wire};

mod answers;
mod server;

use answers::{answers, registered, routed};
use server::Server;

/// Whose servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// The binary under test.
    Ours,
    /// Apache RocketMQ from Maven.
    Java,
}

/// What a suite asks for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) name_servers: Vec<Make>,
    pub(crate) brokers: Vec<BrokerPlan>,
}

/// One broker process to be.
#[derive(Clone, Debug)]
pub(crate) struct BrokerPlan {
    pub(crate) make: Make,
    /// Shards of ours; a Java broker has one.
    pub(crate) shards: u16,
    /// Lines added to its configuration.
    pub(crate) extra: String,
}

impl Plan {
    /// Two name servers, and two masters: one node of two shards, or two Java brokers.
    pub(crate) fn usual(name_servers: Make, make: Make) -> Self {
        let broker = |shards| BrokerPlan { make, shards, extra: String::new() };
        let brokers = if make == Make::Ours { vec![broker(2)] } else { vec![broker(1), broker(1)] };
        Self { name_servers: vec![name_servers; 2], brokers }
    }
}

/// Running servers, all in one cluster called [`CLUSTER`]; ended when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    servers: Vec<Server>,
}

pub(crate) const CLUSTER: &str = "InteropCluster";

const READY: Duration = Duration::from_secs(120);

impl Cluster {
    /// Starts everything and waits until every broker is registered at every name server.
    pub(crate) fn start(workshop: &Workshop, plan: &Plan, home: &Path) -> Result<Self, Trouble> {
        let mut servers: Vec<Server> = Vec::new();
        for (i, &make) in plan.name_servers.iter().enumerate() {
            servers.push(Server::name_server(workshop, make, i, home)?);
        }
        let addresses = addresses(&servers);
        for (i, broker) in plan.brokers.iter().enumerate() {
            servers.push(Server::broker(workshop, broker, i, home, &addresses)?);
        }
        let mut cluster = Self { servers };
        for server in &mut cluster.servers {
            server.spawn()?;
        }
        for i in 0..cluster.servers.len() {
            cluster.await_ready(i)?;
        }
        Ok(cluster)
    }

    /// `127.0.0.1:9876;...`, as clients are given it.
    pub(crate) fn name_servers(&self) -> String {
        addresses(&self.servers)
    }

    /// Names of all masters.
    pub(crate) fn masters(&self) -> Vec<String> {
        self.servers.iter().flat_map(|server| server.masters.clone()).collect()
    }

    /// Addresses of all masters, in the order of [`Self::masters`].
    pub(crate) fn addresses(&self) -> Vec<String> {
        let shards = |server: &Server| {
            (0..server.masters.len()).map(|shard| server.port + 10 * shard as u16).collect::<Vec<_>>()
        };
        self.servers.iter().flat_map(shards).map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// The main port of a server, by its name.
    pub(crate) fn port(&self, name: &str) -> Result<u16, Trouble> {
        Ok(self.servers[self.find(name)?].port)
    }

    /// Process id of a server that runs.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        self.servers[self.find(name).ok()?].process.as_ref().map(Process::id)
    }

    /// The folder of a server: configuration, store, log.
    pub(crate) fn home(&self, name: &str) -> Result<&Path, Trouble> {
        Ok(&self.servers[self.find(name)?].home)
    }

    /// `stop|kill|start broker-0|namesrv-1|...`; a start returns when the server is registered or answers.
    /// `committed GROUP TOPIC OFFSET` waits for that offset of queue 0 at the first master.
    /// `topic NAME` makes a topic of four queues on every master, for clients that cannot.
    pub(crate) fn obey(&mut self, command: &str) -> Result<(), Trouble> {
        let (verb, name) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "topic" => return self.make_topic(name, 4),
            "committed" => return self.await_committed(name),
            _ => {}
        }
        let at = self.find(name)?;
        match verb {
            "kill" => {
                self.servers[at].process = None; // dropping kills
                Ok(())
            }
            "stop" => self.servers[at].stop(),
            "start" => {
                self.servers[at].spawn()?;
                self.await_ready(at)
            }
            _ => Err(Trouble::Answer(format!("unknown command '{command}'"))),
        }
    }

    /// Starts a server without waiting for it.
    pub(crate) fn launch(&mut self, name: &str) -> Result<(), Trouble> {
        let at = self.find(name)?;
        self.servers[at].spawn()
    }

    fn await_committed(&self, what: &str) -> Result<(), Trouble> {
        let words: Vec<&str> = what.split(' ').collect();
        let [group, topic, offset] = words[..] else {
            return Err(Trouble::Answer(format!("unknown command 'committed {what}'")));
        };
        let wanted = offset.parse::<i64>().ok();
        let mut wire = Wire::connect_to(&self.addresses()[0], Duration::from_secs(5))?;
        let end = Instant::now() + Duration::from_secs(60);
        while wire.consumer_offset(group, topic, 0)? != wanted {
            if Instant::now() > end {
                return Err(Trouble::Late { awaited: format!("offset {offset} of {group}"), log: None });
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A topic with `queues` queues on every master, routed when this returns.
    pub(crate) fn make_topic(&self, topic: &str, queues: u16) -> Result<(), Trouble> {
        let patience = Duration::from_secs(5);
        for address in self.addresses() {
            Wire::connect_to(&address, patience)?.create_topic(topic, queues)?;
        }
        let name_servers = self.servers.iter().filter(|s| s.masters.is_empty() && s.process.is_some());
        let ports: Vec<u16> = name_servers.map(|s| s.port).collect();
        let masters = self.masters();
        let end = Instant::now() + Duration::from_secs(60);
        while !ports.iter().all(|&port| routed(port, topic, &masters)) {
            if Instant::now() > end {
                return Err(Trouble::Late { awaited: format!("the route of {topic}"), log: None });
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize, Trouble> {
        let at = self.servers.iter().position(|server| server.name == name);
        at.ok_or_else(|| Trouble::Answer(format!("no server called '{name}'")))
    }

    fn await_ready(&mut self, at: usize) -> Result<(), Trouble> {
        let ask: Vec<u16> = if self.servers[at].masters.is_empty() {
            vec![self.servers[at].port]
        } else {
            self.servers
                .iter()
                .filter(|s| s.masters.is_empty() && s.process.is_some())
                .map(|s| s.port)
                .collect()
        };
        let server = &mut self.servers[at];
        let end = Instant::now() + READY;
        loop {
            // Registered may be what a process killed a moment ago left behind; so each shard must answer as well.
            let shards = (0..server.masters.len()).map(|shard| server.port + 10 * shard as u16);
            if ask.iter().all(|&port| registered(port, &server.masters)) && shards.into_iter().all(answers) {
                return Ok(());
            }
            let process = server.process.as_mut().expect("spawned before");
            if let Some(status) = process.ended() {
                let said = fs::read_to_string(&server.log).unwrap_or_default();
                let said = format!("{status}: {}", crate::process::tail(&said, 1500));
                return Err(Trouble::Failed { program: server.name.clone(), said });
            }
            if Instant::now() > end {
                let awaited = format!("{} to be ready", server.name);
                return Err(Trouble::Late { awaited, log: Some(server.log.clone()) });
            }
            sleep(Duration::from_millis(20));
        }
    }
}

fn addresses(servers: &[Server]) -> String {
    let all: Vec<String> =
        servers.iter().filter(|s| s.masters.is_empty()).map(|s| format!("127.0.0.1:{}", s.port)).collect();
    all.join(";")
}
