//! The command lines of servers: who is started how, and on which core.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::side::java;

use super::setup::cores_from;
use super::{Kind, Setup, Workshop};

impl Workshop {
    pub(super) fn namesrv_command(&self, kind: Kind, dir: &Path, file: &Path, names: SocketAddr) -> Command {
        let mut command = self.pinned(1);
        match kind {
            Kind::Java => {
                command.args(java::command(dir, &self.classpath, 256));
                command.arg("org.apache.rocketmq.namesrv.NamesrvStartup").arg("-c").arg(file);
            }
            Kind::Rust => {
                // Its configuration files have rules of their own; flags do.
                command.arg(self.rust.join("rocketmq-namesrv-rust"));
                command.args(["--bindAddress", "127.0.0.1", "--listenPort", &names.port().to_string()]);
                command.env("ROCKETMQ_HOME", dir).env("HOME", dir);
            }
            Kind::Ours => {
                command.arg(&self.ringmq).arg("namesrv").arg("-c").arg(file);
            }
        }
        command
    }

    pub(super) fn broker_command(&self, kind: Kind, setup: &Setup, dir: &Path, names: SocketAddr) -> Command {
        let file = dir.join(kind.broker_file());
        let mut command = self.pinned(setup.shards);
        match kind {
            Kind::Java => {
                command.args(java::command(dir, &self.classpath, self.heap_mib));
                command.arg("org.apache.rocketmq.broker.BrokerStartup").arg("-c").arg(file);
            }
            Kind::Rust => {
                command.arg(self.rust.join("rocketmq-broker-rust")).arg("-c").arg(file);
                command.args(["-n", &names.to_string()]).env("ROCKETMQ_HOME", dir).env("HOME", dir);
            }
            Kind::Ours => {
                command.arg(&self.ringmq).arg("broker").arg("-c").arg(file).args(["-n", &names.to_string()]);
                command.args(setup.ours.iter().flat_map(|pair| ["--set", pair]));
            }
        }
        command
    }

    /// Everything a server starts runs on its core, kernel helper threads included.
    fn pinned(&self, cores: usize) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &cores_from(self.cpu, cores)]);
        command
    }
}
