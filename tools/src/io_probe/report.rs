//! What the command prints: facts, figures, charts and advice for people; one object for programs.

use std::io;
use std::path::Path;

use rt::real::device::{Facts, WriteCache};
use serde_json::{Value, json};

use super::advice::Conclusions;
use super::chart;
use super::measure::{Course, Findings, Limits, Segment, Steady};
use super::properties;
use super::sample::Sample;
use crate::output::{Format, Rows, line};
use crate::size;

/// Everything there is to tell.
pub(crate) struct Report<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) facts: &'a Facts,
    pub(crate) limits: Limits,
    pub(crate) findings: &'a Findings,
    pub(crate) conclusions: &'a Conclusions,
}

impl Report<'_> {
    /// Writes it to stdout. As CSV and TSV it is the figures alone.
    ///
    /// # Errors
    /// What stdout says.
    pub(crate) fn print(&self, format: Format) -> io::Result<()> {
        match format {
            Format::Table => self.print_table(),
            Format::Json => {
                line(&serde_json::to_string_pretty(&self.json()).expect("JSON values have a text"))
            }
            Format::Csv | Format::Tsv => self.figures().print(format),
        }
    }

    fn print_table(&self) -> io::Result<()> {
        let mut facts = Rows::new(&["fact", "found"]);
        for (name, found) in self.facts() {
            facts.push(vec![name.into(), found.into()]);
        }
        facts.print(Format::Table)?;
        line("")?;
        self.figures().print(Format::Table)?;
        for chart in chart::charts(self.findings) {
            line("")?;
            line(chart.text().trim_end())?;
        }
        line("")?;
        let mut advice = Rows::new(&["key", "value", "why"]);
        for row in &self.conclusions.advice {
            advice.push(vec![row.key.into(), row.value.clone().into(), row.why.clone().into()]);
        }
        advice.print(Format::Table)?;
        line("")?;
        self.conclusions.notes.iter().try_for_each(|note| line(&format!("- {note}")))?;
        match properties::yaml(self.dir, &self.findings.samples) {
            Some(block) => line(&format!("\nio-properties.yaml:\n{}", block.trim_end())),
            None => Ok(()),
        }
    }

    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let facts = self.facts;
        let direct = match (facts.direct, facts.direct_alignment) {
            (false, _) => "no".to_owned(),
            (true, None) => "yes; the kernel does not say which alignment".to_owned(),
            (true, Some(needs)) => {
                format!(
                    "yes; memory aligned to {}, offsets to {} bytes (we use 4096)",
                    needs.memory, needs.offset
                )
            }
        };
        let mut all = vec![
            ("directory", self.dir.display().to_string()),
            ("filesystem", facts.filesystem.clone()),
            ("O_DIRECT", direct),
        ];
        match &facts.device {
            None => all.push(("device", "none that /sys knows".to_owned())),
            Some(device) => {
                let below = match device.below.as_slice() {
                    [] => String::new(),
                    below => format!(" over {}", below.join(", ")),
                };
                all.push(("device", format!("{}{below}", device.name)));
                all.push((
                    "sectors",
                    format!("{} logical, {} physical", device.logical_block, device.physical_block),
                ));
                all.push((
                    "write cache",
                    match device.write_cache {
                        WriteCache::Back => "volatile (write back)".to_owned(),
                        WriteCache::Through => "none, or safe (write through)".to_owned(),
                    },
                ));
                all.push(("FUA", yes(device.fua).to_owned()));
                all.push((
                    "rotational",
                    format!(
                        "{}{}",
                        yes(device.rotational),
                        if device.rotational { ", or says so" } else { "" }
                    ),
                ));
            }
        }
        all.push((
            "probe",
            format!(
                "{} written, a file of {}, at most {} s and {}",
                size::show(self.findings.written),
                size::show(self.findings.file_bytes),
                self.limits.time_ns / 1_000_000_000,
                size::show(self.limits.bytes)
            ),
        ));
        all.push(("zeroing", format!("{:.0} MiB/s", self.findings.zeros_mib_s)));
        all
    }

    fn figures(&self) -> Rows {
        let mut rows = Rows::new(&[
            "about",
            "operation",
            "io",
            "space",
            "kib",
            "depth",
            "p50_us",
            "p99_us",
            "max_us",
            "per_s",
            "mib_s",
            "count",
        ]);
        for sample in &self.findings.samples {
            let cell = sample.cell;
            rows.push(vec![
                cell.series.word().into(),
                cell.op.word().into(),
                (if cell.direct { "direct" } else { "buffered" }).into(),
                cell.area.word().into(),
                cell.kib.into(),
                cell.depth.into(),
                tenths(sample.quantile_us(0.5)),
                tenths(sample.quantile_us(0.99)),
                tenths(sample.longest_us()),
                (sample.per_second().round() as u64).into(),
                tenths(Some(sample.mib_per_second())),
                sample.count().into(),
            ]);
        }
        rows
    }

    fn json(&self) -> Value {
        let facts = self.facts;
        let device = facts.device.as_ref().map(|device| {
            json!({
                "name": device.name,
                "below": device.below,
                "write_cache": match device.write_cache { WriteCache::Back => "back", WriteCache::Through => "through" },
                "fua": device.fua,
                "logical_block": device.logical_block,
                "physical_block": device.physical_block,
                "rotational": device.rotational,
            })
        });
        let alignment =
            facts.direct_alignment.map(|needs| json!({ "memory": needs.memory, "offset": needs.offset }));
        let advice = self.conclusions.advice.iter();
        json!({
            "schema": "ringmq-io-probe/1",
            "directory": self.dir.display().to_string(),
            "facts": {
                "filesystem": facts.filesystem,
                "direct": facts.direct,
                "direct_alignment": alignment,
                "device": device,
            },
            "limits": { "seconds": self.limits.time_ns as f64 / 1e9, "bytes": self.limits.bytes },
            "written": self.findings.written,
            "file_bytes": self.findings.file_bytes,
            "zeros_mib_s": tenths(Some(self.findings.zeros_mib_s)),
            "measurements": self.findings.samples.iter().map(measurement).collect::<Vec<_>>(),
            "left_out": self.findings.left_out.iter().map(super::plan::Cell::label).collect::<Vec<_>>(),
            "advice": advice.map(|row| json!({ "key": row.key, "value": row.value, "why": row.why })).collect::<Vec<_>>(),
            "notes": self.conclusions.notes,
            "segment": self.findings.segment.as_ref().map(segment),
            "steady": self.findings.steady.as_ref().map(steady),
            "io_properties": properties::yaml(self.dir, &self.findings.samples),
        })
    }
}

