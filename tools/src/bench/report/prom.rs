//! results.prom: the figures in Prometheus' text format, for a textfile collector or a push gateway.

use std::fmt::Write;

use crate::bench::summary::Summary;

use super::line::latencies;

/// The metrics, in seconds, bytes and counts.
#[must_use]
pub fn text(summary: &Summary) -> String {
    let mut text = String::new();
    let kind = &summary.kind;
    let mut head = |name: &str, help: &str, rows: Vec<(String, f64)>| {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(text, "# HELP ringmq_bench_{name} {help}\n# TYPE ringmq_bench_{name} gauge");
        for (labels, value) in rows {
            let _ = writeln!(text, "ringmq_bench_{name}{{kind=\"{kind}\"{labels}}} {value}");
        }
    };
    let one = |value: f64| vec![(String::new(), value)];
    head("valid", "1 unless something speaks against the run.", one(f64::from(u8::from(summary.valid))));
    head("messages_per_second", "Messages acknowledged or read.", one(summary.rates.messages_per_second));
    head("bytes_per_second", "Bytes of their bodies.", one(summary.rates.bytes_per_second));
    let latency = latencies(summary).into_iter().flat_map(|(name, latency)| {
        let name = name.replace(['.', ' '], "");
        latency.percentiles.iter().filter_map(move |(percentile, ms)| {
            let quantile = percentile.trim_start_matches('p').parse::<f64>().ok()? / 100.0;
            // 99.9 is no binary number; its quantile is to read as 0.999.
            let quantile = (quantile * 1e9).round() / 1e9;
            Some((format!(",histogram=\"{name}\",quantile=\"{quantile}\""), (*ms)? / 1e3))
        })
    });
    head("latency_seconds", "Latency by quantile.", latency.collect());
    let most = latencies(summary).into_iter().map(|(name, latency)| {
        (format!(",histogram=\"{}\"", name.replace(['.', ' '], "")), latency.max / 1e3)
    });
    head("latency_max_seconds", "Largest latency.", most.collect());
    let errors = summary
        .errors
        .iter()
        .map(|failed| (format!(",code=\"{}\",name=\"{}\"", failed.code, failed.name), failed.count as f64));
    head("errors", "Failed requests by response code.", errors.collect());
    if let Some(cpu) = summary.cpu.broker_us_per_message {
        head("broker_cpu_seconds_per_message", "CPU of the broker.", one(cpu / 1e6));
    }
    if let Some(found) = summary.verify {
        head("lost_messages", "Acknowledged and never received.", one(found.lost as f64));
        head("duplicate_messages", "Received again.", one(found.duplicates as f64));
        head("reordered_messages", "Received after a later one.", one(found.reordered as f64));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::summary;

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        let text = text(&summary("produce", 1.0));
        assert!(text.contains("ringmq_bench_latency_seconds{kind=\"produce\",histogram=\"response\",quantile=\"0.999\"} 0.00"), "{text}");
        for line in text.lines() {
            let sample = line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
            assert!(line.starts_with("# ") || sample, "{line}");
        }
    }
}
