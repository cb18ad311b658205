//! Paired scenarios: a rival's turn and ours, as often as there are pairs.
//!
//! Invariant: who has no turn stands still, or does not run.

use std::io;
use std::time::Duration;

use crate::bare;
use crate::figures::Figures;

use super::Side;
use super::report::Pair;
use super::rivals::Rival;
use super::scenario::{Run, Scenario, Turn};
use super::server::{Kind, Server};

impl Side {
    /// One scenario beside one rival.
    pub(super) fn beside(&mut self, scenario: Scenario, rival: Rival) -> io::Result<()> {
        let setup = scenario.setup();
        let standing = match rival.kind() {
            Some(kind) => match self.start(kind, &setup) {
                Ok(server) => Some(server),
                Err(error) => {
                    self.leave_out(&format!("{} does not start, left out: {error}", rival.word()));
                    return Ok(());
                }
            },
            None => {
                let configuration = rival.configuration(setup.flush).unwrap_or_default();
                self.remember(&format!("{} {:?}", rival.word(), setup.flush), &configuration);
                None
            }
        };
        if let Some(pairs) = self.pairs(scenario, rival, standing.as_ref())? {
            self.report.compare(scenario, rival, &pairs);
            if scenario == Scenario::B1 && rival == self.options.rivals[0] {
                self.physics(&pairs)?;
            }
        }
        standing.map_or(Ok(()), Server::stop)
    }

    /// `None` if the rival does not do it.
    fn pairs(
        &mut self,
        scenario: Scenario,
        rival: Rival,
        standing: Option<&Server>,
    ) -> io::Result<Option<Vec<Pair>>> {
        let (title, name) = (scenario.title(), rival.word());
        if let Some(server) = standing {
            let warm = self.options.java_warmup;
            self.report.say(&format!("{title}: warming {name} for {:.0} s", warm.as_secs_f64()));
            let warming = Run { warmup: Duration::ZERO, duration: warm, ..self.run_of(scenario) };
            if let Err(error) = scenario.run(server, Turn::Theirs, warming) {
                self.leave_out(&format!("{title}: {name} fails: {error}"));
                return Ok(None);
            }
        }
        let mut pairs = Vec::new();
        for pair in 0..self.options.pairs {
            let run = self.run_of(scenario);
            let theirs = match standing {
                Some(server) => {
                    server.thaw();
                    let theirs = scenario.run(server, Turn::Theirs, run);
                    server.freeze();
                    theirs
                }
                None => rival.turn(&self.workshop.dir, self.workshop.cpu, scenario, run),
            };
            let theirs = match theirs {
                Ok(theirs) => theirs,
                Err(error) => {
                    self.leave_out(&format!("{title}, pair {pair}: {name} fails: {error}"));
                    return Ok(None);
                }
            };
            self.told(scenario, pair, name, &theirs);
            let ours = self.ours(scenario, pair)?;
            pairs.push((theirs, ours));
        }
        Ok(Some(pairs))
    }

    /// Our turn: an empty store, thrown away after it.
    pub(super) fn ours(&mut self, scenario: Scenario, pair: usize) -> io::Result<Figures> {
        let server = self.start(Kind::Ours, &scenario.setup())?;
        let ours = scenario.run(&server, Turn::Ours, self.run_of(scenario))?;
        server.stop()?;
        self.told(scenario, pair, "ringmq", &ours);
        Ok(ours)
    }

    pub(super) fn told(&mut self, scenario: Scenario, pair: usize, who: &str, figures: &Figures) {
        self.report.say(&format!("{}, pair {pair}, {who}: {figures}", scenario.title()));
        self.valid &= figures.faults.is_empty() && !(who == "ringmq" && figures.overloaded);
    }

    /// What a ring server must take that does nothing else, beside every result.
    fn physics(&mut self, pairs: &[Pair]) -> io::Result<()> {
        let quick = self.options.quick;
        let options = bare::Options {
            connections: 4,
            inflight: 64,
            seconds: if quick { 0.3 } else { 2.0 },
            warmup: if quick { 0.1 } else { 0.5 },
            pairs: if quick { 1 } else { 3 },
            server_cpu: self.options.broker_cpu,
            load_cpu: self.options.load_cpu,
            dir: None,
            spin: false,
            alone: true,
        };
        let bound = bare::bound(&options)?;
        self.report.say(&bound.to_string());
        self.report.physics(bound.median, pairs);
        Ok(())
    }
}
