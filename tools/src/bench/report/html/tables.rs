//! The tables of a page: latencies, and what else was counted.

use std::fmt::Write;

use crate::bench::report::chart::escape;
use crate::bench::report::line::{latencies, short};
use crate::bench::summary::{Distribution, Summary};
use crate::bench::units::grouped;

/// Both, a row or more for each run.
pub(super) fn table(runs: &[(String, &Summary)]) -> String {
    let named = runs.len() > 1;
    let mut text = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    let titles = ["latency, ms", "p50", "p90", "p99", "p99.9", "p99.99", "max", "mean", "samples"];
    if named {
        text.push_str("<th class=\"key\">run</th>");
    }
    for title in titles {
        let class = if title == titles[0] { " class=\"key\"" } else { "" };
        let _ = write!(text, "<th{class}>{title}</th>");
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for (name, run) in runs {
        let head = if named { head(name, run) } else { String::new() };
        let all = latencies(run);
        for (which, latency) in &all {
            let _ = writeln!(text, "<tr>{head}<th>{which}</th>{}</tr>", cells(latency));
        }
        if all.is_empty() {
            let _ = writeln!(
                text,
                "<tr>{head}<th>–</th><td class=\"none\" colspan=\"8\">nothing measured</td></tr>"
            );
        }
    }
    text.push_str("</tbody></table></div>\n");
    text.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    if named {
        text.push_str("<th class=\"key\">run</th>");
    }
    for title in [
        "messages/s",
        "MiB/s",
        "failed requests",
        "broker CPU, µs/message",
        "generator CPU",
        "lag p99.9, ms",
        "verified",
    ] {
        let _ = write!(text, "<th>{title}</th>");
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for (name, run) in runs {
        text.push_str("<tr>");
        if named {
            text.push_str(&head(name, run));
        }
        let verified = run.verify.map_or("–".to_owned(), |found| {
            format!("{} lost, {} twice, {} out of order", found.lost, found.duplicates, found.reordered)
        });
        let lag = run.latency.lag.as_ref().and_then(|lag| lag.at("p99.9")).map_or("–".to_owned(), short);
        let _ = writeln!(
            text,
            "<td>{}</td><td>{:.1}</td><td>{}</td><td>{}</td><td>{:.0} %</td><td>{lag}</td><td class=\"words\">{verified}</td></tr>",
            grouped(run.rates.messages_per_second),
            run.rates.bytes_per_second / f64::from(1 << 20),
            grouped(run.error_count() as f64),
            run.cpu.broker_us_per_message.map_or("–".to_owned(), |each| format!("{each:.2}")),
            run.cpu.generator_seconds * 100.0 / run.seconds.max(1e-9),
        );
    }
    text.push_str("</tbody></table></div>\n");
    text
}

/// The run's name; an INVALID one's in red.
fn head(name: &str, run: &Summary) -> String {
    format!("<th{}>{}</th>", if run.valid { "" } else { " class=\"bad\"" }, escape(name))
}

fn cells(latency: &Distribution) -> String {
    let mut text = String::new();
    for percentile in ["p50", "p90", "p99", "p99.9", "p99.99"] {
        let value = latency.at(percentile).map_or("–".to_owned(), short);
        let _ = write!(text, "<td>{value}</td>");
    }
    let _ = write!(
        text,
        "<td>{}</td><td>{}</td><td>{}</td>",
        short(latency.max),
        short(latency.mean),
        grouped(latency.count as f64)
    );
    text
}
