//! A cluster as the tools see it: its name servers, and connections to whoever is called.
//!
//! Not shared between threads: each thread has its own connections. Every call has a deadline.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use net::ResponseCode;
use net::body::{ClusterInfo, TopicList};
use net::client::{Answer, Client, ClientError, ClientOptions};
use net::json;
use net::names::AUTO_CREATE_TOPIC;
use net::requests::{
    GetAllTopicListFromNameserver, GetBrokerClusterInfo, GetRouteinfoByTopic, RequestHeader,
};

use crate::cli::Reach;
use crate::failure::Failure;

mod place;

pub(crate) use place::Place;

/// Name servers and connections.
#[derive(Debug)]
pub(crate) struct Cluster {
    namesrv: Vec<String>,
    timeout: Duration,
    links: HashMap<String, Client>,
}

/// Where to go without `-n` and NAMESRV_ADDR.
const DEFAULT_NAMESRV: &str = "127.0.0.1:9876";
/// Queues per broker of a topic that is about to be made on the fly, as RocketMQ's producer asks for.
const AUTO_CREATE_QUEUES: i32 = 4;

impl Cluster {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// A usage failure if the addresses make no sense.
    pub(crate) fn new(reach: &Reach) -> Result<Self, Failure> {
        let given = reach.namesrv.clone().or_else(|| std::env::var("NAMESRV_ADDR").ok());
        let text = given.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| DEFAULT_NAMESRV.to_owned());
        let namesrv: Vec<String> = text
            .split([';', ','])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(wrong) = namesrv.iter().find(|address| !is_address(address)) {
            return Err(Failure::Usage {
                what: format!("\"{wrong}\" is no name server address"),
                fix: "write host:port, several separated by ';', after -n or in NAMESRV_ADDR".to_owned(),
            });
        }
        Ok(Self::to(namesrv, Duration::from_millis(reach.timeout)))
    }

    /// The same cluster, with connections of its own.
    #[must_use]
    pub(crate) fn another(&self) -> Self {
        Self::to(self.namesrv.clone(), self.timeout)
    }

    fn to(namesrv: Vec<String>, timeout: Duration) -> Self {
        Self { namesrv, timeout, links: HashMap::new() }
    }

    /// The name servers, for messages.
    #[must_use]
    pub(crate) fn namesrv(&self) -> String {
        self.namesrv.join(";")
    }

    /// Every name server.
    #[must_use]
    pub(crate) fn namesrv_all(&self) -> &[String] {
        &self.namesrv
    }

    /// How long one answer may take.
    #[must_use]
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Calls `address` and takes any answer.
    ///
    /// # Errors
    /// Nobody answered in time.
    pub(crate) fn call<H: RequestHeader>(
        &mut self,
        address: &str,
        header: &H,
        body: &[u8],
        doing: &str,
    ) -> Result<Answer, Failure> {
        self.call_within(address, header, body, doing, self.timeout)
    }

    /// [`Cluster::call`] with another deadline: a pull that waits for messages.
    ///
    /// # Errors
    /// Nobody answered in time.
    pub(crate) fn call_within<H: RequestHeader>(
        &mut self,
        address: &str,
        header: &H,
        body: &[u8],
        doing: &str,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        self.attempt(address, header, body, timeout).map_err(|error| unreachable(address, doing, &error))
    }

    fn attempt<H: RequestHeader>(
        &mut self,
        address: &str,
        header: &H,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        if let Some(mut link) = self.links.remove(address) {
            link.set_call_timeout(timeout);
            match link.call(header, body) {
                Ok(answer) => {
                    self.links.insert(address.to_owned(), link);
                    return Ok(answer);
                }
                // A connection kept from before may have been closed meanwhile (an idle one, a restart): then once
                // more on a new one. A send may thereby be stored twice, under one unique id, as with RocketMQ's
                // producer; everything else may be repeated freely.
                Err(ClientError::Closed | ClientError::Io(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let connect_timeout = timeout.min(CONNECT_MAX);
        let options = ClientOptions { connect_timeout, call_timeout: timeout, ..ClientOptions::default() };
        let mut link = Client::connect(resolve(address)?, options)?;
        let answer = link.call(header, body)?;
        self.links.insert(address.to_owned(), link);
        Ok(answer)
    }

    /// Calls `address` and insists on success.
    ///
    /// # Errors
    /// Nobody answered, or the answer is a refusal.
    pub(crate) fn ask<H: RequestHeader>(
        &mut self,
        address: &str,
        header: &H,
        body: &[u8],
        doing: &str,
    ) -> Result<Answer, Failure> {
        let answer = self.call(address, header, body, doing)?;
        if answer.code == ResponseCode::SUCCESS { Ok(answer) } else { Err(refused(address, doing, &answer)) }
    }

    /// Calls the name servers in turn until one answers; its answer, and which it was.
    ///
    /// # Errors
    /// None of them answered: the last one's reason.
    pub(crate) fn ask_namesrv<H: RequestHeader>(
        &mut self,
        header: &H,
        doing: &str,
    ) -> Result<(String, Answer), Failure> {
        let mut last = None;
        for server in self.namesrv.clone() {
            match self.call(&server, header, &[], doing) {
                Ok(answer) => return Ok((server, answer)),
                Err(failure) => last = Some(failure),
            }
        }
        Err(last.expect("there is always at least one name server"))
    }

    /// Where `topic` lives, sorted by broker; `None` if no broker serves it.
    ///
    /// # Errors
    /// No name server answered, or not with a route.
    pub(crate) fn find_route(&mut self, topic: &str) -> Result<Option<Vec<Place>>, Failure> {
        let doing = format!("asking for the route of {topic}");
        let header = GetRouteinfoByTopic {
            topic,
            accept_standard_json_only: Some(true),
            zone_name: None,
            zone_mode: None,
        };
        let (server, answer) = self.ask_namesrv(&header, &doing)?;
        match answer.code {
            ResponseCode::SUCCESS => Ok(Some(place::of_route(&parsed(&server, &doing, &answer.body)?))),
            ResponseCode::TOPIC_NOT_EXIST => Ok(None),
            _ => Err(refused(&server, &doing, &answer)),
        }
    }

    /// Where `topic` lives.
    ///
    /// # Errors
    /// As [`Cluster::find_route`]; also if no broker serves it.
    pub(crate) fn route(&mut self, topic: &str) -> Result<Vec<Place>, Failure> {
        let namesrv = self.namesrv();
        let found = self.find_route(topic)?.filter(|places| !places.is_empty());
        found.ok_or(Failure::NoRoute { topic: topic.to_owned(), namesrv })
    }

    /// Where to send messages for `topic`: its route, or that of the template if it is to be made on the fly.
    ///
    /// # Errors
    /// As [`Cluster::route`].
    pub(crate) fn route_for_sending(&mut self, topic: &str) -> Result<Vec<Place>, Failure> {
        if let Some(places) = self.find_route(topic)?.filter(|places| !places.is_empty()) {
            return Ok(places);
        }
        let namesrv = self.namesrv();
        let template = self.find_route(AUTO_CREATE_TOPIC)?.unwrap_or_default();
        if template.is_empty() {
            return Err(Failure::NoRoute { topic: topic.to_owned(), namesrv });
        }
        let clip = |place: Place| {
            let queues = place.read_queues.min(AUTO_CREATE_QUEUES);
            Place { write_queues: place.write_queues.min(queues), read_queues: queues, ..place }
        };
        Ok(template.into_iter().map(clip).collect())
    }

    /// All brokers by cluster.
    ///
    /// # Errors
    /// No name server answered, or not with that.
    pub(crate) fn info(&mut self) -> Result<ClusterInfo, Failure> {
        let doing = "asking for the brokers of the cluster";
        let (server, answer) = self.ask_namesrv(&GetBrokerClusterInfo {}, doing)?;
        if answer.code != ResponseCode::SUCCESS {
            return Err(refused(&server, doing, &answer));
        }
        parsed(&server, doing, &answer.body)
    }

    /// All topics that name servers know, by name.
    ///
    /// # Errors
    /// None of them answered, or the answer is a refusal.
    pub(crate) fn topics(&mut self) -> Result<Vec<String>, Failure> {
        let doing = "asking for all topics";
        let (server, answer) = self.ask_namesrv(&GetAllTopicListFromNameserver {}, doing)?;
        if answer.code != ResponseCode::SUCCESS {
            return Err(refused(&server, doing, &answer));
        }
        let mut list: TopicList = parsed(&server, doing, &answer.body)?;
        list.topics.sort();
        Ok(list.topics)
    }
}

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);

fn resolve(address: &str) -> Result<SocketAddr, ClientError> {
    let mut all = address.to_socket_addrs().map_err(ClientError::Io)?;
    all.next().ok_or_else(|| ClientError::Io(io::Error::new(io::ErrorKind::NotFound, "unknown host")))
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// The body as `T`.
///
/// # Errors
/// [`Failure::Odd`] if it is none.
pub(crate) fn parsed<T: serde::de::DeserializeOwned>(
    address: &str,
    doing: &str,
    body: &[u8],
) -> Result<T, Failure> {
    json::from_slice(body).map_err(|error| odd(address, doing, error.to_string()))
}

/// An answer that cannot be.
#[must_use]
pub(crate) fn odd(address: &str, doing: &str, what: impl Into<String>) -> Failure {
    Failure::Odd { address: address.to_owned(), doing: doing.to_owned(), what: what.into() }
}

/// An answer that is no success.
#[must_use]
pub(crate) fn refused(address: &str, doing: &str, answer: &Answer) -> Failure {
    Failure::Refused {
        address: address.to_owned(),
        doing: doing.to_owned(),
        code: answer.code.0,
        remark: answer.remark.clone().unwrap_or_default(),
    }
}

fn unreachable(address: &str, doing: &str, error: &ClientError) -> Failure {
    Failure::Unreachable { address: address.to_owned(), doing: doing.to_owned(), cause: error.to_string() }
}
