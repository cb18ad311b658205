//! The commands of our own binary, as a user types them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    artifacts::Workshop,
    cluster::{CLUSTER, Cluster},
    ports,
    process::{Finished, Process, await_text, finish, tail},
    report::Report,
    trouble::Trouble,
    wire::Wire,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// A refusal is quick: nothing may have been started.
const REFUSAL: Duration = Duration::from_secs(10);

/// Runs every scenario that `wanted` accepts.
pub(crate) fn run(
    workshop: &Workshop,
    cluster: &Cluster,
    home: &Path,
    report: &Report,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Trouble> {
    let home = home.join("cli");
    fs::create_dir_all(&home).map_err(Trouble::io("make a folder"))?;
    let it = Shop { ringmq: workshop.ringmq.clone(), cluster, home };
    for (name, scenario) in SCENARIOS {
        if wanted(name) {
            report.scenario("cli", name, || scenario(&it));
        }
    }
    Ok(())
}

type Scenario = fn(&Shop<'_>) -> Result<(), Trouble>;

const SCENARIOS: [(&str, Scenario); 19] = [
    ("boot-lines", boot_lines),
    ("quickstart", quickstart),
    ("produce-and-consume", produce_and_consume),
    ("consume-by-tag-and-time", consume_by_tag),
    ("consume-follows-and-is-interrupted", consume_follows),
    ("consume-by-filter", consume_by_filter),
    ("consume-by-popping", consume_by_popping),
    ("produce-for-later", produce_for_later),
    ("admin-group", admin_group),
    ("admin-cluster-list", admin_cluster),
    ("admin-topic", admin_topic),
    ("admin-broker-config", admin_config),
    ("check-changes-nothing", check),
    ("bad-configuration-exits-2", bad_configuration),
    ("usage-errors-exit-2", usage),
    ("links-take-javas-flags", links),
    ("second-process-on-a-store-is-refused", second_process),
    ("another-shard-count-is-refused", shard_count),
    ("dev", dev),
];

/// The binary, and servers to talk to.
struct Shop<'a> {
    ringmq: PathBuf,
    cluster: &'a Cluster,
    home: PathBuf,
}

impl Shop<'_> {
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.ringmq);
        command.args(line.split_whitespace()).current_dir(&self.home);
        command.env("NAMESRV_ADDR", self.cluster.name_servers()).env("RINGMQ_RUN_DIR", self.home.join("run"));
        command
    }

    fn finish(&self, line: &str, stdin: &str) -> Result<Finished, Trouble> {
        finish(&mut self.command(line), stdin.as_bytes(), PATIENCE)
    }

    /// stdout of a command that must end with 0.
    fn ok(&self, line: &str, stdin: &str) -> Result<String, Trouble> {
        let done = self.finish(line, stdin)?;
        expect(done.code() == 0, "exit code 0", line, &done)?;
        Ok(done.stdout)
    }

    fn json(&self, line: &str) -> Result<Vec<Value>, Trouble> {
        let said = self.ok(&format!("{line} --output json"), "")?;
        match serde_json::from_str(&said) {
            Ok(Value::Array(rows)) => Ok(rows),
            _ => Err(Trouble::Answer(format!("`{line}` does not print an array: {}", tail(&said, 500)))),
        }
    }

    /// A configuration file of its own, with a free port and a store that does not exist yet.
    fn config(&self, name: &str, extra: &str) -> Result<(PathBuf, PathBuf, u16), Trouble> {
        let (file, store, port) =
            (self.home.join(format!("{name}.conf")), self.home.join(format!("{name}-store")), ports::group());
        let text = format!(
            "brokerName={name}\nbrokerClusterName={name}\nlistenPort={port}\nbindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\n\
             storePathRootDir={}\nmappedFileSizeCommitLog=67108864\n{extra}",
            store.display()
        );
        fs::write(&file, text).map_err(Trouble::io("write a configuration"))?;
        Ok((file, store, port))
    }
}

