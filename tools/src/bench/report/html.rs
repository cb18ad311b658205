//! report.html: one file without script or network. Percentiles by nines, rate and latency over time, facts.
//!
//! Each chart is drawn for a wide and for a narrow window; the style sheet shows one of them, so that text keeps its size.

use std::fmt::Write;

use crate::bench::summary::{Distribution, Row, Summary};
use crate::bench::units::grouped;

use super::chart::{Axis, Chart, Scale, Series, escape};
use super::line::{latencies, short};

/// The page of one run, or of several laid over each other, each with its name.
#[must_use]
pub fn page(runs: &[(String, &Summary)]) -> String {
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
    page.push_str(&section("Latency by percentile", &percentiles(runs)));
    page.push_str(&section("Rate over time", &rates(runs)));
    page.push_str(&section("Latency over time", &over_time(runs)));
    for (name, run) in runs {
        page.push_str(&facts(name, run, runs.len() == 1));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn section(title: &str, chart: &Chart) -> String {
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
    text
}

fn table(runs: &[(String, &Summary)]) -> String {
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
        for (which, latency) in latencies(run) {
            text.push_str("<tr>");
            if named {
                let _ = write!(text, "<th>{}</th>", escape(name));
            }
            let _ = writeln!(text, "<th>{which}</th>{}</tr>", cells(latency));
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
            let _ = write!(text, "<th>{}</th>", escape(name));
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

/// One run: response and service. Several: what counts of each.
fn percentiles(runs: &[(String, &Summary)]) -> Chart {
    let mut series = Vec::new();
    let mut most: f64 = 90.0;
    for (at, (name, run)) in runs.iter().enumerate() {
        let single = latencies(run);
        let chosen: Vec<(String, &Distribution)> = if runs.len() == 1 {
            single.into_iter().map(|(which, latency)| (which.to_owned(), latency)).collect()
        } else {
            run.headline().map(|latency| (name.clone(), latency)).into_iter().collect()
        };
        for (line, (name, latency)) in chosen.into_iter().enumerate() {
            // Beyond the last sample there is nothing to draw.
            let last = 100.0 - 100.0 / latency.count.max(2) as f64;
            most = most.max(last);
            let points =
                latency.curve.iter().copied().map(|(percentile, ms)| (percentile.min(last), ms)).collect();
            let (colour, dash) =
                if runs.len() == 1 { (line, line) } else { (at, at / super::chart::COLOURS) };
            series.push(Series { name, colour, dash, points });
        }
    }
    let values =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect::<Vec<_>>();
    Chart {
        title: "Latency by percentile".to_owned(),
        x: Axis { label: "percentile".to_owned(), scale: Scale::Nines, from: 0.0, to: most },
        y: Axis::over("ms", Scale::Log, values.into_iter()),
        series,
        mark: None,
        shade_to: 0.0,
    }
}

fn rates(runs: &[(String, &Summary)]) -> Chart {
    let mut series = Vec::new();
    for (at, (name, run)) in runs.iter().enumerate() {
        let got = |row: &Row| {
            if run.kind == "consume" || run.kind == "e2e" { row.received } else { row.acknowledged }
        };
        // The rest of a second at the end is no second.
        let whole = run.intervals.iter().filter(|row| row.seconds * 2.0 > longest(run));
        let points = whole.map(|row| (row.at, got(row) as f64 / row.seconds)).collect();
        let points = thinned(points, |some| some.iter().sum::<f64>() / some.len() as f64);
        let what = match run.kind.as_str() {
            "consume" | "e2e" => "received",
            _ => "acknowledged",
        };
        let name = if runs.len() == 1 { what.to_owned() } else { name.clone() };
        series.push(Series { name, colour: at, dash: at / super::chart::COLOURS, points });
    }
    let target = match runs {
        [(_, run)] => run.parameters.rate,
        _ => None,
    };
    let values: Vec<f64> =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).chain(target).collect();
    Chart {
        title: "Rate over time".to_owned(),
        x: time(runs),
        y: Axis::over("messages/s", Scale::Linear, values.into_iter()),
        series,
        mark: target.map(|rate| (rate, "target".to_owned())),
        shade_to: warmup(runs),
    }
}

/// One run: p50, p99 and the maximum of each interval. Several: p99 of each.
fn over_time(runs: &[(String, &Summary)]) -> Chart {
    let points = |run: &Summary, of: Of| -> Vec<(f64, f64)> {
        let all =
            run.intervals.iter().map(|row| (row.at, of(row))).filter(|(_, value)| *value > 0.0).collect();
        // The worst of each part stays: a spike of one interval is what people look for.
        thinned(all, |some| some.iter().copied().fold(0.0, f64::max))
    };
    let lines: [(&str, Of); 3] = [("p50", |row| row.p50), ("p99", |row| row.p99), ("max", |row| row.max)];
    let series: Vec<Series> = match runs {
        [(_, run)] => lines
            .into_iter()
            .enumerate()
            .map(|(at, (name, of))| Series {
                name: name.to_owned(),
                colour: at,
                dash: at,
                points: points(run, of),
            })
            .collect(),
        _ => runs
            .iter()
            .enumerate()
            .map(|(at, (name, run))| Series {
                name: format!("{name} p99"),
                colour: at,
                dash: at / super::chart::COLOURS,
                points: points(run, lines[1].1),
            })
            .collect(),
    };
    let values: Vec<f64> =
        series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    Chart {
        title: "Latency over time".to_owned(),
        x: time(runs),
        y: Axis::over("ms", Scale::Log, values.into_iter()),
        series,
        mark: None,
        shade_to: warmup(runs),
    }
}

/// At most [`POINTS`] of many points; `of` makes one value of several.
fn thinned(points: Vec<(f64, f64)>, of: impl Fn(&[f64]) -> f64) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points;
    }
    let parts = points.chunks(points.len().div_ceil(POINTS));
    parts
        .map(|part| {
            let values: Vec<f64> = part.iter().map(|point| point.1).collect();
            (part[part.len() - 1].0, of(&values))
        })
        .collect()
}

/// A figure of an interval.
type Of = fn(&Row) -> f64;

fn longest(run: &Summary) -> f64 {
    run.intervals.iter().map(|row| row.seconds).fold(0.0, f64::max)
}

fn time(runs: &[(String, &Summary)]) -> Axis {
    let last = runs.iter().filter_map(|(_, run)| run.intervals.last()).map(|row| row.at).fold(0.1, f64::max);
    Axis {
        label: "seconds since the start of the load".to_owned(),
        scale: Scale::Linear,
        from: 0.0,
        to: last,
    }
}

fn warmup(runs: &[(String, &Summary)]) -> f64 {
    let mut all = runs.iter().map(|(_, run)| run.parameters.warmup_seconds);
    let first = all.next().unwrap_or(0.0);
    if all.all(|other| other == first) { first } else { 0.0 }
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
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
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
    for (name, value) in &run.tags {
        fact(name, value.clone());
    }
    for failed in &run.errors {
        fact("errors", format!("{} x {} {}: {}", failed.count, failed.code, failed.name, failed.remark));
    }
    text.push_str("</dl>\n</details>\n");
    text
}

/// More than a line of a chart has room for.
const POINTS: usize = 1_000;
const WIDE: f64 = 900.0;
const NARROW: f64 = 360.0;

/// Colours of lines are told apart by lightness too, and lines of one run by their pattern.
const STYLE: &str = include_str!("report.css");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::summary;

    #[test]
    fn a_spike_survives_thinning() {
        let points: Vec<(f64, f64)> =
            (0..50_000).map(|at| (f64::from(at), if at == 31_415 { 9.0 } else { 1.0 })).collect();
        let thin = thinned(points, |some| some.iter().copied().fold(0.0, f64::max));
        assert!(thin.len() <= POINTS && thin.iter().any(|point| point.1 == 9.0));
        assert_eq!(thin.last().unwrap().0, 49_999.0);
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere_and_shows_every_run() {
        let (one, two) = (summary("produce", 1.0), summary("produce", 2.0));
        let page = page(&[("a<b".to_owned(), &one), ("second".to_owned(), &two)]);
        for foreign in ["http:", "https:", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("a&lt;b") && page.contains("second") && !page.contains("a<b"));
        assert_eq!(page.matches("<svg viewBox").count(), 6);
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
    }
}
