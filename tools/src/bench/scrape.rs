//! `--server-metrics URL`: what a broker's metrics page says, kept beside the result.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::failure::Failure;

/// Fetches `url` (plain HTTP).
///
/// # Errors
/// An address that is none, or does not answer 200.
pub(crate) fn get(url: &str) -> Result<String, Failure> {
    let (host, path) = parts(url)?;
    let fetched = fetch(host, path).map_err(|error| Failure::Unreachable {
        address: url.to_owned(),
        doing: "fetching the broker's metrics (--server-metrics)".to_owned(),
        cause: error.to_string(),
    })?;
    let (head, body) = fetched.split_once("\r\n\r\n").unwrap_or((&fetched, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(body.to_owned());
    }
    Err(Failure::Odd {
        address: url.to_owned(),
        doing: "fetching the broker's metrics (--server-metrics)".to_owned(),
        what: format!("it answers \"{status}\""),
    })
}

/// Host with port, and path.
///
/// # Errors
/// It is no such address.
pub(crate) fn parts(url: &str) -> Result<(&str, &str), Failure> {
    let rest = url.strip_prefix("http://").filter(|rest| !rest.is_empty()).ok_or_else(|| Failure::Usage {
        what: format!("--server-metrics {url:?} is no http:// address"),
        fix: "write for example --server-metrics http://10.0.0.5:5557/metrics".to_owned(),
    })?;
    let slash = rest.find('/').unwrap_or(rest.len());
    Ok((&rest[..slash], if slash == rest.len() { "/" } else { &rest[slash..] }))
}

fn fetch(host: &str, path: &str) -> std::io::Result<String> {
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut all = with_port.to_socket_addrs()?;
    let at = all.next().ok_or_else(|| std::io::Error::other("unknown host"))?;
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // 1.0, so that the answer comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// File names of what it says before and after the run.
pub(crate) const BEFORE: &str = "server-metrics-before.txt";
/// See [`BEFORE`].
pub(crate) const AFTER: &str = "server-metrics-after.txt";
const PATIENCE: Duration = Duration::from_secs(3);
const BYTES_MAX: u64 = 64 << 20;