fn expect(holds: bool, what: &str, line: &str, done: &Finished) -> Result<(), Trouble> {
    if holds {
        return Ok(());
    }
    let said = format!("{}{}", tail(&done.stdout, 600), tail(&done.stderr, 600)).replace('\n', " | ");
    Err(Trouble::Answer(format!("`{line}`: expected {what}; exit code {}, said: {said}", done.code())))
}

fn that(holds: bool, what: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Answer(what())) }
}

fn boot_lines(it: &Shop<'_>) -> Result<(), Trouble> {
    let log = |name: &str| -> Result<String, Trouble> {
        let path = it.cluster.home(name)?.join("log");
        fs::read_to_string(&path).map_err(Trouble::io(format!("read {}", path.display())))
    };
    let port = it.cluster.port("namesrv-0")?;
    let line = format!("The Name Server boot success. serializeType=JSON, address 127.0.0.1:{port}");
    let said = log("namesrv-0")?;
    that(said.lines().any(|l| l == line), || format!("no line '{line}' in {}", tail(&said, 500)))?;
    let said = log("broker-0")?;
    for (name, address) in it.cluster.masters().iter().zip(it.cluster.addresses()) {
        let line = format!(
            "The broker[{name}, {address}] boot success. serializeType=JSON and name server is {}",
            it.cluster.name_servers()
        );
        that(said.lines().any(|l| l == line), || format!("no line '{line}' in {}", tail(&said, 800)))?;
    }
    Ok(())
}

fn quickstart(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("TopicTest", 4)?;
    let said = it.ok("quickstart producer", "")?;
    let good = |line: &&str| {
        line.starts_with("SendResult [sendStatus=SEND_OK, msgId=")
            && line.contains(", messageQueue=MessageQueue [topic=TopicTest, brokerName=broker-0")
            && line.contains("], queueOffset=")
    };
    that(said.lines().count() == 1000 && said.lines().all(|line| good(&line)), || {
        format!("1000 send results, not {}", tail(&said, 400))
    })?;
    let said = it.ok("quickstart consumer --count 1000", "")?;
    let mut lines = said.lines();
    that(lines.next() == Some("Consumer Started."), || {
        format!("'Consumer Started.' first, not {said:.100}")
    })?;
    let received = lines
        .filter(|line| line.starts_with("ConsumeMessageThread_1 Receive New Messages: [MessageExt ["))
        .count();
    that(received == 1000, || format!("1000 messages received, not {received}"))
}

fn produce_and_consume(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliTopic", 4)?;
    let input: String = (0..100).map(|i| format!("line {i} größe 世界\n")).collect();
    it.ok("produce CliTopic --key cli-key --tag TagX --prop color=blue --queue broker-0:2", &input)?;
    let said = it.ok("consume CliTopic --from earliest --no-follow -f %q|%o|%k|%g|%b\\n", "")?;
    let expected: String = (0..100).map(|i| format!("2|{i}|cli-key|TagX|line {i} größe 世界\n")).collect();
    that(said == expected, || format!("what was produced, in order, not {}", tail(&said, 400)))?;
    let said = it.ok("consume CliTopic --from earliest --count 1 -f %p\\n", "")?;
    that(said.contains("color") && said.contains("blue"), || format!("the property, not {said}"))
}

fn consume_by_tag(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliTags", 1)?;
    for tag in ["A", "B", "C"] {
        it.ok(&format!("produce CliTags --tag {tag}"), &format!("body {tag}\n"))?;
    }
    let mut command = it.command("consume CliTags --from earliest --no-follow");
    command.args(["--tags", "A || C"]);
    let done = finish(&mut command, b"", PATIENCE)?;
    let mut lines: Vec<&str> = done.stdout.lines().collect();
    lines.sort_unstable();
    expect(lines == ["body A", "body C"], "the bodies of A and C", "consume --tags", &done)?;
    let said = it.ok("consume CliTags --from 2h --no-follow", "")?;
    that(said.lines().count() == 3, || format!("all three since two hours ago, not {said}"))?;
    let said = it.ok("consume CliTags --from latest --no-follow", "")?;
    that(said.is_empty(), || format!("nothing from the end, not {said}"))
}

