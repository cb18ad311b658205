//! Results as they come in, and their sum.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    time::{Duration, Instant},
};

/// How many of what ran held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Scenarios that held.
    pub passed: usize,
    /// Scenarios that did not, or never reported.
    pub failed: usize,
}

/// Prints one line per scenario and counts; shared by the suites that run beside each other.
#[derive(Debug, Default)]
pub(crate) struct Report {
    state: Mutex<(Tally, Vec<String>)>,
}

impl Report {
    pub(crate) fn pass(&self, suite: &str, scenario: &str, took: Duration) {
        println!("  ok    {suite}/{scenario}  {:.1} s", took.as_secs_f64());
        self.state.lock().expect("no holder panics").0.passed += 1;
    }

    pub(crate) fn fail(&self, suite: &str, scenario: &str, why: &str) {
        println!("  FAIL  {suite}/{scenario}  {why}");
        let mut state = self.state.lock().expect("no holder panics");
        state.0.failed += 1;
        state.1.push(format!("{suite}/{scenario}: {why}"));
    }

    /// Runs `body` as one scenario.
    pub(crate) fn scenario<E: std::fmt::Display>(
        &self,
        suite: &str,
        name: &str,
        body: impl FnOnce() -> Result<(), E>,
    ) {
        let start = Instant::now();
        // A defect of one scenario must not take the sum of the others with it.
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => self.pass(suite, name, start.elapsed()),
            Ok(Err(why)) => self.fail(suite, name, &why.to_string()),
            Err(_) => self.fail(suite, name, "the scenario panicked, see above"),
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        self.state.lock().expect("no holder panics").0
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.state.lock().expect("no holder panics").1.clone()
    }
}
