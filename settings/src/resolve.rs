//! Sources laid over each other, into a struct with an origin for each key.

use crate::{Entry, JavaClass, JavaKeys, Key, Note, Origin, Problem, Settings, closest};

/// A configuration that was understood.
#[derive(Clone, Debug)]
pub struct Resolved<C> {
    /// The values.
    pub config: C,
    /// Where each of them was set, in the order of [`Settings::KEYS`].
    pub origins: Vec<Origin>,
    /// What has no effect, and why. Printed at start.
    pub notes: Vec<Note>,
}

impl<C: Settings> Resolved<C> {
    /// The origin of the key with this native name.
    ///
    /// # Panics
    /// If there is no such key.
    #[must_use]
    pub fn origin(&self, name: &str) -> &Origin {
        &self.origins[C::find(name).expect("asked for a key of the table")]
    }

    /// Sets a key that the server chose itself.
    ///
    /// # Panics
    /// If there is no such key or it cannot have this value: both are ours to get right.
    pub fn found(&mut self, name: &str, value: &str, how: &'static str) {
        let index = C::find(name).expect("found a value for a key of the table");
        self.config.set(index, value).expect("what was found is a value of its key");
        self.origins[index] = Origin::Found(how);
    }

    /// Every key with its value and origin.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Key, String, &Origin)> {
        C::KEYS
            .iter()
            .zip(&self.origins)
            .enumerate()
            .map(|(at, (key, origin))| (key, self.config.show(at), origin))
    }
}

