//! The sources of a server's configuration, in their order.
//!
//! Flag > environment > runtime overlay > file > default; `NAMESRV_ADDR` yields to the file, as with RocketMQ.

use std::path::Path;

use broker::config::{BrokerConfig, Host};
use namesrv::config::NamesrvConfig;
use settings::{Entry, Origin, Resolved, Settings, environment, override_entry, read_file};

use crate::failure::Failure;

/// Variables of ours that are no keys.
pub(crate) const NO_KEYS: &[&str] = &["RINGMQ_RUN_DIR"];

/// The file of remote changes, in the store directory. Written by the broker, never by hand.
const OVERLAY: &str = "runtime.toml";

/// The broker's configuration. `namesrv` is the flag `-n`.
///
/// # Errors
/// [`Failure::Configuration`] with every problem, or [`Failure::File`].
pub(crate) fn broker(
    file: Option<&Path>,
    set: &[String],
    namesrv: Option<&str>,
) -> Result<Resolved<BrokerConfig>, Failure> {
    let mut above = environment::<BrokerConfig>(variables(), NO_KEYS);
    above.extend(overrides(set)?);
    above.extend(namesrv.map(|addresses| Entry {
        key: "namesrv".to_owned(),
        value: addresses.to_owned(),
        origin: Origin::Flag("-n".to_owned()),
    }));
    let mut below = Vec::new();
    if let Ok(addresses) = std::env::var("NAMESRV_ADDR")
        && !addresses.trim().is_empty()
    {
        let origin = Origin::Environment("NAMESRV_ADDR".to_owned());
        below.push(Entry { key: "namesrv".to_owned(), value: addresses, origin });
    }
    below.extend(file.map(read_file).transpose()?.unwrap_or_default());
    let all = |overlay: &[Entry]| [below.as_slice(), overlay, above.as_slice()].concat();
    let host = Host::read();
    let resolved = broker::config::load(&all(&[]), &host)?;
    let overlay = overlay(&resolved.config.store_dir.join(OVERLAY))?;
    if overlay.is_empty() { Ok(resolved) } else { Ok(broker::config::load(&all(&overlay), &host)?) }
}

/// The name server's configuration.
///
/// # Errors
/// As [`broker()`].
pub(crate) fn namesrv(file: Option<&Path>, set: &[String]) -> Result<Resolved<NamesrvConfig>, Failure> {
    let mut all = file.map(read_file).transpose()?.unwrap_or_default();
    all.extend(environment::<NamesrvConfig>(variables(), NO_KEYS));
    all.extend(overrides(set)?);
    Ok(namesrv::config::load(&all)?)
}

/// Says on stderr what has no effect, one line per reason.
pub(crate) fn print_notes<C: Settings>(resolved: &Resolved<C>) {
    let mut reasons: Vec<&str> = resolved.notes.iter().map(|note| note.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for reason in reasons {
        let keys: Vec<String> = resolved
            .notes
            .iter()
            .filter(|note| note.reason == reason)
            .map(|note| format!("{}={} ({})", note.key, note.value, note.origin))
            .collect();
        eprintln!("note: {reason}\n  keys   {}", keys.join(", "));
    }
}

fn overrides(set: &[String]) -> Result<Vec<Entry>, Failure> {
    set.iter().map(|pair| override_entry(pair, "--set").map_err(Failure::from)).collect()
}

/// Only variables that are text: a key cannot be anything else.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn overlay(path: &Path) -> Result<Vec<Entry>, Failure> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let entries = read_file(path)?;
    Ok(entries.into_iter().map(|entry| Entry { origin: Origin::Overlay, ..entry }).collect())
}
