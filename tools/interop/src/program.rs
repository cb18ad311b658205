//! The client programs and how each is started.

use std::{path::Path, process::Command};

use crate::{
    artifacts::{Workshop, java},
    trouble::Trouble,
};

pub(crate) const JAVA_CLIENTS: [&str; 3] = ["4.9.8", "5.3.3", "5.5.0"];
pub(crate) const CODECS: [&str; 2] = ["JSON", "ROCKETMQ"];

/// A client program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    Java { version: &'static str, codec: &'static str },
    Go,
    Node,
}

impl Program {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Java { version, codec } => format!("java-{version}-{}", codec.to_lowercase()),
            Self::Go => "go-2.1.2".to_owned(),
            Self::Node => "node-3.12.0".to_owned(),
        }
    }

    /// Builds what is not built yet; the options that describe the servers are still to be added.
    pub(crate) fn command(self, workshop: &Workshop, home: &Path) -> Result<Command, Trouble> {
        match self {
            Self::Java { version, codec } => {
                let classpath = workshop.java_client(version)?;
                let mut command = java(home, 768);
                command.arg(format!("-Drocketmq.serialize.type={codec}"));
                command.arg("-cp").arg(classpath).arg("interop.Main");
                Ok(command)
            }
            Self::Go => {
                let mut command = Command::new(workshop.go_client()?);
                command.env("HOME", home); // broadcasting offsets are kept there
                Ok(command)
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(workshop.node_client()?.join("main.js")).env("HOME", home);
                Ok(command)
            }
        }
    }
}
