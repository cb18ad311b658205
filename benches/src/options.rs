//! Options that several benchmarks share.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rt::real::Spin;

use crate::load::Plan;
use crate::topic::Topic;

/// Whom to talk to, and from where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Connect {
    /// Broker, or shards of it: connections go to them in turn.
    #[arg(long, value_delimiter = ',', required = true, value_name = "HOST:PORT")]
    pub(crate) addr: Vec<SocketAddr>,
    /// Topic; made if it is not there.
    #[arg(long, default_value = "BenchTopic")]
    pub(crate) topic: String,
    /// Queues of the topic.
    #[arg(long, default_value_t = 4)]
    pub(crate) queues: u32,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
    /// Core of the generator.
    #[arg(long)]
    pub(crate) cpu: Option<usize>,
    /// Process whose CPU time is read.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Microseconds to poll before sleeping; -1 never sleeps.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) spin: i64,
    /// How headers are spelled.
    #[arg(long, value_enum, default_value_t = Spelling::Json)]
    pub(crate) header: Spelling,
}

/// Header codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Spelling {
    /// A JSON object, the default of every client.
    Json,
    /// The binary form.
    Rocketmq,
}

/// How long.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Span {
    /// Measured time.
    #[arg(long, default_value = "20s", value_parser = seconds)]
    pub(crate) duration: Duration,
    /// Load before it.
    #[arg(long, default_value = "5s", value_parser = seconds)]
    pub(crate) warmup: Duration,
}

impl Connect {
    /// The topic, as the first broker has it. Checks are made there, so several brokers share one node.
    ///
    /// # Errors
    /// When no address is given.
    pub(crate) fn topic(&self) -> io::Result<Topic> {
        let broker = *self.addr.first().ok_or_else(|| io::Error::other("--addr is empty"))?;
        Ok(Topic { broker, name: self.topic.clone(), queues: self.queues })
    }

    /// Where the generator runs.
    pub(crate) fn plan(&self) -> Plan {
        let spin = match self.spin {
            0 => Spin::Off,
            micros => Spin::Micros(u32::try_from(micros).unwrap_or(u32::MAX)),
        };
        Plan { addresses: self.addr.clone(), connections: self.connections, cpu: self.cpu, spin }
    }
}

/// `20s`, `1.5s`, `300ms`, or a plain number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let value: f64 =
        number.trim().parse().map_err(|_| format!("{text:?} is no time such as 20s or 500ms"))?;
    Duration::try_from_secs_f64(value * unit).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_a_unit() {
        assert_eq!(seconds("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(seconds("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["", "s", "-1s", "five", "1m"] {
            assert!(seconds(bad).is_err(), "{bad:?}");
        }
    }
}