fn consume_by_filter(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliFilter", 1)?;
    for size in [3, 30, 300] {
        it.ok(&format!("produce CliFilter --prop size={size}"), &format!("body {size}\n"))?;
    }
    let mut command = it.command("consume CliFilter --from earliest --no-follow");
    command.args(["--filter", "size BETWEEN 10 AND 100 OR size = 3"]);
    let done = finish(&mut command, b"", PATIENCE)?;
    let mut lines: Vec<&str> = done.stdout.lines().collect();
    lines.sort_unstable();
    expect(lines == ["body 3", "body 30"], "the bodies of 3 and 30", "consume --filter", &done)?;
    let mut command = it.command("consume CliFilter --from earliest --no-follow");
    command.args(["--filter", "size >"]);
    let done = finish(&mut command, b"", PATIENCE)?;
    expect(
        done.code() == 1 && done.stderr.contains("byte"),
        "what is wrong and where",
        "consume --filter",
        &done,
    )
}

fn consume_by_popping(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliPop", 4)?;
    let sent: Vec<String> = (0..100).map(|number| format!("body {number:03}")).collect();
    it.ok("produce CliPop", &(sent.join("\n") + "\n"))?;
    let pop = "consume CliPop --pop --group CliPopper --from earliest";
    let mut came: Vec<String> = Vec::new();
    // The first stops in the middle of what it got, and gives the rest back.
    for rest in ["--count 40", "--no-follow --invisible 30", "--no-follow"] {
        came.extend(it.ok(&format!("{pop} {rest}"), "")?.lines().map(str::to_owned));
    }
    came.sort_unstable();
    that(came == sent, || format!("each message once, not {} of them", came.len()))?;
    for (line, what) in [
        ("consume CliPop --pop", "--group"),
        ("consume CliPop --pop --group CliPopper --from 2h", "one of the ends"),
    ] {
        let done = finish(&mut it.command(line), b"", PATIENCE)?;
        expect(done.code() == 2 && done.stderr.contains(what), what, line, &done)?;
    }
    Ok(())
}

fn produce_for_later(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliLater", 1)?;
    it.ok("produce CliLater --delay 2s", "later\n")?;
    it.ok("produce CliLater --at 2020-01-01", "overdue\n")?;
    let said = it.ok("consume CliLater --from earliest --no-follow", "")?;
    that(said == "overdue\n", || format!("only what is due, not {said}"))?;
    let mut lines: Vec<String> =
        it.ok("consume CliLater --from earliest --count 2", "")?.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    that(lines == ["later", "overdue"], || format!("both in the end, not {lines:?}"))?;
    for line in
        ["produce CliLater --delay soon", "produce CliLater --at 5s", "produce CliLater --at 1 --delay 1s"]
    {
        let done = it.finish(line, "x\n")?;
        expect(done.code() == 2, "exit code 2", line, &done)?;
    }
    Ok(())
}

fn admin_group(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliGroup", 1)?;
    let input: String = (0..20).map(|number| format!("m{number}\n")).collect();
    it.ok("produce CliGroup --queue broker-0:0", &input)?;
    it.ok("consume CliGroup --group cli-one --from earliest --count 20", "")?;
    let lag = |group: &str| -> Result<i64, Trouble> {
        let rows = it.json(&format!("admin group lag {group} --topic CliGroup"))?;
        Ok(rows.iter().filter_map(|row| row["lag"].as_i64()).sum())
    };
    that(lag("cli-one")? == 0, || "no lag after reading all".to_owned())?;
    it.ok("admin group reset cli-one --topic CliGroup --to earliest", "")?;
    that(lag("cli-one")? == 20, || "all of it behind after a reset to the beginning".to_owned())?;
    let said = it.ok("consume CliGroup --group cli-one --count 20", "")?;
    that(said == input, || format!("all again, not {}", tail(&said, 200)))?;
    it.ok("admin group reset cli-one --topic CliGroup --to 1h", "")?;
    it.ok("admin group skip cli-one --topic CliGroup", "")?;
    that(lag("cli-one")? == 0, || "nothing behind after a skip".to_owned())?;
    let done = it.finish("admin group reset cli-one --topic CliGroup --to noon", "")?;
    expect(done.code() == 2, "exit code 2", "admin group reset --to noon", &done)
}

