//! `bench rmq-*`: RocketMQ's own benchmark programs by their flags. Closed loops, as they are; our percentiles follow
//! their lines.

use crate::failure::Failure;
use crate::links::commons_cli::{self, Parsed};
use crate::output;

use super::plan::Kind;

mod flags;

/// What a program's flags mean as a command line of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    /// Which kind of load.
    pub(crate) kind: Kind,
    /// Arguments of `ringmq bench KIND`.
    pub(crate) arguments: Vec<String>,
}

/// A benchmark program of RocketMQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `Producer`.
    Producer,
    /// `BatchProducer`.
    Batch,
    /// `Consumer`.
    Consumer,
    /// `TransactionProducer`.
    Tx,
    /// `timer/TimerProducer`.
    TimerProducer,
    /// `timer/TimerConsumer`.
    TimerConsumer,
}

impl Tool {
    fn reads(self) -> bool {
        matches!(self, Self::Consumer | Self::TimerConsumer)
    }
}

/// Reads the flags of RocketMQ's `producer` (or `batchproducer`, `consumer`). `None`: help was asked for and printed.
///
/// # Errors
/// A flag it does not know, or one that asks for what is not there yet.
pub(crate) fn read(tool: Tool, arguments: &[String]) -> Result<Option<Meant>, Failure> {
    let (name, known) = match tool {
        Tool::Producer => ("benchmarkProducer", flags::PRODUCER),
        Tool::Batch => ("benchmarkBatchProducer", flags::BATCH),
        Tool::Consumer => ("benchmarkConsumer", flags::CONSUMER),
        Tool::Tx => ("TransactionProducer", flags::TX),
        Tool::TimerProducer => ("benchmarkTimerProducer", flags::TIMER_PRODUCER),
        Tool::TimerConsumer => ("benchmarkTimerConsumer", flags::TIMER_CONSUMER),
    };
    let parsed = commons_cli::parse(known, arguments)
        .map_err(|error| Failure::Usage { what: error.to_string(), fix: commons_cli::usage(name, known) })?;
    if parsed.has("h") {
        output::line(&commons_cli::usage(name, known))?;
        return Ok(None);
    }
    let flags = Flags(&parsed);
    flags.refuse_later()?;
    let mut all = flags.common(tool)?;
    let (kind, own) = match tool {
        Tool::Producer if flags.on("d") => (Kind::Delay, flags.delayed_producer()?),
        Tool::Producer => (Kind::Produce, flags.producer(tool)?),
        Tool::Batch => (Kind::Batch, flags.producer(tool)?),
        Tool::Consumer => (Kind::Consume, flags.consumer()?),
        Tool::Tx => (Kind::Tx, flags.transactions()?),
        Tool::TimerProducer => (Kind::Delay, flags.timer_producer()?),
        Tool::TimerConsumer => (Kind::Consume, flags.timer_consumer()),
    };
    all.extend(own);
    Ok(Some(Meant { kind, arguments: all }))
}

struct Flags<'p>(&'p Parsed);

