//! What people meet on the command line: help, configuration errors, exit codes. Nothing here needs a server.

#[path = "cli/io_probe.rs"]
mod io_probe;
mod ringmq;
#[path = "cli/tune.rs"]
mod tune;

use ringmq::{Place, said};

#[test]
fn help_names_every_command_and_exits_0() {
    let place = Place::new("help");
    let help = place.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for command in [
        "dev",
        "namesrv",
        "broker",
        "config",
        "quickstart",
        "produce",
        "consume",
        "admin",
        "io-probe",
        "tune",
    ] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command} is not in\n{}", help.out);
        assert_eq!(place.run(&[command, "--help"]).code, Some(0), "{command}");
    }
}

#[test]
fn the_version_names_the_commit_of_the_binary_or_says_that_it_is_unknown() {
    let version = Place::new("version").run(&["--version"]);
    let commit = match env!("BUILT_FROM") {
        "" => "unknown commit",
        commit => commit,
    };
    assert_eq!(version.out, format!("ringmq {} ({commit})\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    let place = Place::new("usage");
    assert_eq!(place.run(&["broker", "--no-such-flag"]).code, Some(2));
    assert_eq!(place.run(&["no-such-command"]).code, Some(2));
}

#[test]
fn a_misspelt_key_stops_the_start_with_file_line_and_the_right_name() {
    let place = Place::new("misspelt");
    place.write("broker.conf", "brokerName=a\n\n# address\nbrokerIp1=10.0.0.5\n");
    let broker = place.run(&["broker", "-c", "broker.conf"]);
    assert_eq!(broker.code, Some(2));
    assert!(
        broker.err.contains("unknown key \"brokerIp1\" at broker.conf:4, did you mean \"brokerIP1\"?\n"),
        "{}",
        broker.err
    );
    assert!(broker.err.contains("  4 | brokerIp1=10.0.0.5\n    | ^^^^^^^^^\n"), "{}", broker.err);
    assert!(broker.err.contains("nothing was started"), "{}", broker.err);
    assert_eq!(broker.out, "");
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let place = Place::new("all");
    place.write(
        "b.toml",
        "nmae = \"x\"\nshards = 1000\n[store]\nio_mode = \"drect\"\nwindow_mib = \"much\"\n",
    );
    let broker = place.run(&["broker", "-c", "b.toml"]);
    assert_eq!(broker.code, Some(2));
    for (line, what) in [
        (1, "did you mean \"name\"?"),
        (2, "from 1 to 64"),
        (4, "auto, direct, buffered"),
        (5, "a whole number"),
    ] {
        let found =
            broker.err.lines().any(|text| text.contains(&format!("b.toml:{line}")) && text.contains(what));
        assert!(found, "line {line}, {what}:\n{}", broker.err);
    }
}

#[test]
fn a_missing_or_broken_file_is_named() {
    let place = Place::new("broken");
    let missing = place.run(&["broker", "-c", "nowhere.conf"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("nowhere.conf") && missing.err.contains("No such file"), "{}", missing.err);
    place.write("b.toml", "name = a\n");
    let broken = place.run(&["broker", "-c", "b.toml"]);
    assert_eq!(broken.code, Some(2));
    assert!(broken.err.contains("b.toml:1"), "{}", broken.err);
}

#[test]
fn a_word_that_is_almost_one_is_refused_with_the_words_that_are() {
    let place = Place::new("word");
    place.write("b.conf", "flushDiskType=ASYNC\nbindAddress=127.0.0.1\n");
    let word = place.run(&["config", "show", "-c", "b.conf"]);
    assert_eq!(word.code, Some(2));
    assert!(word.err.contains("b.conf:1") && word.err.contains("ASYNC_FLUSH"), "{}", word.err);
}

#[test]
fn what_would_change_the_meaning_is_refused_and_what_has_no_effect_is_noted() {
    let place = Place::new("classes");
    place.write("slave.conf", "brokerRole=SLAVE\nbrokerId=1\n");
    let slave = place.run(&["broker", "-c", "slave.conf"]);
    assert_eq!(slave.code, Some(2));
    assert!(slave.err.contains("brokerRole=SLAVE at slave.conf:1"), "{}", slave.err);
    place.write(
        "noted.conf",
        "bindAddress=127.0.0.1\nsendMessageThreadPoolNums=16\ntransientStorePoolEnable=true\ndeleteWhen=04\n",
    );
    let noted = place.run(&["config", "show", "-c", "noted.conf"]);
    assert_eq!(noted.code, Some(0));
    assert!(noted.err.contains("sendMessageThreadPoolNums=16 (noted.conf:2)"), "{}", noted.err);
    assert!(noted.err.contains("transientStorePoolEnable=true"), "{}", noted.err);
    assert!(!noted.err.contains("deleteWhen"), "a default passes in silence:\n{}", noted.err);
}

#[test]
fn flag_beats_environment_beats_file_beats_default_and_namesrv_addr_yields_to_the_file() {
    let place = Place::new("order");
    place.write("b.conf", "bindAddress=127.0.0.1\nstore.window_mib=100\nflush.interval_ms=100\nnamesrvAddr=a:1\nlistenPort=20000\n");
    let mut command = place.ringmq();
    command.args([
        "config",
        "show",
        "--origin",
        "--output",
        "tsv",
        "-c",
        "b.conf",
        "--set",
        "store.window_mib=300",
    ]);
    command
        .env("RINGMQ_STORE__WINDOW_MIB", "200")
        .env("RINGMQ_FLUSH__INTERVAL_MS", "200")
        .env("NAMESRV_ADDR", "b:2");
    let shown = said(command.output().unwrap());
    for row in [
        "store.window_mib\t300\tflag --set store.window_mib=300",
        "flush.interval_ms\t200\tenvironment RINGMQ_FLUSH__INTERVAL_MS",
        "namesrv\ta:1\tb.conf:4",
        "listen.port\t20000\tb.conf:5",
        "region\tDefaultRegion\tdefault",
    ] {
        assert!(shown.out.lines().any(|line| line == row), "{row} is not in\n{}\n{}", shown.out, shown.err);
    }
    let mut command = place.ringmq();
    command
        .args(["config", "show", "--origin", "--output", "tsv", "--set", "listen.address=127.0.0.1"])
        .env("NAMESRV_ADDR", "b:2");
    assert!(said(command.output().unwrap()).out.contains("namesrv\tb:2\tenvironment NAMESRV_ADDR"));
}

#[test]
fn a_misspelt_variable_is_no_silence_either() {
    let place = Place::new("variable");
    let mut command = place.ringmq();
    command.args(["config", "show"]).env("RINGMQ_STORE__IOMODE", "direct");
    let shown = said(command.output().unwrap());
    assert_eq!(shown.code, Some(2));
    assert!(shown.err.contains("did you mean \"RINGMQ_STORE__IO_MODE\"?"), "{}", shown.err);
}

#[test]
fn explain_knows_native_and_rocketmq_names() {
    let place = Place::new("explain");
    let native = place.run(&["config", "explain", "flush.mode"]);
    assert!(
        native.out.contains("RocketMQ  flushDiskType") && native.out.contains("RINGMQ_FLUSH__MODE"),
        "{}",
        native.out
    );
    assert_eq!(place.run(&["config", "explain", "flushDiskType"]).out, native.out);
    let noted = place.run(&["config", "explain", "warmMapedFileEnable"]);
    assert!(noted.out.contains("nothing is memory-mapped"), "{}", noted.out);
    let unknown = place.run(&["config", "explain", "flushDiskTyp"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("did you mean \"flushDiskType\"?"), "{}", unknown.err);
}

#[test]
fn check_prints_origins_changes_nothing_and_exits_3_if_something_is_wrong() {
    let place = Place::new("check");
    let store = place.dir.join("store");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    place.write(
        "b.conf",
        &format!(
            "bindAddress=127.0.0.1\nlistenPort={port}\nstorePathRootDir={}\nshards=1\nlisten.vip=false\n",
            store.display()
        ),
    );
    let check = place.run(&["broker", "-c", "b.conf", "--check"]);
    assert_eq!(check.code, Some(3), "{}\n{}", check.out, check.err);
    assert!(check.out.contains("b.conf:2"), "{}", check.out);
    assert!(
        check.out.lines().any(|line| line.starts_with("fail") && line.contains(&format!("port {port}"))),
        "{}",
        check.out
    );
    assert!(!store.exists());
    let json = place.run(&["broker", "-c", "b.conf", "--check", "--output", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(rows.as_array().unwrap().iter().any(|row| row["verdict"] == "fail"));
}

#[test]
fn a_client_command_without_a_server_says_whom_it_asked() {
    let place = Place::new("nobody");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for arguments in [
        &["admin", "cluster", "list"][..],
        &["admin", "topic", "list"],
        &["consume", "T", "--no-follow"],
        &["produce", "T"],
        &["quickstart", "producer"],
    ] {
        let run = said(place.ringmq().args(arguments).args(["-n", &closed]).output().unwrap());
        assert_eq!(run.code, Some(1), "{arguments:?}: {}", run.err);
        assert!(run.err.contains(&format!("no answer from {closed}")), "{arguments:?}: {}", run.err);
        assert_eq!(run.out, "");
    }
}

#[test]
fn wrong_arguments_of_client_commands_are_refused_before_anybody_is_called() {
    let place = Place::new("arguments");
    for arguments in [
        &["consume", "T", "--from", "yesterday"][..],
        &["consume", "T", "-f", "%z"],
        &["consume", "T", "--group", "a b"],
        &["produce", "T/../x"],
        &["produce", "T", "--prop", "novalue"],
        &["produce", "T", "--queue", "-1x"],
        &["produce", "T", "-n", "no-port"],
        &["admin", "topic", "create", "T", "--queues", "0"],
    ] {
        let run = place.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn rocketmqs_links_take_its_flags_and_print_its_words() {
    let place = Place::new("links");
    let help = said(place.link("mqbroker").arg("-h").output().unwrap());
    assert_eq!(help.code, Some(0));
    assert!(help.out.starts_with("usage: mqbroker [-c <arg>] [-h] [-m] [-n <arg>] [-p]\n"), "{}", help.out);
    place.write("b.conf", "brokerName=broker-x\nbindAddress=127.0.0.1\nflushDiskType=SYNC_FLUSH\n");
    let all = said(place.link("mqbroker").args(["-c", "b.conf", "-n", "h:1;i:2", "-p"]).output().unwrap());
    assert_eq!(all.code, Some(0), "{}", all.err);
    for line in
        ["brokerName=broker-x", "flushDiskType=SYNC_FLUSH", "namesrvAddr=h:1;i:2", "brokerRole=ASYNC_MASTER"]
    {
        assert!(all.out.lines().any(|printed| printed == line), "{line} is not in\n{}", all.out);
    }
    let important = said(place.link("mqbroker").args(["-cb.conf", "-m"]).output().unwrap());
    assert!(important.out.contains("brokerName=broker-x") && !important.out.contains("serverSocketBacklog"));
    let none = said(place.link("mqshutdown").arg("broker").output().unwrap());
    assert_eq!((none.code, none.out.as_str()), (Some(1), "No mqbroker running.\n"));
    let wrong = said(place.link("mqbroker").arg("-zz").output().unwrap());
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("Unrecognized option: -zz"), "{}", wrong.err);
}