fn consume_follows(it: &Shop<'_>) -> Result<(), Trouble> {
    it.cluster.make_topic("CliFollow", 1)?;
    it.ok("produce CliFollow", "first\n")?;
    let log = it.home.join("follow.log");
    let mut consumer =
        Process::spawn("ringmq consume", it.command("consume CliFollow --from earliest"), &log)?;
    await_text(&log, "first\n", PATIENCE)?;
    it.ok("produce CliFollow", "second\n")?;
    await_text(&log, "first\nsecond\n", PATIENCE)?;
    let code = consumer.interrupt(PATIENCE)?.code();
    that(code == Some(130), || format!("exit code 130 after an interrupt, not {code:?}"))
}

fn admin_cluster(it: &Shop<'_>) -> Result<(), Trouble> {
    let rows = it.json("admin cluster list")?;
    for (name, address) in it.cluster.masters().iter().zip(it.cluster.addresses()) {
        let found = rows.iter().any(|row| {
            row["cluster"] == CLUSTER
                && row["broker"] == name.as_str()
                && row["address"] == address
                && row["state"] == "up"
        });
        that(found, || format!("{name} at {address} up, not {rows:?}"))?;
    }
    let table = it.ok("admin cluster list", "")?;
    that(table.contains("broker-0") && !table.contains('\u{1b}'), || {
        format!("a plain table in a pipe, not {table}")
    })
}

fn admin_topic(it: &Shop<'_>) -> Result<(), Trouble> {
    let masters = it.cluster.masters().len();
    let rows = it.json("admin topic create CliAdmin --queues 3")?;
    that(rows.len() == masters, || format!("created on {masters} brokers, not {rows:?}"))?;
    let list = it.ok("admin topic list", "")?;
    that(list.contains("CliAdmin"), || format!("CliAdmin in the list, not {}", tail(&list, 300)))?;
    let routed = it.json("admin topic route CliAdmin")?;
    that(routed.len() == masters, || format!("a route with {masters} brokers, not {routed:?}"))?;
    it.ok("produce CliAdmin", "one\ntwo\n")?;
    let status = it.json("admin topic status CliAdmin")?;
    that(status.len() == 3 * masters, || format!("{} queues, not {status:?}", 3 * masters))?;
    it.ok("admin topic delete CliAdmin", "")?;
    let gone = it.finish("admin topic route CliAdmin", "")?;
    expect(gone.code() == 1, "exit code 1 for a topic that is gone", "admin topic route", &gone)
}

fn admin_config(it: &Shop<'_>) -> Result<(), Trouble> {
    let rows = it.json("admin broker config --key brokerClusterName")?;
    let found = rows.iter().any(|row| row["key"] == "brokerClusterName" && row["value"] == CLUSTER);
    that(found, || format!("brokerClusterName {CLUSTER}, not {rows:?}"))
}

fn check(it: &Shop<'_>) -> Result<(), Trouble> {
    let (file, store, port) = it.config("checked", "")?;
    let done = it.finish(&format!("broker -c {} --check", file.display()), "")?;
    // 3 if this host lacks something, such as locked memory; the checks are printed either way.
    expect([0, 3].contains(&done.code()), "exit code 0 or 3", "broker --check", &done)?;
    expect(
        done.stdout.contains(&port.to_string()),
        "the port among what was looked at",
        "broker --check",
        &done,
    )?;
    that(!store.exists(), || "--check made the store".to_owned())?;
    that(Wire::connect(port, Duration::from_secs(1)).is_err(), || "--check left a server".to_owned())?;
    // The same on the ports of a running broker: a finding, not a crash.
    let mut command = it.command(&format!("broker -c {} --check --set", file.display()));
    command.arg(format!("listenPort={}", it.cluster.port("broker-0")?));
    let done = finish(&mut command, b"", PATIENCE)?;
    expect(done.code() == 3, "exit code 3 for a port that is taken", "broker --check", &done)
}

