//! [`Schedule`]: when each message of a connection is due, fixed before the first byte.
//!
//! Message i of the whole run has its time whatever happens (rule 1). Connections share the messages: connection l of L
//! has the messages l, l + L, l + 2L, ..., so that together they arrive exactly as one stream would. With `poisson`
//! each connection has a stream of its own, which together are one of the sum of the rates.

use super::random::Random;
use super::units::Arrivals;

/// The due times of one connection, in nanoseconds since the start of the load.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    /// Messages per second of all connections.
    rate: f64,
    connections: u64,
    /// Number in the whole run of the next message.
    next: u64,
    /// With `poisson`, when it is due.
    at_ns: f64,
    random: Random,
}

impl Schedule {
    /// The schedule of connection `connection` out of `connections`, which share `rate` messages per second.
    ///
    /// # Panics
    /// If there is no connection, or the rate is not positive.
    #[must_use]
    pub fn new(arrivals: Arrivals, rate: f64, connection: u64, connections: u64, seed: u64) -> Self {
        assert!(connections > 0 && rate > 0.0);
        let random = Random::new(seed, 0x5EED_0000 + connection);
        let mut schedule = Self { arrivals, rate, connections, next: connection, at_ns: 0.0, random };
        schedule.at_ns = schedule.gap_ns();
        schedule
    }

    /// When the next message is due.
    #[must_use]
    pub fn due_ns(&self) -> u64 {
        match self.arrivals {
            Arrivals::Uniform => self.time_of(self.next),
            Arrivals::Burst(count) => self.time_of(self.next - self.next % u64::from(count)),
            Arrivals::Poisson => self.at_ns as u64,
        }
    }

    /// Goes on to the message after it.
    pub fn advance(&mut self) {
        self.next += self.connections;
        self.at_ns += self.gap_ns();
    }

    /// Not a running sum: errors of rounding must not add up over hours.
    fn time_of(&self, message: u64) -> u64 {
        (message as f64 * (1e9 / self.rate)) as u64
    }

    fn gap_ns(&mut self) -> f64 {
        if self.arrivals != Arrivals::Poisson {
            return 0.0;
        }
        -self.random.unit().ln() * 1e9 * self.connections as f64 / self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(arrivals: Arrivals, rate: f64, connections: u64, until_ns: u64, seed: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for connection in 0..connections {
            let mut schedule = Schedule::new(arrivals, rate, connection, connections, seed);
            while schedule.due_ns() < until_ns {
                all.push(schedule.due_ns());
                schedule.advance();
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn connections_together_are_one_uniform_stream() {
        let one = times(Arrivals::Uniform, 1000.0, 1, 1_000_000_000, 1);
        assert_eq!(one.len(), 1000);
        assert_eq!(one[..3], [0, 1_000_000, 2_000_000]);
        assert_eq!(times(Arrivals::Uniform, 1000.0, 7, 1_000_000_000, 1), one);
    }

    #[test]
    fn bursts_come_at_once_and_keep_the_mean_rate() {
        let all = times(Arrivals::Burst(10), 1000.0, 3, 1_000_000_000, 1);
        assert_eq!(all.len(), 1000);
        assert!(all[..10].iter().all(|at| *at == 0) && all[10] == 10_000_000);
    }

    #[test]
    fn poisson_keeps_the_mean_rate_and_its_seed_repeats_it() {
        let all = times(Arrivals::Poisson, 10_000.0, 4, 10_000_000_000, 42);
        // Four standard deviations of a Poisson count of 100,000.
        assert!((98_735..=101_265).contains(&all.len()), "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((0.95..1.05).contains(&(variance.sqrt() / mean)), "distances are exponential");
        assert_eq!(times(Arrivals::Poisson, 10_000.0, 4, 10_000_000_000, 42), all);
        assert_ne!(times(Arrivals::Poisson, 10_000.0, 4, 10_000_000_000, 43), all);
    }
}