impl Flags<'_> {
    fn on(&self, flag: &str) -> bool {
        self.0.value(flag).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn number(&self, flag: &str, default: u64) -> Result<u64, Failure> {
        let Some(text) = self.0.value(flag) else { return Ok(default) };
        text.trim().parse().map_err(|_| Failure::Usage {
            what: format!("-{flag} {text:?} is no number"),
            fix: format!("write a whole number, such as -{flag} {default}"),
        })
    }

    fn refuse_later(&self) -> Result<(), Failure> {
        let later = [
            (self.on("m"), "-m true: message traces come with the trace topic's client"),
            (self.on("a"), "-a true: requests are not signed yet; that comes with access control"),
            (
                self.0.value("r").is_some_and(|rate| rate.trim().parse::<f64>() != Ok(0.0)),
                "-r: this consumer pulls, and sends nothing back",
            ),
            (
                self.on("c") && self.0.value("ct").is_some_and(|kind| !kind.eq_ignore_ascii_case("ZLIB")),
                "-ct: bodies are compressed with ZLIB only",
            ),
        ];
        match later.into_iter().find(|(asked, _)| *asked) {
            Some((_, what)) => Err(Failure::Usage { what: what.to_owned(), fix: "leave it out".to_owned() }),
            None => Ok(()),
        }
    }

    fn common(&self, tool: Tool) -> Result<Vec<String>, Failure> {
        let topic = self.0.value("t").unwrap_or("BenchmarkTest").trim();
        let every = self.number("ri", 10_000)?;
        let mut all = vec![
            format!("--topic={topic}"),
            // Java's producers have the broker make what is missing; a consumer of ours needs the queues at once.
            if tool.reads() { "--topic-exists" } else { "--topic-on-demand" }.to_owned(),
            "--rmq-format".to_owned(),
            "--warmup=0s".to_owned(),
            format!("--interval={every}ms"),
        ];
        all.extend(self.0.value("n").map(|servers| format!("--namesrv={servers}")));
        Ok(all)
    }

    /// A producer whose messages are delayed by a level: nobody waits for them.
    fn delayed_producer(&self) -> Result<Vec<String>, Failure> {
        let mut all = self.producer(Tool::Producer)?;
        all.extend(["--rate=max".to_owned(), "--consumers=0".to_owned()]);
        all.push(format!("--level={}", self.number("e", 1)?));
        Ok(all)
    }

    fn transactions(&self) -> Result<Vec<String>, Failure> {
        let threads = self.number("w", 32)?;
        let mut all = vec![
            format!("--size={}", self.number("s", 2048)?),
            "--connections=1".to_owned(),
            format!("--inflight={threads}"),
            PAYLOAD.to_owned(),
            format!("--duration={FOR_EVER}"),
        ];
        for (flag, option) in
            [("sr", "rollback"), ("su", "unknown"), ("cr", "check-rollback"), ("cu", "check-unknown")]
        {
            all.extend(self.0.value(flag).map(|share| format!("--{option}={}", share.trim())));
        }
        // Threads that sleep after each message together send so many a second.
        match self.number("i", 0)? {
            0 => {}
            pause => all.push(format!("--rate={}", threads as f64 * 1e3 / pause as f64)),
        }
        all.extend(self.0.value("b").map(|id| format!("--tag=batch-id={id}")));
        Ok(all)
    }

    fn timer_producer(&self) -> Result<Vec<String>, Failure> {
        let (threads, slots) = (self.number("tc", 16)?, self.number("st", 100)?.max(1));
        let (distance, precision) = (self.number("sd", 1000)?.max(1), self.number("p", 1000)?.max(1));
        let each = self.number("mt", 5000)?;
        let step = distance.next_multiple_of(precision);
        Ok(vec![
            format!("--size={}", self.number("ms", 1024)?),
            "--connections=1".to_owned(),
            format!("--inflight={threads}"),
            PAYLOAD.to_owned(),
            "--rate=max".to_owned(),
            "--consumers=0".to_owned(),
            format!("--delay={step}ms..{}ms:{step}ms", step.saturating_mul(slots)),
            format!("--due-property={DUE_PROPERTY}"),
            format!("--messages={}", threads.saturating_mul(slots).saturating_mul(each)),
        ])
    }

    fn timer_consumer(&self) -> Vec<String> {
        vec![
            "--follow".to_owned(),
            format!("--duration={FOR_EVER}"),
            "--group=benchmark_consumer".to_owned(),
            format!("--due-property={DUE_PROPERTY}"),
        ]
    }

    fn producer(&self, tool: Tool) -> Result<Vec<String>, Failure> {
        let size = self.number("s", 128)?;
        let threads = self.number("w", 64)?;
        // Java's threads share one connection to each broker, with one request in flight each; its asynchronous
        // producer is one thread that does not wait.
        let inflight = if self.on("y") { ASYNC_INFLIGHT } else { threads };
        let mut all = vec![
            format!("--size={size}"),
            "--connections=1".to_owned(),
            format!("--inflight={inflight}"),
            PAYLOAD.to_owned(),
        ];
        if tool == Tool::Batch {
            all.push(format!("--batch={}", self.number("b", 16)?));
        }
        match self.number("q", 0)? {
            0 => all.push(format!("--duration={FOR_EVER}")),
            count => all.push(format!("--messages={count}")),
        }
        if self.on("k") {
            all.push("--keys=rr:1000000".to_owned());
        }
        let tags: Vec<String> = (0..self.number("l", 0)?.min(1_000)).map(|tag| format!("tag{tag}")).collect();
        if !tags.is_empty() {
            all.push(format!("--tags={}", tags.join(",")));
        }
        let bytes = usize::try_from(self.number("p", 0)?).unwrap_or(usize::MAX).min(64 << 10);
        if bytes > 0 {
            all.push(format!("--props=p={}", "x".repeat(bytes)));
        }
        if self.on("c") && size >= self.number("ch", 4096)? {
            all.push("--compress".to_owned());
        }
        Ok(all)
    }

    fn consumer(&self) -> Result<Vec<String>, Failure> {
        let mut all = vec!["--follow".to_owned(), format!("--duration={FOR_EVER}")];
        all.push(format!("--consumers={}", self.number("w", 20)?));
        let group = self.0.value("g").unwrap_or("benchmark_consumer");
        let suffix = if self.on("p") { format!("_{}", crate::time::now_ms() % 100) } else { String::new() };
        all.push(format!("--group={group}{suffix}"));
        if let Some(path) = self.0.value("e") {
            let text = std::fs::read_to_string(path).map_err(|error| Failure::Usage {
                what: format!("-e {path}: {error}"),
                fix: "name a file with an expression such as TagA || TagB".to_owned(),
            })?;
            all.push(format!("--filter={}", text.trim()));
            if self.0.value("f").is_some_and(|kind| kind.eq_ignore_ascii_case("SQL92")) {
                all.push("--sql".to_owned());
            }
        }
        Ok(all)
    }
}

