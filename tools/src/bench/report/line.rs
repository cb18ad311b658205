//! Text: a line per interval while it runs, the result at the end.

use std::fmt::Write;

use crate::bench::plan::{Kind, Plan};
use crate::bench::summary::{Distribution, Row, Summary};
use crate::bench::units::grouped;

/// Whether INVALID is red.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// A terminal that shows it.
    On,
    /// A file, a pipe, or NO_COLOR.
    Off,
}

/// One interval while it runs.
#[must_use]
pub fn progress(kind: Kind, row: &Row) -> String {
    let per = |count: u64| thousands(count as f64 / row.seconds);
    let mib = row.bytes as f64 / row.seconds / f64::from(1 << 20);
    // Nothing was answered: that is no latency of 0.
    let figure = |ms: f64| if ms > 0.0 { short(ms) } else { "-".to_owned() };
    let warm = if row.measured { "" } else { "  warm-up" };
    let flow = match kind {
        Kind::Produce | Kind::Batch | Kind::Tx => {
            format!("{} sent  {} ack", per(row.sent), per(row.acknowledged))
        }
        Kind::Consume => format!("{} read", per(row.received)),
        Kind::Pop => format!("{} popped  {} ack", per(row.received), per(row.acknowledged)),
        Kind::E2e | Kind::Delay | Kind::Mixed => {
            format!("{} sent  {} ack  {} got", per(row.sent), per(row.acknowledged), per(row.received))
        }
    };
    format!(
        "{:>3.0}s  {flow}  {mib:>5.0} MiB/s   p50 {}  p99 {}  p99.9 {}  max {} ms  inflight {}  err {}  lag {:.1} ms{warm}",
        row.at,
        figure(row.p50),
        figure(row.p99),
        figure(row.p999),
        figure(row.max),
        row.inflight,
        row.errors,
        row.lag,
    )
}

/// The result.
#[must_use]
pub fn result(plan: &Plan, summary: &Summary, colour: Colour) -> String {
    let mut text = String::new();
    let head = headline(plan, summary);
    let verdict = verdict(summary, colour);
    let _ = writeln!(text, "result  {head:<56}  {verdict}");
    let rates = &summary.rates;
    let mib = rates.bytes_per_second / f64::from(1 << 20);
    let _ = write!(text, "rate      {}/s  {mib:.1} MiB/s", grouped(rates.messages_per_second));
    if plan.has_consumers() {
        let _ = write!(text, "  received {}/s", grouped(rates.received_per_second));
    }
    if plan.scanners > 0 {
        let mib = rates.scanned_bytes_per_second / f64::from(1 << 20);
        let _ = write!(text, "  scanned {}/s {mib:.1} MiB/s", grouped(rates.scanned_per_second));
    }
    if let Some(each) = summary.cpu.broker_us_per_message {
        let _ = write!(text, "  broker {each:.2} us CPU/message");
    }
    let _ = match summary.seconds {
        seconds if seconds >= 0.1 => {
            let percent = summary.cpu.generator_seconds * 100.0 / seconds;
            writeln!(text, "  generator {percent:.0} % of a core")
        }
        _ => writeln!(text),
    };
    let _ = writeln!(text, "          {}", TITLES.map(|title| format!("{title:>8}")).concat());
    for (name, latency) in latencies(summary) {
        let _ = writeln!(text, "{name:<10}{} ms", cells(latency));
    }
    if let Some(ends) = summary.transactions {
        let _ = writeln!(
            text,
            "ends      {} committed, {} rolled back, {} unknown; {} checks, {} unexpected, {} again",
            grouped(ends.committed as f64),
            grouped(ends.rolled_back as f64),
            grouped(ends.unknown as f64),
            grouped(ends.checks as f64),
            grouped(ends.checks_unexpected as f64),
            grouped(ends.checks_again as f64),
        );
    }
    if summary.connections.lost > 0 {
        let _ = writeln!(
            text,
            "outages   {} connections lost, {} came back",
            grouped(summary.connections.lost as f64),
            grouped(summary.connections.back as f64),
        );
    }
    for failed in &summary.errors {
        let _ = writeln!(
            text,
            "errors    {} x {} {}: {}",
            grouped(failed.count as f64),
            failed.code,
            failed.name,
            failed.remark
        );
    }
    if let Some(found) = summary.verify {
        let _ = writeln!(
            text,
            "verify    {} sent, {} lost, {} duplicate, {} out of order{}{}{}{}{}",
            grouped(found.acknowledged as f64),
            grouped(found.lost as f64),
            grouped(found.duplicates as f64),
            grouped(found.reordered as f64),
            extra(found.corrupt, "damaged"),
            extra(found.unacknowledged, "stored though not acknowledged"),
            extra(found.leaked, "seen though not committed"),
            extra(found.early, "early"),
            extra(found.foreign, "of others"),
        );
    }
    for checked in summary.thresholds.iter().filter(|checked| checked.failed) {
        let _ = writeln!(
            text,
            "failed    {}{}",
            checked.condition,
            checked.value.map_or(": nothing measured".to_owned(), |_| String::new())
        );
    }
    for reason in &summary.reasons {
        let _ = writeln!(text, "{}   {}", red("INVALID", colour), reason.text);
    }
    for remark in &summary.remarks {
        let _ = writeln!(text, "note      {remark}");
    }
    text
}

