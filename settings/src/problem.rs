//! What is wrong with a configuration, where, and what to write instead.

use std::fmt;

use crate::Origin;

/// Something that stops the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code, for `ringmq explain`.
    pub code: &'static str,
    /// What is wrong, with the place if it is in a file.
    pub what: String,
    /// The words to mark in the line, if they stand in it.
    pub marked: Box<str>,
    /// Where.
    pub origin: Origin,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.what)?;
        if let Origin::File { line, text, .. } = &self.origin
            && !text.is_empty()
        {
            let number = line.to_string();
            let shown: String =
                text.chars().take(LINE_SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
            write!(f, "\n  {number} | {shown}")?;
            if let Some(at) = shown.find(&*self.marked).filter(|_| !self.marked.is_empty()) {
                let before = shown[..at].chars().count();
                let carets = "^".repeat(self.marked.chars().count());
                write!(f, "\n  {:width$} | {:before$}{carets}", "", "", width = number.len())?;
            }
        }
        if !self.fix.is_empty() {
            write!(f, "\n  fix    {}", self.fix)?;
        }
        Ok(())
    }
}

/// Longer lines are cut in messages.
const LINE_SHOWN_MAX: usize = 160;

/// A key that was understood but has no effect here, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The key as written.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
    /// Why it has no effect, or what was made of it.
    pub reason: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "note: {}={} ({}): {}", self.key, self.value, self.origin, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_marked_words_get_carets_below_them() {
        let problem = Problem {
            code: "E0104",
            what: "x".to_owned(),
            marked: "ture".into(),
            origin: Origin::File {
                path: Arc::from(Path::new("broker.conf")),
                line: 12,
                text: Arc::from("traceOn = ture"),
            },
            fix: "write traceOn=true".to_owned(),
        };
        assert_eq!(
            problem.to_string(),
            "error[E0104]: x\n  12 | traceOn = ture\n     |           ^^^^\n  fix    write traceOn=true"
        );
    }
}