/// Applies `entries` in order, later ones winning.
///
/// # Errors
/// Every [`Problem`] there is, not only the first.
pub fn resolve<C: Settings>(java: &JavaKeys, entries: &[Entry]) -> Result<Resolved<C>, Vec<Problem>> {
    let mut resolved =
        Resolved { config: C::default(), origins: vec![Origin::Default; C::KEYS.len()], notes: Vec::new() };
    let mut problems = Vec::new();
    for entry in entries {
        if let Err(problem) = apply(&mut resolved, java, entry) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn apply<C: Settings>(resolved: &mut Resolved<C>, java: &JavaKeys, entry: &Entry) -> Result<(), Problem> {
    if let Some(index) = C::find(&entry.key) {
        return set(resolved, index, entry);
    }
    let Some(known) = java.find(&entry.key) else {
        return Err(unknown::<C>(java, entry));
    };
    if known.is_default(&entry.value) {
        return Ok(());
    }
    match known.class {
        JavaClass::Honoured => unreachable!("a test holds that every honoured name is a key"),
        JavaClass::Noted(reason) => {
            let note = Note {
                key: entry.key.clone(),
                value: entry.value.clone(),
                origin: entry.origin.clone(),
                reason: reason.to_owned(),
            };
            resolved.notes.push(note);
            Ok(())
        }
        JavaClass::Refused(reason) => Err(Problem {
            code: "E0105",
            what: format!("{}={}{}: {reason}", entry.key, entry.value, place(&entry.origin)),
            marked: entry.value.as_str().into(),
            origin: entry.origin.clone(),
            fix: if known.default.is_empty() {
                "remove the key".to_owned()
            } else {
                format!("remove the key or write {}={}", entry.key, known.default)
            },
        }),
    }
}

fn set<C: Settings>(resolved: &mut Resolved<C>, index: usize, entry: &Entry) -> Result<(), Problem> {
    let key = &C::KEYS[index];
    resolved.config.set(index, entry.value.trim()).map_err(|rejection| Problem {
        code: "E0104",
        what: format!("\"{}\" cannot be \"{}\"{}: {rejection}", entry.key, entry.value, place(&entry.origin)),
        marked: entry.value.as_str().into(),
        origin: entry.origin.clone(),
        fix: format!(
            "{} takes {}{}; the default is {}",
            entry.key,
            C::kind(index),
            if key.unit.is_empty() { String::new() } else { format!(" in {}", key.unit) },
            if key.default.is_empty() { "empty" } else { key.default }
        ),
    })?;
    let both_files =
        |old: &Origin| matches!((old, &entry.origin), (Origin::File { .. }, Origin::File { .. }));
    if both_files(&resolved.origins[index]) {
        let note = Note {
            key: entry.key.clone(),
            value: entry.value.clone(),
            origin: entry.origin.clone(),
            reason: format!("set before at {}; the last one counts", resolved.origins[index]),
        };
        resolved.notes.push(note);
    }
    resolved.origins[index] = entry.origin.clone();
    Ok(())
}

fn unknown<C: Settings>(java: &JavaKeys, entry: &Entry) -> Problem {
    let ours = C::KEYS.iter().map(|key| key.name);
    let javas = java.iter().map(|key| key.name);
    let near = match &entry.origin {
        Origin::Environment(_) => closest(&entry.key, ours),
        _ => closest(&entry.key, ours.chain(javas)),
    };
    let written = match &entry.origin {
        Origin::Environment(name) => name.clone(),
        _ => entry.key.clone(),
    };
    let suggested = near.map(|near| match &entry.origin {
        Origin::Environment(_) => {
            C::find(near).map_or_else(|| near.to_owned(), |index| C::KEYS[index].variable())
        }
        _ => near.to_owned(),
    });
    let hint = suggested.as_ref().map_or_else(String::new, |near| format!(", did you mean \"{near}\"?"));
    Problem {
        code: "E0103",
        what: format!("unknown key \"{written}\"{}{hint}", place(&entry.origin)),
        marked: entry.key.rsplit('.').next().unwrap_or_default().into(),
        fix: suggested.map_or_else(
            || "remove it; `ringmq config explain` lists every key".to_owned(),
            |near| format!("write {near}, or remove it"),
        ),
        origin: entry.origin.clone(),
    }
}

/// " at broker.conf:7", or the flag or variable.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::File { path, line, .. } => format!(" at {}:{line}", path.display()),
        Origin::Environment(_) => " in the environment".to_owned(),
        Origin::Flag(flag) => format!(" in {flag}"),
        Origin::Overlay => " in the runtime overlay".to_owned(),
        Origin::Default | Origin::Found(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{ANY, Applies, environment, from_text, override_entry, within};

    crate::settings! {
        /// A small table.
        struct Small {
            /// Name.
            name: String = "broker-a", "name", "brokerName", "", Restart, ANY;
            /// Size of the window.
            window: u32 = "64", "store.window_mib", "", "MiB", Restart, within(16, 4096);
            /// Address to tell clients.
            advertise: Option<String> = "auto", "listen.advertise", "brokerIP1", "", Hot, ANY;
        }
    }

    fn java() -> JavaKeys {
        JavaKeys::parse(
            "broker\tbrokerName\tString\t\t-\nbroker\tbrokerIP1\tString\t\t-\nstore\twarm\tboolean\tfalse\tnote:w\nstore\tlmq\tboolean\tfalse\trefuse:l\n",
            &[("w", "nothing is mapped"), ("l", "not built")],
        )
    }

    fn conf(text: &str) -> Vec<Entry> {
        from_text(Path::new("broker.conf"), text).unwrap()
    }

    #[test]
    fn a_later_source_wins_and_its_origin_is_kept() {
        let mut entries = conf("brokerName=x\nstore.window_mib=128\n");
        entries.extend(environment::<Small>(
            [("RINGMQ_STORE__WINDOW_MIB".to_owned(), "256".to_owned())].into_iter(),
            &[],
        ));
        entries.push(override_entry("name=y", "--set").unwrap());
        let resolved = resolve::<Small>(&java(), &entries).unwrap();
        assert_eq!((resolved.config.name.as_str(), resolved.config.window), ("y", 256));
        assert_eq!(resolved.origin("name").to_string(), "flag --set name=y");
        assert_eq!(resolved.origin("store.window_mib").to_string(), "environment RINGMQ_STORE__WINDOW_MIB");
        assert_eq!(resolved.origin("listen.advertise"), &Origin::Default);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_name() {
        let problems = resolve::<Small>(&java(), &conf("a\nbrokerIp1=10.0.0.5\n")).unwrap_err();
        assert!(problems[0].what.starts_with("unknown key \"a\" at broker.conf:1"));
        assert_eq!(
            problems[1].what,
            "unknown key \"brokerIp1\" at broker.conf:2, did you mean \"brokerIP1\"?"
        );
        let variable =
            environment::<Small>([("RINGMQ_STORE__WINDOW".to_owned(), "1".to_owned())].into_iter(), &[]);
        let problems = resolve::<Small>(&java(), &variable).unwrap_err();
        assert!(problems[0].what.contains("did you mean \"RINGMQ_STORE__WINDOW_MIB\"?"), "{}", problems[0]);
    }

    #[test]
    fn a_value_out_of_range_names_range_unit_and_default() {
        let problems = resolve::<Small>(&java(), &conf("store.window_mib=8\n")).unwrap_err();
        let text = problems[0].to_string();
        assert!(text.contains("broker.conf:1"), "{text}");
        assert!(text.contains("from 16 to 4096"), "{text}");
        assert!(text.contains("whole number in MiB; the default is 64"), "{text}");
    }

    #[test]
    fn a_java_key_at_its_default_passes_in_silence_and_otherwise_by_its_class() {
        let quiet = resolve::<Small>(&java(), &conf("warm=FALSE\nlmq=false\n")).unwrap();
        assert!(quiet.notes.is_empty());
        let noted = resolve::<Small>(&java(), &conf("warm=true\n")).unwrap();
        assert_eq!(noted.notes[0].to_string(), "note: warm=true (broker.conf:1): nothing is mapped");
        let refused = resolve::<Small>(&java(), &conf("lmq=true\n")).unwrap_err();
        assert!(refused[0].to_string().contains("lmq=true at broker.conf:1: not built"));
    }

    #[test]
    fn a_key_set_twice_in_files_is_noted_and_the_last_one_counts() {
        let resolved = resolve::<Small>(&java(), &conf("brokerName=x\nname=y\n")).unwrap();
        assert_eq!(resolved.config.name, "y");
        assert_eq!(resolved.notes.len(), 1);
    }

    #[test]
    fn the_table_knows_when_a_key_applies() {
        assert_eq!(Small::KEYS[2].applies, Applies::Hot);
        assert_eq!(Small::KEYS[1].variable(), "RINGMQ_STORE__WINDOW_MIB");
    }
}
