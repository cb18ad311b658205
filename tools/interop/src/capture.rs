//! Records what real clients and real Java servers say to each other, as fixtures for `net`.

use std::{fs, path::Path};

use crate::{
    artifacts::Workshop,
    client::converse,
    cluster::{BrokerPlan, CLUSTER, Cluster, Make, Plan},
    ports,
    program::{CODECS, JAVA_CLIENTS, Program},
    recorder::Recorder,
    report::Report,
    suites::PATIENCE,
    trouble::Trouble,
};

/// Runs every client against a Java broker through a recording proxy and writes the frames below `folder`.
///
/// # Errors
/// Any [`Trouble`] of a server or a client; scenarios that fail are printed and do no harm.
pub fn capture(workshop: &Workshop, folder: &Path, only: &[String]) -> Result<(), Trouble> {
    let scratch = std::env::temp_dir().join(format!("ringmq-capture-{}", std::process::id()));
    let mut programs = vec![Program::Go, Program::Node];
    for version in JAVA_CLIENTS {
        programs.extend(CODECS.map(|codec| Program::Java { version, codec }));
    }
    programs.retain(|p| only.is_empty() || only.iter().any(|wanted| p.name().contains(wanted.as_str())));
    let report = Report::default();
    for program in programs {
        let home = scratch.join(program.name());
        let broker = BrokerPlan { make: Make::Java, shards: 1, extra: String::new() };
        let mut cluster =
            Cluster::start(workshop, &Plan { name_servers: vec![Make::Java], brokers: vec![broker] }, &home)?;
        let (namesrv, broker) = (cluster.port("namesrv-0")?, cluster.port("broker-0")?);
        let (namesrv_proxy, broker_proxy) = (ports::group(), ports::group());
        let recorder = Recorder::new(folder.join(program.name()))?;
        let address = |port: u16| format!("127.0.0.1:{port}");
        recorder.listen(namesrv_proxy, namesrv, vec![(address(broker), address(broker_proxy))])?;
        recorder.listen(broker_proxy, broker, vec![])?;
        let mut command = program.command(workshop, &home)?;
        command.args(["--namesrv", &address(namesrv_proxy), "--cluster", CLUSTER, "--servers", "java"]);
        command.args(["--brokers", "1", "--calm", "yes", "--masters", &address(broker_proxy)]);
        converse(&program.name(), command, &mut cluster, PATIENCE, &home.join("client.log"), &report)?;
    }
    let _ = fs::remove_dir_all(&scratch); // a leftover in the temporary folder harms nobody
    Ok(())
}
