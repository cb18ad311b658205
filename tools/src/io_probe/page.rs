//! The answer as a page: one file, no script, no network, light and dark.

use std::fmt::Write;

use super::chart;
use super::properties;
use super::report::Report;
use crate::bars::{self, escape};

impl Report<'_> {
    /// Facts, charts, figures and advice.
    pub(crate) fn page(&self) -> String {
        let title = format!("ringmq io-probe {}", self.dir.display());
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<style>{}{STYLE}</style></head><body>\n<h1>{title}</h1>\n",
            bars::styles(),
            title = escape(&title)
        );
        let facts: Vec<Vec<String>> =
            self.facts().into_iter().map(|(name, found)| vec![name.to_owned(), found]).collect();
        table(&mut out, "facts", &[], &facts);
        out.push_str("<h2>What follows</h2>\n");
        let advice = self.conclusions.advice.iter();
        let advice: Vec<Vec<String>> =
            advice.map(|row| vec![row.key.to_owned(), row.value.clone(), row.why.clone()]).collect();
        table(&mut out, "advice", &["key", "value", "why"], &advice);
        out.push_str("<ul>\n");
        for note in &self.conclusions.notes {
            writeln!(out, "<li>{}</li>", escape(note)).expect("a string takes it");
        }
        out.push_str("</ul>\n");
        for group in chart::groups(&chart::charts(self.findings)) {
            let (wide, narrow) = (bars::inline(&group, false), bars::inline(&group, true));
            writeln!(out, "<div class=\"chart\"><div class=\"wide\">{wide}</div><div class=\"narrow\">{narrow}</div></div>")
                .expect("a string takes it");
        }
        out.push_str("<h2>Figures</h2>\n");
        let figures: Vec<Vec<String>> = self
            .findings
            .samples
            .iter()
            .map(|sample| {
                let cell = sample.cell;
                let us = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
                vec![
                    cell.series.word().to_owned(),
                    cell.op.word().to_owned(),
                    (if cell.direct { "direct" } else { "buffered" }).to_owned(),
                    cell.area.word().to_owned(),
                    cell.kib.to_string(),
                    cell.depth.to_string(),
                    us(sample.quantile_us(0.5)),
                    us(sample.quantile_us(0.99)),
                    us(sample.longest_us()),
                    format!("{:.0}", sample.per_second()),
                    format!("{:.1}", sample.mib_per_second()),
                ]
            })
            .collect();
        table(&mut out, "figures", &TITLES, &figures);
        if let Some(block) = properties::yaml(self.dir, &self.findings.samples) {
            writeln!(out, "<h2>io-properties.yaml</h2>\n<pre>{}</pre>", escape(&block))
                .expect("a string takes it");
        }
        out + "</body></html>\n"
    }
}

fn table(out: &mut String, class: &str, titles: &[&str], rows: &[Vec<String>]) {
    let line = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>()
    };
    writeln!(out, "<table class=\"{class}\">").expect("a string takes it");
    if !titles.is_empty() {
        writeln!(out, "<tr>{}</tr>", line("th", &mut titles.iter().copied())).expect("a string takes it");
    }
    for row in rows {
        let cells = line("td", &mut row.iter().map(String::as_str));
        writeln!(out, "<tr>{cells}</tr>").expect("a string takes it");
    }
    out.push_str("</table>\n");
}

const TITLES: [&str; 11] =
    ["about", "operation", "I/O", "space", "KiB", "depth", "p50 us", "p99 us", "max us", "per s", "MiB/s"];
const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#1c2430;background:#fff}\
                     table{border-collapse:collapse;margin:1em 0;display:block;overflow-x:auto}td,th{padding:.2em .7em;text-align:left;\
                     border-bottom:1px solid #d5dbe2;vertical-align:top}svg{display:block;max-width:100%;height:auto}.figures td:nth-child(n+5),.figures th:nth-child(n+5){text-align:right}\
                     td{font-variant-numeric:tabular-nums}.narrow{display:none}@media(max-width:700px){.wide{display:none}.narrow{display:block}\
                     td,th{padding:.2em .4em}}@media print{.wide{display:block}.narrow{display:none}.chart,tr,li{break-inside:avoid}\
                     h2{break-after:avoid}table{overflow:visible}}\
                     @media(prefers-color-scheme:dark){body{color:#dde3ea;background:#14181d}td,th{border-color:#333b45}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_cell_cannot_break_the_page() {
        let mut out = String::new();
        table(&mut out, "x", &["a"], &[vec!["<b>&".to_owned()]]);
        assert_eq!(
            out,
            "<table class=\"x\">\n<tr><th>a</th></tr>\n<tr><td>&lt;b&gt;&amp;</td></tr>\n</table>\n"
        );
    }
}