/// The latencies of a run under the names they have in reports.
#[must_use]
pub fn latencies(summary: &Summary) -> Vec<(&'static str, &Distribution)> {
    let latency = &summary.latency;
    [
        ("response", &latency.response),
        ("service", &latency.service),
        ("publish", &latency.publish_response),
        ("pub serv.", &latency.publish_service),
        ("decision", &latency.decision),
        ("transact.", &latency.transaction),
        ("lateness", &latency.lateness),
        ("scan", &latency.scan),
    ]
    .into_iter()
    .filter_map(|(name, latency)| Some((name, latency.as_ref()?)))
    .collect()
}

const TITLES: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

fn cells(latency: &Distribution) -> String {
    let mut text: String = TITLES[..5]
        .iter()
        .map(|title| format!("{:>8}", latency.at(title).map_or("-".to_owned(), short)))
        .collect();
    let _ = write!(text, "{:>8}", short(latency.max));
    text
}

fn headline(plan: &Plan, summary: &Summary) -> String {
    let what = &summary.parameters;
    let size = match what.body_range {
        [low, high] if low == high => bytes(low),
        [low, high] => format!("{} to {}", bytes(low), bytes(high)),
    };
    let flush = summary.flush.as_ref().map_or(String::new(), |flush| format!(", {flush}"));
    if plan.topic_exists && plan.kind == Kind::Consume {
        return format!("{} s of reading, {} queues{flush}", number(summary.seconds), what.queues);
    }
    let rate = plan.rate.map_or("at full speed".to_owned(), |rate| format!("at {}/s", grouped(rate)));
    let batch = if what.batch > 1 { format!(", batches of {}", what.batch) } else { String::new() };
    format!("{} s {rate}, {size}{batch}, {} queues{flush}", number(summary.seconds), what.queues)
}

fn verdict(summary: &Summary, colour: Colour) -> String {
    let lag = summary
        .latency
        .lag
        .as_ref()
        .map_or(String::new(), |lag| format!(" (generator lag max {} ms)", short(lag.max)));
    if summary.valid { format!("VALID{lag}") } else { format!("{}{lag}", red("INVALID", colour)) }
}

fn red(text: &str, colour: Colour) -> String {
    if colour == Colour::On { format!("\u{1b}[1;31m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn extra(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {} {what}", grouped(count as f64)) }
}

fn bytes(count: usize) -> String {
    crate::bench::payload::size_text(&crate::bench::payload::Size::Fixed(count))
}

fn number(value: f64) -> String {
    if (value - value.round()).abs() < 0.05 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn thousands(rate: f64) -> String {
    match rate {
        ..10_000.0 => format!("{rate:>6.0}/s"),
        ..10_000_000.0 => format!("{:>6.1}k/s", rate / 1e3),
        _ => format!("{:>6.1}M/s", rate / 1e6),
    }
}

/// Milliseconds, with digits as the size allows.
#[must_use]
pub fn short(ms: f64) -> String {
    crate::bench::units::ms((ms * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_without_an_answer_has_no_latency() {
        let row = Row { at: 3.0, seconds: 1.0, ..Row::default() };
        assert!(progress(Kind::Produce, &row).contains("p50 -  p99 -  p99.9 -  max - ms"));
        let answered = Row { p50: 0.21, p99: 0.84, p999: 2.1, max: 7.9, ..row };
        assert!(
            progress(Kind::Produce, &answered).contains("p50 0.21  p99 0.84  p99.9 2.10  max 7.90 ms"),
            "{}",
            progress(Kind::Produce, &answered)
        );
    }
}
