//! TOML with spans: nested tables become dotted keys, lists are joined by `;`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::source::Place;
use crate::{Entry, Problem};

pub(crate) fn parse(text: &str, place: &Place) -> Result<Vec<Entry>, Problem> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        Problem {
            code: "E0102",
            what: format!("not TOML at {}:{line}: {}", place.path.display(), error.message()),
            marked: "".into(),
            origin: place.at(line),
            fix: "texts need quotes, lists brackets; Java properties need a name that does not end in .toml"
                .to_owned(),
        }
    })?;
    let mut entries = Vec::new();
    walk("", table.get_ref(), &mut |key, at, value| {
        entries.push(Entry { key, value, origin: place.at(line_of(text, at)) });
    })
    .map_err(|odd| Problem {
        code: "E0104",
        what: format!(
            "the value of \"{}\" at {}:{} is {}",
            odd.key,
            place.path.display(),
            line_of(text, odd.at),
            odd.kind
        ),
        marked: odd.key.into(),
        origin: place.at(line_of(text, odd.at)),
        fix: "write a text, a number, true, false or a list of texts".to_owned(),
    })?;
    Ok(entries)
}

/// A value that no key can have.
struct Odd {
    key: String,
    at: usize,
    kind: &'static str,
}

fn walk(prefix: &str, table: &DeTable<'_>, found: &mut impl FnMut(String, usize, String)) -> Result<(), Odd> {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        match value.get_ref() {
            DeValue::Table(inner) => walk(&key, inner, found)?,
            DeValue::Array(items) => {
                let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
                let Some(texts) = texts else {
                    return Err(Odd {
                        key,
                        at: value.span().start,
                        kind: "a list of something other than texts and numbers",
                    });
                };
                found(key, name.span().start, texts.join(";"));
            }
            _ => match scalar(value) {
                Some(text) => found(key, name.span().start, text),
                None => return Err(Odd { key, at: value.span().start, kind: value.get_ref().type_str() }),
            },
        }
    }
    Ok(())
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    }
}

fn line_of(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    u32::try_from(before).unwrap_or(u32::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use crate::{Origin, from_text};

    fn read(text: &str) -> Vec<(String, String, u32)> {
        let entries = from_text(Path::new("ringmq.toml"), text).unwrap();
        entries
            .into_iter()
            .map(|entry| match entry.origin {
                Origin::File { line, .. } => (entry.key, entry.value, line),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn tables_lists_and_inline_tables_become_dotted_keys_with_their_lines() {
        let text = "name = \"a\"\nnamesrv = [\"h:1\",\n \"i:2\"]\nstore = { dir = \"/d\", window_mib = 0x40 }\n[flush]\nmode = \"sync\"\n";
        let mut got = read(text);
        got.sort_by_key(|(_, _, line)| *line);
        let want = [
            ("name", "a", 1),
            ("namesrv", "h:1;i:2", 2),
            ("store.dir", "/d", 4),
            ("store.window_mib", "64", 4),
            ("flush.mode", "sync", 6),
        ];
        assert_eq!(got, want.map(|(key, value, line)| (key.to_owned(), value.to_owned(), line)));
    }

    #[test]
    fn broken_toml_names_its_line() {
        let problem = from_text(Path::new("a.toml"), "name = \"a\"\nshards = \n").unwrap_err();
        assert!(problem.what.contains("a.toml:2"), "{}", problem.what);
    }

    #[test]
    fn a_date_is_no_value_of_ours() {
        let problem = from_text(Path::new("a.toml"), "name = 2026-01-01\n").unwrap_err();
        assert!(problem.to_string().contains("\"name\" at a.toml:1"), "{problem}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-z\\[\\]{}=.\",0-9\n #]{0,60}") {
            let _ = from_text(Path::new("a.toml"), &text);
        }
    }
}
