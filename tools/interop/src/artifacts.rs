//! What has to be fetched and built before a suite can run: class paths, classes, the Go and the Node program.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{packages, process::output, trouble::Trouble};

/// Where sources lie and products go.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// `tools/interop` of the source tree.
    pub sources: PathBuf,
    /// Kept between runs, below the cargo target directory.
    pub products: PathBuf,
    /// The binary under test.
    pub ringmq: PathBuf,
    /// Names of the products that this run has made.
    pub made: Arc<Mutex<BTreeSet<String>>>,
}

/// The Java server release that resolves whole, used as oracle and for `mqadmin`.
pub(crate) const SERVER_VERSION: &str = "5.5.0";

/// Resolves a class path and nothing else.
const RESOLVER: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath";

/// A cold Maven or Go cache on a slow line.
const FETCH: Duration = Duration::from_secs(600);
const COMPILE: Duration = Duration::from_secs(180);

impl Workshop {
    /// Class path of the Java servers and of `mqadmin`.
    pub(crate) fn server_classpath(&self) -> Result<String, Trouble> {
        self.classpath("servers", SERVER_VERSION, &["namesrv", "broker", "tools"])
    }

    /// Class path of one client version with our scenarios compiled against it.
    pub(crate) fn java_client(&self, version: &str) -> Result<String, Trouble> {
        let libraries = self.classpath("client", version, &["client", "tools"])?;
        let dialect = if version.starts_with('4') { "java/compat-4" } else { "java/compat-5" };
        let classes = self.javac(&format!("classes-{version}"), &libraries, &["java/src", dialect])?;
        Ok(format!("{}:{libraries}", classes.display()))
    }

    /// Class path of the driver that runs `mqadmin` commands one after another in one JVM.
    pub(crate) fn admin_driver(&self) -> Result<String, Trouble> {
        let libraries = self.server_classpath()?;
        let classes = self.javac("classes-admin", &libraries, &["java/admin"])?;
        Ok(format!("{}:{libraries}", classes.display()))
    }

    /// Class path of the program that asks RocketMQ's own filter evaluator.
    pub(crate) fn sql_oracle(&self) -> Result<String, Trouble> {
        let libraries = self.server_classpath()?;
        let classes = self.javac("classes-sql", &libraries, &["java/sql"])?;
        Ok(format!("{}:{libraries}", classes.display()))
    }

    /// The built Go program.
    pub(crate) fn go_client(&self) -> Result<PathBuf, Trouble> {
        packages::need("go")?;
        let program = self.products.join("go-client");
        let mut command = Command::new("go");
        command
            .args(["build", "-trimpath", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(self.sources.join("go"));
        output(command, FETCH)?;
        Ok(program)
    }

    /// A folder with the Node program and its modules.
    pub(crate) fn node_client(&self) -> Result<PathBuf, Trouble> {
        packages::need("node")?;
        packages::need("npm")?;
        let home = self.products.join("node");
        fs::create_dir_all(&home).map_err(Trouble::io("make the Node folder"))?;
        let mut changed = !home.join("node_modules").is_dir();
        for file in ["package.json", "package-lock.json", "main.js"] {
            let (from, to) = (self.sources.join("node").join(file), home.join(file));
            let text = fs::read(&from).map_err(Trouble::io(format!("read {}", from.display())))?;
            if fs::read(&to).ok().as_ref() != Some(&text) {
                changed |= file != "main.js";
                fs::write(&to, text).map_err(Trouble::io(format!("write {}", to.display())))?;
            }
        }
        if changed {
            let mut command = Command::new("npm");
            command.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&home);
            output(command, FETCH)?;
        }
        Ok(home)
    }

    fn classpath(&self, name: &str, version: &str, modules: &[&str]) -> Result<String, Trouble> {
        packages::need("mvn")?;
        packages::need("java")?;
        let home = self.products.join(format!("{name}-{version}"));
        fs::create_dir_all(&home).map_err(Trouble::io("make a Maven folder"))?;
        let (pom, result) = (home.join("pom.xml"), home.join("classpath"));
        let text = pom_text(name, version, modules);
        self.once(&format!("{name}-{version}"), || {
            if fs::read_to_string(&pom).ok().as_ref() == Some(&text)
                && let Ok(known) = fs::read_to_string(&result)
                && known.split(':').all(|jar| Path::new(jar).is_file())
            {
                return Ok(());
            }
            fs::write(&pom, &text).map_err(Trouble::io("write a pom"))?;
            let mut command = Command::new("mvn");
            command
                .args(["-q", "-B", RESOLVER])
                .arg(format!("-Dmdep.outputFile={}", result.display()))
                .current_dir(&home);
            output(command, FETCH).map(drop)
        })?;
        fs::read_to_string(&result).map_err(Trouble::io("read a class path"))
    }

    fn javac(&self, name: &str, libraries: &str, folders: &[&str]) -> Result<PathBuf, Trouble> {
        packages::need("javac")?;
        let classes = self.products.join(name);
        self.once(name, || {
            let mut command = Command::new("javac");
            command.args(["-nowarn", "-encoding", "UTF-8", "-cp", libraries, "-d"]).arg(&classes);
            for folder in folders {
                let folder = self.sources.join(folder).join("interop");
                let entries =
                    fs::read_dir(&folder).map_err(Trouble::io(format!("list {}", folder.display())))?;
                for entry in entries {
                    command.arg(entry.map_err(Trouble::io("list Java sources"))?.path());
                }
            }
            output(command, COMPILE).map(drop)
        })?;
        Ok(classes)
    }

    /// Makes a product that two suites may want at the same time: one makes it, the other finds it whole.
    fn once(&self, name: &str, make: impl FnOnce() -> Result<(), Trouble>) -> Result<(), Trouble> {
        let mut made = self.made.lock().expect("no holder panics");
        if !made.contains(name) {
            make()?;
            made.insert(name.to_owned());
        }
        Ok(())
    }
}

fn pom_text(name: &str, version: &str, modules: &[&str]) -> String {
    let dependencies: String = modules
        .iter()
        .map(|module| {
            format!(
                "<dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-{module}</artifactId>\
                 <version>{version}</version></dependency>\n"
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
         <groupId>ringmq.interop</groupId><artifactId>{name}</artifactId><version>1</version>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    )
}

/// `java` with the switches every JVM of a test gets: quick to start, small, its files under `home`.
pub(crate) fn java(home: &Path, heap_mib: u32) -> Command {
    let mut command = Command::new("java");
    command.arg("-Xms64m").arg(format!("-Xmx{heap_mib}m"));
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]);
    for package in ["java.nio", "sun.nio.ch", "java.lang", "java.util"] {
        command.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
    }
    command
        .arg(format!("-Duser.home={}", home.display()))
        .arg(format!("-Drocketmq.home.dir={}", home.display()));
    command
}
