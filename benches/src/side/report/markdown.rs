//! Rows as they are read: tables in Markdown.

use std::fmt::Write;

use super::{INVALID, OVERLOADED, Row};

/// Rows as Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| scenario | beside | figure | theirs | RingMQ | times better (range) | target | met | disturbed |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    let mut last = ("", "");
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), number);
    for row in rows {
        let name = if row.title == last.0 { "" } else { &row.title };
        let rival = if (row.title.as_str(), row.rival.as_str()) == last { "" } else { &row.rival };
        let _ = writeln!(
            text,
            "| {name} | {rival} | {} | {} | {} | {} | {} | {} | {} |",
            row.figure,
            shown(row.theirs),
            shown(row.ours),
            row.ratio,
            row.target,
            row.met,
            if row.disturbed > 0 { format!("{} of {}", row.disturbed, row.runs) } else { String::new() },
        );
        last = (&row.title, &row.rival);
    }
    text
}

/// For the README: the rows that stand for all. Ratios to a rival that could not keep up say nothing.
pub(crate) fn headline(rows: &[Row]) -> String {
    let mut text = String::from(
        "| 1 KiB messages | beside | figure | theirs | RingMQ | times better |\n|---|---|---|---|---|---|\n",
    );
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), number);
    let speaks = |row: &&Row| row.headline && row.met != INVALID && !row.rival.ends_with(OVERLOADED);
    for row in rows.iter().filter(speaks) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            row.title,
            row.rival,
            row.figure,
            shown(row.theirs),
            shown(row.ours),
            row.ratio
        );
    }
    text
}

/// Three digits that matter, with separators.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value < 100.0 {
        return format!("{value:.*}", if value < 10.0 { 2 } else { 1 });
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let shown = [0.5, 12.34, 999.6, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.50", "12.3", "1,000", "1,234,567"]);
        assert_eq!(number(f64::NAN), "-");
    }
}
