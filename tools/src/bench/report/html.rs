//! report.html: one file without script or network. Percentiles by nines, rate and latency over time, facts.
//!
//! Each chart is drawn for a wide and for a narrow window; the style sheet shows one of them, so that text keeps its size.

use std::fmt::Write;

use serde_json::Value;

use crate::bench::summary::Summary;
use crate::bench::units::grouped;

use super::chart::{Chart, escape};

use self::charts::{over_time, percentiles, rates};
use self::tables::table;

mod charts;
mod tables;

/// The page of one run, or of several laid over each other, each with its name. `sides` are the numbers of runs that belong
/// together, in their order: their lines have one colour, and a pattern each.
#[must_use]
pub fn page(runs: &[(String, &Summary)], sides: &[usize]) -> String {
    let title = match runs {
        [(_, run)] => format!("ringmq bench {}", run.kind),
        _ => format!("ringmq bench: {} runs", runs.len()),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n<h1>{}</h1>\n",
        escape(&title),
        escape(&title)
    );
    for (name, run) in runs {
        page.push_str(&verdict(name, run, runs.len() > 1));
    }
    page.push_str(&table(runs));
    page.push_str(&section("Latency by percentile", &percentiles(runs, sides)));
    page.push_str(&section("Rate over time", &rates(runs, sides)));
    page.push_str(&section("Latency over time", &over_time(runs, sides)));
    for (name, run) in runs {
        page.push_str(&facts(name, run, runs.len() == 1));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn section(title: &str, chart: &Chart) -> String {
    if chart.is_empty() {
        return format!("<section class=\"chart\">\n<h2>{title}</h2>\n<p>{NOTHING}</p>\n</section>\n");
    }
    format!(
        "<section class=\"chart\">\n<h2>{title}</h2>\n{}<div class=\"wide\">{}</div><div class=\"narrow\">{}</div>\n</section>\n",
        chart.legend(),
        chart.svg(WIDE),
        chart.svg(NARROW)
    )
}

fn verdict(name: &str, run: &Summary, named: bool) -> String {
    let parameters = &run.parameters;
    let rate = parameters
        .rate
        .map_or("at full speed".to_owned(), |rate| format!("at {}/s {}", grouped(rate), parameters.arrivals));
    let prefix = if named { format!("<b>{}</b>: ", escape(name)) } else { String::new() };
    let flush = run.flush.as_ref().map_or(String::new(), |flush| format!(", {}", escape(flush)));
    let mut text = format!(
        "<p class=\"run\">{prefix}{} <span class=\"{}\">{}</span> {:.0} s {rate}, {} B bodies, {} queues{flush}. <time>{}</time></p>\n",
        run.kind,
        if run.valid { "valid" } else { "invalid" },
        if run.valid { "VALID" } else { "INVALID" },
        run.seconds,
        grouped(parameters.body_bytes),
        parameters.queues,
        escape(&run.started_at),
    );
    if !run.reasons.is_empty() || !run.remarks.is_empty() {
        text.push_str("<ul class=\"reasons\">\n");
        for reason in &run.reasons {
            let _ = writeln!(text, "<li class=\"bad\">{}</li>", escape(&reason.text));
        }
        for remark in &run.remarks {
            let _ = writeln!(text, "<li>{}</li>", escape(remark));
        }
        text.push_str("</ul>\n");
    }
    glued(&text)
}

/// A count keeps its groups of digits, and its sign of per cent, on one line.
fn glued(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let behind_digit = out.ends_with(|last: char| last.is_ascii_digit());
        let goes_on = rest.peek().is_some_and(|follows| follows.is_ascii_digit() || *follows == '%');
        out.push(if next == ' ' && behind_digit && goes_on { '\u{a0}' } else { next });
    }
    out
}

/// Where the figures come from.
fn facts(name: &str, run: &Summary, alone: bool) -> String {
    let title =
        if alone { "How it was measured".to_owned() } else { format!("How {} was measured", escape(name)) };
    let mut text = format!("<details{}><summary>{title}</summary>\n<dl>\n", if alone { " open" } else { "" });
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value));
        }
    };
    let of_host = |key: &str| match &run.host[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    fact("command", run.command.join(" "));
    fact("seed", run.seed.to_string());
    fact("version", format!("{} {}", run.version, run.commit.clone().unwrap_or_default()));
    fact("brokers", run.brokers.join(", "));
    fact("layout", run.layout.clone());
    let what = &run.parameters;
    fact(
        "connections",
        format!(
            "{} to each broker, {} in flight each, {} header",
            what.connections, what.inflight, what.header
        ),
    );
    fact("CPU", format!("{}, {} cores", of_host("cpu"), of_host("cores")));
    for key in ["memory", "kernel", "command_line", "governor", "transparent_huge_pages", "clock_source"] {
        let name =
            if key == "command_line" { "kernel command line".to_owned() } else { key.replace('_', " ") };
        fact(&name, of_host(key));
    }
    let mount = &run.host["filesystem"];
    let part = |key: &str| mount[key].as_str().unwrap_or_default().to_owned();
    if !mount.is_null() {
        fact("filesystem", format!("{} on {}, {}", part("type"), part("device"), part("options")));
    }
    fact("tune check", tuned(&run.host["tune"]));
    for (name, value) in &run.tags {
        fact(name, value.clone());
    }
    for failed in &run.errors {
        fact("errors", format!("{} x {} {}: {}", failed.count, failed.code, failed.name, failed.remark));
    }
    text.push_str("</dl>\n</details>\n");
    text
}

