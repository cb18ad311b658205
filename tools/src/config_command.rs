//! `ringmq config show` and `config explain`.

use broker::config::BrokerConfig;
use namesrv::config::NamesrvConfig;
use settings::{JavaClass, JavaKeys, Limits, Resolved, Settings, closest};

use crate::cli::{ConfigCommand, Server};
use crate::failure::Failure;
use crate::output::{Format, Rows, line};
use crate::sources;

/// Runs it.
///
/// # Errors
/// What is wrong with the configuration, or an unknown key.
pub(crate) fn run(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show { config, set, origin, server: Server::Broker, output } => {
            let resolved = sources::broker(config.as_deref(), &set, None)?;
            show(&resolved, origin, output)
        }
        ConfigCommand::Show { config, set, origin, server: Server::Namesrv, output } => {
            show(&sources::namesrv(config.as_deref(), &set)?, origin, output)
        }
        ConfigCommand::Explain { key: Some(key), server: Server::Broker, .. } => {
            explain::<BrokerConfig>(&key, broker::config::java_keys())
        }
        ConfigCommand::Explain { key: Some(key), server: Server::Namesrv, .. } => {
            explain::<NamesrvConfig>(&key, namesrv::config::java_keys())
        }
        ConfigCommand::Explain { key: None, server: Server::Broker, output } => list::<BrokerConfig>(output),
        ConfigCommand::Explain { key: None, server: Server::Namesrv, output } => {
            list::<NamesrvConfig>(output)
        }
    }
}

fn show<C: Settings>(resolved: &Resolved<C>, origin: bool, output: Format) -> Result<(), Failure> {
    sources::print_notes(resolved);
    Ok(origin_rows(resolved, origin).print(output)?)
}

/// Every key with its value and, if asked for, where it comes from.
pub(crate) fn origin_rows<C: Settings>(resolved: &Resolved<C>, origin: bool) -> Rows {
    let mut rows = if origin { Rows::new(&["key", "value", "origin"]) } else { Rows::new(&["key", "value"]) };
    for (key, value, from) in resolved.rows() {
        let mut row = vec![key.name.into(), value.into()];
        if origin {
            row.push(from.to_string().into());
        }
        rows.push(row);
    }
    rows
}

fn list<C: Settings>(output: Format) -> Result<(), Failure> {
    let mut rows = Rows::new(&["key", "rocketmq", "default", "unit", "applies", "about"]);
    for key in C::KEYS {
        let about = key.doc.trim().split(". ").next().unwrap_or_default().trim_end_matches('.');
        rows.push(vec![
            key.name.into(),
            key.java.into(),
            key.default.into(),
            key.unit.into(),
            key.applies.name().into(),
            about.into(),
        ]);
    }
    Ok(rows.print(output)?)
}

fn explain<C: Settings>(name: &str, java: &JavaKeys) -> Result<(), Failure> {
    if let Some(index) = C::find(name) {
        return explain_key::<C>(index);
    }
    if let Some(key) = java.find(name) {
        let fate = match key.class {
            JavaClass::Honoured => "honoured",
            JavaClass::Noted(reason) => reason,
            JavaClass::Refused(reason) => reason,
        };
        let verdict = if matches!(key.class, JavaClass::Refused(_)) {
            "refused unless at its default"
        } else {
            "accepted"
        };
        line(&format!("{} (RocketMQ, {})", key.name, key.owner))?;
        line(&format!("  type      {}", key.kind))?;
        line(&format!("  default   {}", if key.default.is_empty() { "none" } else { key.default }))?;
        line(&format!("  here      {verdict}: {fate}"))?;
        return Ok(());
    }
    let known = C::KEYS.iter().map(|key| key.name).chain(java.iter().map(|key| key.name));
    let near = closest(name, known);
    Err(Failure::Usage {
        what: format!(
            "unknown key \"{name}\"{}",
            near.map_or_else(String::new, |near| format!(", did you mean \"{near}\"?"))
        ),
        fix: "ringmq config explain lists every key; --server namesrv those of the name server".to_owned(),
    })
}

fn explain_key<C: Settings>(index: usize) -> Result<(), Failure> {
    let key = &C::KEYS[index];
    let limits = match key.limits {
        Limits::Any => String::new(),
        Limits::Within(low, high) => format!(", {low} to {high}"),
        Limits::OneOf(all) => {
            format!(", one of {}", all.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
        }
    };
    let unit = if key.unit.is_empty() { String::new() } else { format!(" in {}", key.unit) };
    line(key.name)?;
    for part in wrap(key.doc.trim(), 96) {
        line(&format!("  {part}"))?;
    }
    line(&format!("  value     {}{unit}{limits}", C::kind(index)))?;
    line(&format!("  default   {}", if key.default.is_empty() { "empty" } else { key.default }))?;
    line(&format!("  applies   {}", key.applies.name()))?;
    if !key.java.is_empty() {
        line(&format!("  RocketMQ  {}", key.java))?;
    }
    line(&format!("  variable  {}", key.variable()))?;
    Ok(())
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let current = lines.last_mut().expect("there is always a current line");
        if !current.is_empty() && current.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_and_loses_none() {
        let text = "one two three four five six seven";
        let lines = wrap(text, 10);
        assert!(lines.iter().all(|line| line.len() <= 10));
        assert_eq!(lines.join(" "), text);
    }
}
