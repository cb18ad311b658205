//! [`Progress`]: a bar on a terminal, a line per ten seconds without one. On stderr; the answer is on stdout.

use std::cell::Cell;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::measure::Watch;
use crate::output;

/// Shows how the probe gets on, and asks whether it may.
pub(crate) struct Progress<S> {
    bar: ProgressBar,
    terminal: bool,
    last_line_ns: Cell<u64>,
    stop: S,
}

impl<S: Fn() -> bool> Progress<S> {
    /// For a probe of `time_ns` at most, which gives up when `stop` says so.
    pub(crate) fn new(time_ns: u64, stop: S) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style =
            ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}").expect("a template that is right");
        let bar = ProgressBar::with_draw_target(Some(time_ns), target).with_style(style);
        Self { bar, terminal, last_line_ns: Cell::new(0), stop }
    }

    /// Wipes the bar.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl<S: Fn() -> bool> Watch for Progress<S> {
    fn begin(&self, label: &str, spent_ns: u64) {
        self.bar.set_position(spent_ns);
        self.bar.set_message(label.to_owned());
        if !self.terminal && spent_ns >= self.last_line_ns.get() + LINE_NS {
            self.last_line_ns.set(spent_ns);
            output::aside(&format!("io-probe: {} s, {label}", spent_ns / 1_000_000_000));
        }
    }

    fn stop(&self) -> bool {
        (self.stop)()
    }
}

const LINE_NS: u64 = 10_000_000_000;
