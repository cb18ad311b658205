//! How a command fails: what it says on stderr and its exit code.

use std::fmt;
use std::io;

use settings::{FileError, Problem};

use crate::io_probe::ProbeError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong; nothing was started.
    Configuration(Vec<Problem>),
    /// The configuration file cannot be read.
    File(FileError),
    /// The command line is wrong.
    Usage {
        /// What is wrong.
        what: String,
        /// What to write instead.
        fix: String,
    },
    /// Nobody answered there.
    Unreachable {
        /// Who was called.
        address: String,
        /// What for.
        doing: String,
        /// Why not.
        cause: String,
    },
    /// A server answered, but not with success.
    Refused {
        /// Who answered.
        address: String,
        /// What was asked.
        doing: String,
        /// Response code.
        code: i32,
        /// The server's reason.
        remark: String,
    },
    /// The answer is not what such an answer looks like.
    Odd {
        /// Who answered.
        address: String,
        /// What was asked.
        doing: String,
        /// What is odd about it.
        what: String,
    },
    /// No broker serves the topic.
    NoRoute {
        /// The topic.
        topic: String,
        /// The name servers asked.
        namesrv: String,
    },
    /// The disk could not be probed.
    Probe(ProbeError),
    /// Part of the work was done, part was not.
    Partly {
        /// What was not.
        what: String,
    },
    /// A server did not start, or ended with an error.
    Server(String),
    /// It did not work out, and stdout says so already in words that scripts know.
    Said,
    /// A check found problems, which were printed.
    Checks,
    /// Interrupted by the user.
    Interrupted,
    /// Our own output or input failed.
    Stream(io::Error),
}

impl Failure {
    /// The process's exit code: 1 failed, 2 usage or configuration, 3 a check found problems, 130 interrupted.
    #[must_use]
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Configuration(_) | Failure::File(_) | Failure::Usage { .. } => 2,
            Failure::Probe(error) if error.is_usage() => 2,
            Failure::Checks => 3,
            Failure::Interrupted => 130,
            // The reader went away: it has what it wanted.
            Failure::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Failure::Unreachable { .. }
            | Failure::Refused { .. }
            | Failure::Odd { .. }
            | Failure::NoRoute { .. }
            | Failure::Probe(_)
            | Failure::Partly { .. }
            | Failure::Server(_)
            | Failure::Said
            | Failure::Stream(_) => 1,
        }
    }

    /// Nothing is worth saying.
    #[must_use]
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Failure::Said | Failure::Checks | Failure::Interrupted)
            || matches!(self, Failure::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Configuration(problems) => {
                for problem in problems {
                    writeln!(f, "{problem}")?;
                }
                write!(f, "nothing was started")
            }
            Failure::File(error) => write!(f, "{error}\nnothing was started"),
            Failure::Usage { what, fix } => write!(f, "error[E0001]: {what}\n  fix    {fix}"),
            Failure::Unreachable { address, doing, cause } => write!(
                f,
                "error[E0301]: no answer from {address}\n  doing  {doing}\n  cause  {cause}\n  fix    check that it runs and \
                 listens there; -n (or NAMESRV_ADDR) names the name servers"
            ),
            Failure::Refused { address, doing, code, remark } => write!(
                f,
                "error[E0302]: {address} refused\n  doing  {doing}\n  code   {code}{}\n  reason {remark}",
                code_name(*code)
            ),
            Failure::Odd { address, doing, what } => {
                write!(
                    f,
                    "error[E0303]: {address} gave an answer that makes no sense\n  doing  {doing}\n  odd    {what}"
                )
            }
            Failure::NoRoute { topic, namesrv } => write!(
                f,
                "error[E0304]: no broker serves topic {topic}\n  asked  {namesrv}\n  fix    ringmq admin topic create {topic}, or \
                 start a broker that registers there"
            ),
            Failure::Probe(error) => write!(f, "{error}"),
            Failure::Partly { what } => write!(f, "error[E0305]: {what}"),
            Failure::Server(what) => write!(f, "{what}"),
            Failure::Said | Failure::Checks | Failure::Interrupted => Ok(()),
            Failure::Stream(error) => write!(f, "error[E0002]: cannot write the output: {error}"),
        }
    }
}

fn code_name(code: i32) -> String {
    net::ResponseCode(code).name().map_or_else(String::new, |name| format!(" {name}"))
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Stream(error)
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Failure::File(error)
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Failure::Configuration(problems)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure::Configuration(vec![problem])
    }
}
