//! What goes to stdout: rows as a table for people, or as JSON, CSV, TSV for programs.
//!
//! Nothing is truncated or coloured; only the answer goes to stdout.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// An array of objects.
    Json,
    /// RFC 4180.
    Csv,
    /// Tabs between, no quotes; tabs and line breaks in values become blanks.
    Tsv,
}

/// An answer: columns and rows of JSON values.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No rows yet. Column names are the keys of the JSON objects.
    #[must_use]
    pub(crate) fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has another number of values than there are columns.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Writes all rows to stdout.
    ///
    /// # Errors
    /// What stdout says.
    pub(crate) fn print(&self, format: Format) -> io::Result<()> {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let mut out = io::BufWriter::new(stdout.lock());
        out.write_all(self.render(format, terminal).as_bytes())?;
        out.flush()
    }

    fn render(&self, format: Format, terminal: bool) -> String {
        match format {
            Format::Table => self.table(terminal),
            Format::Json => self.json(),
            Format::Csv => self.separated(",", csv_cell),
            Format::Tsv => self.separated("\t", |cell| cell.replace(['\t', '\n', '\r'], " ")),
        }
    }

    fn table(&self, terminal: bool) -> String {
        let mut table = Table::new();
        // On a terminal cells may wrap to its width; a pipe gets every row on one line.
        let arrangement = if terminal { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.load_style(presets::NOTHING).set_content_arrangement(arrangement);
        table.set_header(self.columns.iter().map(|name| name.to_uppercase().replace('_', " ")));
        for row in &self.rows {
            table.add_row(row.iter().map(text));
        }
        let lines: Vec<String> = table
            .lines()
            .map(|line| line.trim_end().strip_prefix(' ').unwrap_or_default().to_owned())
            .collect();
        let mut text = lines.join("\n");
        text.push('\n');
        text
    }

    fn json(&self) -> String {
        let object = |row: &Vec<Value>| -> Value {
            let pairs = self.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(pairs.collect::<Map<String, Value>>())
        };
        let all: Vec<Value> = self.rows.iter().map(object).collect();
        let mut text = serde_json::to_string_pretty(&all).expect("JSON values always have a text");
        text.push('\n');
        text
    }

    fn separated(&self, separator: &str, cell: impl Fn(&str) -> String) -> String {
        let mut lines = vec![self.columns.join(separator)];
        lines.extend(self.rows.iter().map(|row| {
            let cells: Vec<String> = row.iter().map(|value| cell(&text(value))).collect();
            cells.join(separator)
        }));
        let mut text = lines.join("\n");
        text.push('\n');
        text
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn csv_cell(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// Writes one line to stdout.
///
/// # Errors
/// What stdout says; a reader that went away is a `BrokenPipe`.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes one line to stderr, beside the answer. Nobody may be reading it: that ends no work.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Rows {
        let mut rows = Rows::new(&["name", "queue_count"]);
        rows.push(vec!["a,\"b\"".into(), 8.into()]);
        rows.push(vec!["c".into(), Value::Null]);
        rows
    }

    #[test]
    fn every_format_shows_every_row_whole() {
        assert_eq!(sample().render(Format::Csv, false), "name,queue_count\n\"a,\"\"b\"\"\",8\nc,\n");
        assert_eq!(sample().render(Format::Tsv, false), "name\tqueue_count\na,\"b\"\t8\nc\t\n");
        let json: Value = serde_json::from_str(&sample().render(Format::Json, false)).unwrap();
        assert_eq!(json[0]["queue_count"], 8);
        let table = sample().render(Format::Table, false);
        assert_eq!(table, "NAME   QUEUE COUNT\na,\"b\"  8\nc\n");
    }

    #[test]
    fn a_table_in_a_pipe_has_one_line_per_row() {
        let mut rows = Rows::new(&["text"]);
        rows.push(vec!["long ".repeat(200).into()]);
        assert_eq!(rows.render(Format::Table, false).lines().count(), 2);
    }
}
