//! [`Topic`]: a topic on one broker, made and asked about before and after a run.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use net::client::{Client, ClientError, ClientOptions};
use net::requests::{GetMaxOffset, OffsetReply, UpdateAndCreateTopic};

/// A topic and the broker that has it.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    /// The broker.
    pub(crate) broker: SocketAddr,
    /// Its name.
    pub(crate) name: String,
    /// Its queues.
    pub(crate) queues: u32,
}

impl Topic {
    /// Makes it, or leaves it as it is if it has as many queues.
    ///
    /// # Errors
    /// When the broker cannot be reached or says no.
    pub(crate) fn create(&self) -> io::Result<()> {
        let queues = i32::try_from(self.queues).expect("few queues");
        let request = UpdateAndCreateTopic::plain(&self.name, queues);
        self.client()?.call(&request, &[]).and_then(|answer| answer.success()).map_err(said)?;
        Ok(())
    }

    /// The offset the next message of each queue will get.
    ///
    /// # Errors
    /// When the broker cannot be reached or says no.
    pub(crate) fn max_offsets(&self) -> io::Result<Vec<i64>> {
        let mut client = self.client()?;
        let ask = |queue_id| {
            let request = GetMaxOffset { topic: &self.name, queue_id, committed: true };
            let answer = client.call(&request, &[]).and_then(|answer| answer.success()).map_err(said)?;
            answer.reply::<OffsetReply>().map(|reply| reply.offset).map_err(io::Error::other)
        };
        (0..i32::try_from(self.queues).expect("few queues")).map(ask).collect()
    }

    fn client(&self) -> io::Result<Client> {
        let patient = Duration::from_secs(10);
        let options =
            ClientOptions { call_timeout: patient, connect_timeout: patient, ..ClientOptions::default() };
        Client::connect(self.broker, options).map_err(said)
    }
}

fn said(error: ClientError) -> io::Error {
    io::Error::other(error.to_string())
}
