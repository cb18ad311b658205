//! One server process: its folder and configuration, its start and its end.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{BrokerPlan, CLUSTER, Make};
use crate::{
    artifacts::{Workshop, java},
    ports,
    process::Process,
    trouble::Trouble,
};

const STOPPING: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) port: u16,
    /// Broker names it registers; none for a name server.
    pub(super) masters: Vec<String>,
    pub(super) home: PathBuf,
    pub(super) log: PathBuf,
    /// Folder of the log windows.
    windows: Option<PathBuf>,
    launch: Launch,
    pub(super) process: Option<Process>,
}

#[derive(Debug)]
enum Launch {
    Ours { binary: PathBuf, args: Vec<String> },
    Java { classpath: String, args: Vec<String> },
}

impl Server {
    pub(super) fn name_server(
        workshop: &Workshop,
        make: Make,
        index: usize,
        home: &Path,
    ) -> Result<Self, Trouble> {
        let port = ports::group();
        let name = format!("namesrv-{index}");
        let home = home.join(&name);
        let file = home.join("namesrv.conf");
        fs::create_dir_all(&home).map_err(Trouble::io("make a server folder"))?;
        let kv = home.join("kvConfig.json");
        let text = format!("listenPort={port}\nbindAddress=127.0.0.1\nkvConfigPath={}\n", kv.display());
        fs::write(&file, text).map_err(Trouble::io("write namesrv.conf"))?;
        let config = file.display().to_string();
        let launch = match make {
            Make::Ours => Launch::Ours {
                binary: workshop.ringmq.clone(),
                args: vec!["namesrv".into(), "-c".into(), config],
            },
            Make::Java => Launch::Java {
                classpath: workshop.server_classpath()?,
                args: vec!["org.apache.rocketmq.namesrv.NamesrvStartup".into(), "-c".into(), config],
            },
        };
        let log = home.join("log");
        Ok(Self { name, port, masters: vec![], log, home, windows: None, launch, process: None })
    }

    pub(super) fn broker(
        workshop: &Workshop,
        plan: &BrokerPlan,
        index: usize,
        home: &Path,
        namesrv: &str,
    ) -> Result<Self, Trouble> {
        let port = ports::group();
        let name = format!("broker-{index}");
        let home = home.join(&name);
        let file = home.join("broker.conf");
        fs::create_dir_all(&home).map_err(Trouble::io("make a server folder"))?;
        // A small segment: its zero-filling is not what a scenario is about.
        let mut text = format!(
            "brokerClusterName={CLUSTER}\nbrokerName={name}\nbrokerId=0\nlistenPort={port}\nbindAddress=127.0.0.1\n\
             brokerIP1=127.0.0.1\nstorePathRootDir={}\nmappedFileSizeCommitLog=67108864\n\
             transactionCheckInterval=2000\ntransactionTimeOut=1000\nenablePropertyFilter=true\n",
            home.join("store").display()
        );
        let mut masters = vec![name.clone()];
        let mut windows = None;
        if plan.make == Make::Ours {
            // Killed brokers leave their windows behind, and nobody starts these again.
            let memory = PathBuf::from(format!("/dev/shm/ringmq-interop-{}-{port}", std::process::id()));
            fs::create_dir_all(&memory).map_err(Trouble::io("make a folder for log windows"))?;
            text += &format!("shards={}\nstore.window_dir={}\n", plan.shards, memory.display());
            windows = Some(memory);
            masters.extend((1..plan.shards).map(|shard| format!("{name}-{shard}")));
        } else {
            // A JVM that is still cold, on a busy machine, would refuse half of what it is sent.
            text += "brokerFastFailureEnable=false\nosPageCacheBusyTimeOutMills=20000\n";
        }
        text += &plan.extra;
        fs::write(&file, text).map_err(Trouble::io("write broker.conf"))?;
        let mut args = vec!["-c".into(), file.display().to_string(), "-n".into(), namesrv.to_owned()];
        let launch = match plan.make {
            Make::Ours => {
                args.insert(0, "broker".into());
                Launch::Ours { binary: workshop.ringmq.clone(), args }
            }
            Make::Java => {
                args.insert(0, "org.apache.rocketmq.broker.BrokerStartup".into());
                Launch::Java { classpath: workshop.server_classpath()?, args }
            }
        };
        Ok(Self { name, port, masters, log: home.join("log"), home, windows, launch, process: None })
    }

    pub(super) fn spawn(&mut self) -> Result<(), Trouble> {
        let command = match &self.launch {
            Launch::Ours { binary, args } => {
                let mut command = Command::new(binary);
                // A run directory of its own: `mqshutdown` elsewhere on this machine must not find it.
                command.args(args).current_dir(&self.home).env("RINGMQ_RUN_DIR", self.home.join("run"));
                command
            }
            Launch::Java { classpath, args } => {
                let mut command = java(&self.home, 512);
                command.arg("-cp").arg(classpath).args(args).current_dir(&self.home);
                command
            }
        };
        self.process = Some(Process::spawn(&self.name, command, &self.log)?);
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Result<(), Trouble> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.terminate(STOPPING).map(|_| ())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process = None; // dropping kills
        if let Some(windows) = &self.windows {
            let _ = fs::remove_dir_all(windows); // memory that nobody needs; the next start of the machine takes it, too
        }
    }
}