fn bad_configuration(it: &Shop<'_>) -> Result<(), Trouble> {
    // What is added to a good file, and what the message must name.
    let cases: [(&str, &[&str]); 7] = [
        ("brokerIp1=127.0.0.1\n", &["brokerIp1", "bad.conf:8", "brokerIP1"]),
        ("flushDiskType=ASYNK_FLUSH\n", &["flushDiskType", "bad.conf:8", "ASYNC_FLUSH"]),
        ("listenPort=99999\n", &["listenPort", "bad.conf:8"]),
        ("maxMessageSize=many\n", &["maxMessageSize", "bad.conf:8"]),
        ("enableControllerMode=true\n", &["enableControllerMode"]),
        ("shards=0\n", &["shards", "bad.conf:8"]),
        ("nonsense\u{e9}=1\n", &["bad.conf:8"]),
    ];
    for (extra, named) in cases {
        let (file, store, port) = it.config("bad", extra)?;
        let line = format!("broker -c {}", file.display());
        let done = finish(&mut it.command(&line), b"", REFUSAL)
            .map_err(|e| Trouble::Answer(format!("'{}' is not refused: {e}", extra.trim())))?;
        let what = format!("exit code 2 and {named:?} for '{}'", extra.trim());
        expect(done.code() == 2 && named.iter().all(|part| done.stderr.contains(part)), &what, &line, &done)?;
        that(!store.exists(), || format!("'{}' was refused, but the store was made", extra.trim()))?;
        that(Wire::connect(port, Duration::from_secs(1)).is_err(), || "a server was left".to_owned())?;
    }
    let done = finish(&mut it.command("broker -c /nonexistent/broker.conf"), b"", REFUSAL)?;
    expect(
        done.code() == 2 && done.stderr.contains("/nonexistent/broker.conf"),
        "the missing file by name",
        "broker -c",
        &done,
    )
}

fn usage(it: &Shop<'_>) -> Result<(), Trouble> {
    for line in ["brokr", "consume", "consume T --from someday", "produce T --queue x", "admin topic create"]
    {
        let done = it.finish(line, "")?;
        expect(
            done.code() == 2 && done.stdout.is_empty() && !done.stderr.is_empty(),
            "exit code 2, words on stderr only",
            line,
            &done,
        )?;
    }
    let mut command = it.command("admin cluster list");
    command.env("NAMESRV_ADDR", "127.0.0.1:1");
    let done = finish(&mut command, b"", PATIENCE)?;
    expect(
        done.code() == 1 && done.stderr.contains("127.0.0.1:1"),
        "exit code 1 and the address",
        "admin cluster list",
        &done,
    )
}

fn links(it: &Shop<'_>) -> Result<(), Trouble> {
    let (file, _, port) = it.config("linked", "")?;
    for (link, config) in [("mqbroker", Some(&file)), ("mqnamesrv", None)] {
        let path = it.home.join(link);
        symlink(&it.ringmq, &path).map_err(Trouble::io("make a link"))?;
        let mut command = Command::new(&path);
        if let Some(file) = config {
            command.arg("-c").arg(file);
        }
        command.arg("-p").current_dir(&it.home);
        let done = finish(&mut command, b"", PATIENCE)?;
        let item = if config.is_some() { format!("listenPort={port}") } else { "listenPort=9876".to_owned() };
        expect(done.code() == 0 && done.stdout.lines().any(|line| line.trim() == item), &item, link, &done)?;
        let done = finish(Command::new(&path).arg("-h"), b"", PATIENCE)?;
        expect(done.code() == 0 && done.stdout.contains("--configFile"), "Java's help", link, &done)?;
    }
    let path = it.home.join("mqshutdown");
    symlink(&it.ringmq, &path).map_err(Trouble::io("make a link"))?;
    // With a run directory of its own it sees none of the servers that other tests use.
    let run = it.home.join("run-of-links");
    let shutdown =
        |kind: &str| finish(Command::new(&path).arg(kind).env("RINGMQ_RUN_DIR", &run), b"", PATIENCE);
    let done = shutdown("broker")?;
    let none = done.code() == 1 && done.stdout.contains("No mqbroker running.");
    expect(none, "No mqbroker running.", "mqshutdown broker", &done)?;

    let (file, log) = (it.home.join("linked-namesrv.conf"), it.home.join("mqnamesrv.log"));
    let kv = it.home.join("kv.json");
    let text =
        format!("listenPort={}\nbindAddress=127.0.0.1\nkvConfigPath={}\n", ports::group(), kv.display());
    fs::write(&file, text).map_err(Trouble::io("write a configuration"))?;
    let mut command = Command::new(it.home.join("mqnamesrv"));
    command.arg("-c").arg(&file).env("RINGMQ_RUN_DIR", &run).current_dir(&it.home);
    let mut server = Process::spawn("mqnamesrv", command, &log)?;
    await_text(&log, "The Name Server boot success.", PATIENCE)?;
    let done = shutdown("namesrv")?;
    let line = format!("Send shutdown request to mqnamesrv({}) OK", server.id());
    expect(done.code() == 0 && done.stdout.contains(&line), &line, "mqshutdown namesrv", &done)?;
    let status = server.wait(PATIENCE)?;
    that(status.success(), || format!("a clean end after mqshutdown, not {status}"))
}

