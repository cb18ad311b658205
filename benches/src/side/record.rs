//! What is kept of a comparison: its tables, the raw figures, how it was run, and each configuration once.

use std::io;
use std::path::Path;

use crate::figures::OTHERS_MAX;

use super::{Side, machine};

impl Side {
    /// Keeps a configuration for the record.
    pub(super) fn remember(&mut self, name: &str, configuration: &str) {
        let configuration = configuration.replace(&self.workshop.dir.display().to_string(), "DIR");
        let text = without_ports(&format!("{name}:\n\n```text\n{configuration}```\n"));
        if !self.configurations.contains(&text) {
            self.configurations.push(text);
        }
    }

    /// Writes what was found so far.
    pub(super) fn publish(&mut self) -> io::Result<()> {
        println!("\n{}", self.report.table());
        let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
        let java = format!("-Xms{0}m -Xmx{0}m -XX:+UseG1GC", self.options.heap_mib);
        let took = self.took.iter().map(|(word, took)| format!("{word} {:.0} s", took.as_secs_f64()));
        let about = format!(
            "{}- command: `{}`\n- servers on core {}, generator on core {}; JVM {java}, warmed {:.0} s per scenario\n\
             - disturbed: runs in which others, or the kernel's workers, used over {OTHERS_MAX} % of a core; the medians include them\n\
             - took: {}\n{}\n{}",
            machine::describe(&self.workshop.dir, tree),
            command_line(),
            self.options.broker_cpu,
            self.options.load_cpu,
            self.options.java_warmup.as_secs_f64(),
            took.collect::<Vec<_>>().join(", "),
            self.left_out.iter().map(|line| format!("- {line}\n")).collect::<String>(),
            self.configurations.join("\n"),
        );
        self.set.add(self.report.take());
        self.set.write(&self.report.raw, &about)?;
        if !self.options.quick && !self.options.no_readme {
            self.set.readme()?;
        }
        Ok(())
    }
}

/// The command as somebody would type it in the tree.
fn command_line() -> String {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    format!("cargo run --release -p benches -- {arguments}")
}

/// Ports differ from run to run and mean nothing.
fn without_ports(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() == 5 { "PORT" } else { &digits });
        digits.clear();
        if letter != '\0' {
            out.push(letter);
        }
    }
    out
}
