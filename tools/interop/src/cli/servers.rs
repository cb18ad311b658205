//! Servers: how they start, what they refuse, and under which names.

use std::{fs, os::unix::fs::symlink, process::Command, time::Duration};

use crate::{
    ports,
    process::{Process, await_text, finish, tail},
    trouble::Trouble,
    wire::Wire,
};

use super::{
    PATIENCE, REFUSAL,
    shop::{Shop, expect, that},
};

pub(super) fn boot_lines(it: &Shop<'_>) -> Result<(), Trouble> {
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

pub(super) fn check(it: &Shop<'_>) -> Result<(), Trouble> {
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

pub(super) fn bad_configuration(it: &Shop<'_>) -> Result<(), Trouble> {
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

pub(super) fn usage(it: &Shop<'_>) -> Result<(), Trouble> {
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

pub(super) fn links(it: &Shop<'_>) -> Result<(), Trouble> {
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

pub(super) fn second_process(it: &Shop<'_>) -> Result<(), Trouble> {
    let store = it.cluster.home("broker-0")?.join("store");
    let (file, _, _) = it.config("second", "shards=2\n")?;
    let mut command = it.command(&format!("broker -c {} --set", file.display()));
    command.arg(format!("storePathRootDir={}", store.display()));
    let done = finish(&mut command, b"", REFUSAL)?;
    let named = done.stderr.contains(&store.display().to_string());
    expect([1, 2].contains(&done.code()) && named, "a refusal that names the store", "broker", &done)?;
    Wire::connect(it.cluster.port("broker-0")?, PATIENCE)?.succeed(28, &[], &[]).map(|_| ())
}

pub(super) fn shard_count(it: &Shop<'_>) -> Result<(), Trouble> {
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

pub(super) fn dev(it: &Shop<'_>) -> Result<(), Trouble> {
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