fn segment(segment: &Segment) -> Value {
    json!({
        "bytes": segment.bytes,
        "create_us": tenths(segment.create_us),
        "zeros_us": tenths(Some(segment.zeros_us)),
        "unlink_us": tenths(Some(segment.unlink_us)),
        "commits_beside": measurement(&segment.commits),
    })
}

fn steady(steady: &Steady) -> Value {
    let course = match steady.course() {
        None => Value::Null,
        Some(Course::Steady { from, mib_s }) => {
            json!({ "found": "steady", "from": from, "mib_s": tenths(Some(mib_s)) })
        }
        Some(Course::Cliff { at, before, after }) => json!({
            "found": "cliff", "from": at, "before_mib_s": tenths(Some(before)), "mib_s": tenths(Some(after)),
        }),
        Some(Course::Restless { mib_s, stray }) => {
            json!({ "found": "restless", "mib_s": tenths(Some(mib_s)), "stray_percent": tenths(Some(stray * 100.0)) })
        }
    };
    json!({
        "kib": steady.kib,
        "windows": steady.until_s.iter().zip(&steady.mib_s)
            .map(|(until, rate)| json!({ "until_s": until, "mib_s": tenths(Some(*rate)) })).collect::<Vec<_>>(),
        "bytes": steady.bytes,
        "course": course,
    })
}

fn measurement(sample: &Sample) -> Value {
    let cell = sample.cell;
    json!({
        "about": cell.series.word(),
        "operation": cell.op.word(),
        "direct": cell.direct,
        "space": cell.area.word(),
        "kib": cell.kib,
        "depth": cell.depth,
        "p50_us": tenths(sample.quantile_us(0.5)),
        "p99_us": tenths(sample.quantile_us(0.99)),
        "p999_us": tenths(sample.quantile_us(0.999)),
        "max_us": tenths(sample.longest_us()),
        "per_s": tenths(Some(sample.per_second())),
        "mib_s": tenths(Some(sample.mib_per_second())),
        "count": sample.count(),
    })
}

fn tenths(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |value| ((value * 10.0).round() / 10.0).into())
}

fn yes(fact: bool) -> &'static str {
    if fact { "yes" } else { "no" }
}
