//! Services that never were, of which the truth is known.

use std::f64::consts::TAU;
use std::time::Duration;

use houseful_load::compare::{Run, RunFold, Side};
use houseful_load::metrics::Options;
use houseful_load::results::Record;
use jiff::Timestamp;

/// How a simulated service answers. Latencies are log-normal around 200 µs and hang together; now
/// and then it stops, and whatever is due meanwhile waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// All latencies times this.
    pub(crate) times: f64,
    /// Standard deviation of what all latencies of a run have in common, as a share.
    pub(crate) between_runs: f64,
    /// For how many results a latency is remembered.
    pub(crate) memory: f64,
    /// Stops a second.
    pub(crate) stops_per_s: f64,
}

/// Numbers by chance: xorshift64* by Marsaglia and Vigna, another than the one under test.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From (0, 1].
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits + 1) as f64 / (1u64 << 53) as f64
    }

    /// With a mean of 0 and a standard deviation of 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

impl Service {
    /// Runs of it, each of so many results at so many a second.
    pub(crate) fn side(
        self,
        name: &str,
        runs: usize,
        results: u32,
        rate: f64,
        chance: &mut Chance,
    ) -> Side {
        let is_only = runs == 1;
        let run = |n| self.run(format!("{name}/{n}"), results, rate, is_only, chance);
        Side { name: name.to_owned(), runs: (0..runs).map(run).collect() }
    }

    fn run(self, name: String, results: u32, rate: f64, is_only: bool, chance: &mut Chance) -> Run {
        let mut fold = RunFold::new(name, Options::default(), Duration::ZERO, is_only);
        self.records(results, rate, chance, |record| fold.add(record));
        fold.finish().unwrap()
    }

    /// The records of one run.
    pub(crate) fn records(
        self,
        results: u32,
        rate: f64,
        chance: &mut Chance,
        mut each: impl FnMut(&Record),
    ) {
        let of_run = self.times * (self.between_runs * chance.normal()).exp();
        let kept = (-1.0 / self.memory).exp();
        let (mut state, mut stopped_until_s) = (chance.normal(), 0.0_f64);
        let mut record = Record {
            method: "POST".into(),
            url: "http://127.0.0.1:6540/rssi_readings".into(),
            code: 201,
            slip: Some(Duration::from_micros(30)),
            ..Record::default()
        };
        for seq in 0..results {
            let at_s = f64::from(seq) / rate;
            state = kept * state + (1.0 - kept * kept).sqrt() * chance.normal();
            if chance.uniform() < self.stops_per_s / rate {
                let lasts_s = -0.01 * of_run * chance.uniform().ln();
                stopped_until_s = stopped_until_s.max(at_s + lasts_s);
            }
            let waits_s = (stopped_until_s - at_s).max(0.0);
            let latency_s = 200e-6 * of_run * (0.3 * state).exp() + waits_s;
            record.seq = seq.into();
            record.timestamp = Timestamp::from_nanosecond((at_s * 1e9) as i128).unwrap();
            record.latency = Duration::try_from_secs_f64(latency_s).unwrap();
            each(&record);
        }
    }
}