fn second_process(it: &Shop<'_>) -> Result<(), Trouble> {
    let store = it.cluster.home("broker-0")?.join("store");
    let (file, _, _) = it.config("second", "shards=2\n")?;
    let mut command = it.command(&format!("broker -c {} --set", file.display()));
    command.arg(format!("storePathRootDir={}", store.display()));
    let done = finish(&mut command, b"", REFUSAL)?;
    let named = done.stderr.contains(&store.display().to_string());
    expect([1, 2].contains(&done.code()) && named, "a refusal that names the store", "broker", &done)?;
    Wire::connect(it.cluster.port("broker-0")?, PATIENCE)?.succeed(28, &[], &[]).map(|_| ())
}

fn shard_count(it: &Shop<'_>) -> Result<(), Trouble> {
    let (file, _, port) = it.config("counted", "")?;
    let line = |shards: u16| format!("broker -c {} --set shards={shards}", file.display());
    let mut first = Process::spawn("broker", it.command(&line(1)), &it.home.join("counted.log"))?;
    await_text(&it.home.join("counted.log"), "boot success", PATIENCE)?;
    Wire::connect(port, PATIENCE)?.succeed(28, &[], &[])?;
    first.terminate(PATIENCE)?;
    let done = finish(&mut it.command(&line(2)), b"", REFUSAL)?;
    expect(
        [1, 2].contains(&done.code()) && done.stderr.contains("shard"),
        "a refusal that says why",
        &line(2),
        &done,
    )
}

fn dev(it: &Shop<'_>) -> Result<(), Trouble> {
    let (namesrv, port) = (ports::group(), ports::group());
    let log = it.home.join("dev.log");
    let mut command = it.command(&format!("dev --namesrv-port {namesrv} --port {port} --shards 1"));
    let temporary = it.home.join("temporary");
    fs::create_dir_all(&temporary).map_err(Trouble::io("make a folder"))?;
    command.env("TMPDIR", &temporary);
    let mut dev = Process::spawn("ringmq dev", command, &log)?;
    await_text(&log, &namesrv.to_string(), PATIENCE)?;
    await_text(&log, &port.to_string(), PATIENCE)?;
    let mut command = it.command("quickstart producer --count 10");
    command.env("NAMESRV_ADDR", format!("127.0.0.1:{namesrv}"));
    let done = finish(&mut command, b"", PATIENCE)?;
    expect(
        done.code() == 0 && done.stdout.lines().count() == 10,
        "ten messages sent",
        "quickstart producer",
        &done,
    )?;
    let status = dev.interrupt(PATIENCE)?;
    that([Some(0), Some(130)].contains(&status.code()), || {
        format!("a clean end after an interrupt, not {status}")
    })?;
    let left = fs::read_dir(&temporary).map_err(Trouble::io("list the temporary folder"))?.count();
    that(left == 0, || format!("{left} files left in the temporary folder"))
}