/// What of the host is not as wanted; nothing for a result from before it was asked.
fn tuned(tune: &Value) -> String {
    let Some(rows) = tune["findings"].as_array() else { return String::new() };
    let of = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let rows = rows
        .iter()
        .filter(|row| row["severity"] != "info")
        .map(|row| format!("{} {} (wanted {})", of(row, "knob"), of(row, "current"), of(row, "wanted")));
    let counts = format!("{} fatal, {} to warn of, {} to know", tune["fatal"], tune["warn"], tune["info"]);
    [counts].into_iter().chain(rows).collect::<Vec<_>>().join("; ")
}

const NOTHING: &str = "Nothing was answered in the measured time.";
const WIDE: f64 = 900.0;
const NARROW: f64 = 360.0;

/// Colours of lines are told apart by lightness too, and lines of one run by their pattern.
const STYLE: &str = include_str!("report.css");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::summary;

    #[test]
    fn a_count_is_not_broken_over_lines() {
        let glue = "12\u{a0}000\u{a0}000 of 4 queues, 5\u{a0}% at 3 B";
        assert_eq!(glued("12 000 000 of 4 queues, 5 % at 3 B"), glue);
    }

    #[test]
    fn a_run_that_measured_nothing_says_so_instead_of_drawing_it() {
        let mut empty = summary("produce", 1.0);
        empty.latency = crate::bench::summary::Latency::default();
        empty.valid = false;
        let full = summary("produce", 2.0);
        let alone = page(&[("a".to_owned(), &empty)], &[1]);
        assert!(alone.contains(NOTHING) && alone.matches("<svg viewBox").count() == 4, "{alone}");
        let both = page(&[("a".to_owned(), &empty), ("b".to_owned(), &full)], &[1, 1]);
        let row = "<tr><th class=\"bad\">a</th><th>–</th><td class=\"none\" colspan=\"8\">";
        assert!(both.contains(row), "a run without latencies keeps its row, in red if it is INVALID: {both}");
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere_and_shows_every_run() {
        let (one, two) = (summary("produce", 1.0), summary("produce", 2.0));
        let page = page(&[("a<b".to_owned(), &one), ("second".to_owned(), &two)], &[1, 1]);
        for foreign in ["http:", "https:", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("a&lt;b") && page.contains("second") && !page.contains("a<b"));
        assert_eq!(page.matches("<svg viewBox").count(), 6);
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    }
}
