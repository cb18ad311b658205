//! Apache RocketMQ from Maven: its class path, and how its programs are started.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// The release compared with; the one of `java/pom.xml`.
pub(crate) const VERSION: &str = "5.5.0";

/// The class path of name server and broker. Resolved once, then kept in `cache`.
///
/// # Errors
/// When Maven is missing or cannot resolve it.
pub(crate) fn classpath(cache: &Path) -> io::Result<String> {
    let dir = cache.join(format!("java-{VERSION}"));
    let file = dir.join("classpath.txt");
    if let Ok(known) = fs::read_to_string(&file)
        && known.split(':').all(|jar| Path::new(jar).exists())
    {
        return Ok(known);
    }
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("pom.xml"), POM)?;
    let status = Command::new("mvn")
        .args(["-q", "-B", RESOLVER, "-Dmdep.outputFile=classpath.txt"])
        .current_dir(&dir)
        .status()
        .map_err(|error| io::Error::other(format!("mvn cannot be run ({error}): apt-get install maven")))?;
    if !status.success() {
        return Err(io::Error::other(format!("mvn could not resolve RocketMQ {VERSION}: {status}")));
    }
    fs::read_to_string(file)
}

/// `java` and its options, up to the name of the class.
pub(crate) fn command(home: &Path, classpath: &str, heap_mib: u32) -> Vec<String> {
    let home = home.display();
    let mut command = vec!["java".to_owned(), format!("-Xms{heap_mib}m"), format!("-Xmx{heap_mib}m")];
    command.extend(["-XX:MaxDirectMemorySize=4g", "-XX:+UseG1GC"].map(str::to_owned));
    for module in ["java.nio", "sun.nio.ch", "java.lang", "java.util"] {
        command.extend(["--add-opens".to_owned(), format!("java.base/{module}=ALL-UNNAMED")]);
    }
    command.extend([format!("-Duser.home={home}"), format!("-Drocketmq.home.dir={home}")]);
    command.extend(["-cp".to_owned(), classpath.to_owned()]);
    command
}

const POM: &str = include_str!("../../java/pom.xml");
const RESOLVER: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pom_names_the_version_that_results_name() {
        assert!(POM.contains(&format!("<rocketmq.version>{VERSION}</rocketmq.version>")));
    }
}