/// Java's bodies are random letters and bytes, which hardly compress.
const PAYLOAD: &str = "--payload=random";
/// As long as a run may be.
const FOR_EVER: &str = "720h";
/// Where RocketMQ's timer benchmark says when a message is due.
const DUE_PROPERTY: &str = "MY_RECORD_TIMER_DELIVER_MS";
/// Requests in flight of Java's asynchronous producer: its limit, in effect.
const ASYNC_INFLIGHT: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(kind: Tool, line: &str) -> Result<Vec<String>, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(kind, &arguments).map(|meant| meant.unwrap().arguments).map_err(|failure| failure.to_string())
    }

    #[test]
    fn flags_of_javas_tools_become_ours() {
        let all = meant(Tool::Producer, "-w 8 -s 2048 -t T -k true -l 2 -q 100 -n h:1;i:2").unwrap();
        for wanted in [
            "--inflight=8",
            "--size=2048",
            "--topic=T",
            "--keys=rr:1000000",
            "--tags=tag0,tag1",
            "--messages=100",
            "--namesrv=h:1;i:2",
        ] {
            assert!(all.iter().any(|one| one == wanted), "{wanted} is not in {all:?}");
        }
        assert!(meant(Tool::Batch, "-b 4").unwrap().contains(&"--batch=4".to_owned()));
        assert!(meant(Tool::Consumer, "-g g1").unwrap().contains(&"--group=g1".to_owned()));
        let packed = meant(Tool::Producer, "-c true -s 5000").unwrap();
        for wanted in ["--compress", "--payload=random"] {
            assert!(packed.contains(&wanted.to_owned()), "{packed:?}");
        }
        assert!(!meant(Tool::Producer, "-c true -s 100").unwrap().contains(&"--compress".to_owned()));
    }

    #[test]
    fn transactions_and_timers_have_the_flags_of_their_programs() {
        let has = |all: &[String], wanted: &[&str]| {
            wanted
                .iter()
                .for_each(|one| assert!(all.iter().any(|got| got == one), "{one} is not in {all:?}"));
        };
        let tx = meant(Tool::Tx, "-w 8 -sr 0.1 -su 0.2 -cr 0.3 -cu 0.4 -b 77 -i 4").unwrap();
        has(&tx, &["--inflight=8", "--size=2048", "--rollback=0.1", "--unknown=0.2", "--check-rollback=0.3"]);
        has(&tx, &["--check-unknown=0.4", "--rate=2000", "--tag=batch-id=77", "--topic=BenchmarkTest"]);
        let timer = meant(Tool::TimerProducer, "-tc 4 -st 10 -mt 5 -sd 500 -p 1000 -ms 64").unwrap();
        has(&timer, &["--delay=1000ms..10000ms:1000ms", "--messages=200", "--size=64", "--inflight=4"]);
        has(&timer, &["--due-property=MY_RECORD_TIMER_DELIVER_MS", "--consumers=0"]);
        let consumer = meant(Tool::TimerConsumer, "-t T").unwrap();
        has(&consumer, &["--follow", "--due-property=MY_RECORD_TIMER_DELIVER_MS", "--topic=T"]);
        has(&meant(Tool::Producer, "-d true -e 3").unwrap(), &["--level=3", "--consumers=0", "--rate=max"]);
    }

    #[test]
    fn what_is_not_there_yet_is_said() {
        for (kind, line) in [
            (Tool::Producer, "-a true"),
            (Tool::Producer, "-m true"),
            (Tool::Producer, "-c true -ct LZ4"),
            (Tool::Producer, "-w many"),
            (Tool::Producer, "-zz"),
            (Tool::Batch, "-q 10"),
            (Tool::Consumer, "-r 0.1"),
            (Tool::Consumer, "-e /nowhere/at/all"),
        ] {
            assert!(meant(kind, line).is_err(), "{line}");
        }
    }
}
