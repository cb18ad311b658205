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
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    failures: Vec<Failure>,
}

/// A scenario that did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) suite: String,
    pub(crate) scenario: String,
    pub(crate) why: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}: {}", self.suite, self.scenario, self.why)
    }
}

impl Report {
    pub(crate) fn pass(&self, suite: &str, scenario: &str, took: Duration) {
        println!("  ok    {suite}/{scenario}  {:.1} s", took.as_secs_f64());
        self.state.lock().expect("no holder panics").tally.passed += 1;
    }

    pub(crate) fn fail(&self, suite: &str, scenario: &str, why: &str) {
        println!("  FAIL  {suite}/{scenario}  {why}");
        let mut state = self.state.lock().expect("no holder panics");
        state.tally.failed += 1;
        state.failures.push(Failure {
            suite: suite.to_owned(),
            scenario: scenario.to_owned(),
            why: why.to_owned(),
        });
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
        self.state.lock().expect("no holder panics").tally
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.state.lock().expect("no holder panics").failures.clone()
    }

    /// Forgets the failures of a suite, which is asked again.
    pub(crate) fn forget(&self, suite: &str) {
        let mut state = self.state.lock().expect("no holder panics");
        let before = state.failures.len();
        state.failures.retain(|failure| failure.suite != suite);
        state.tally.failed -= before - state.failures.len();
    }
}
