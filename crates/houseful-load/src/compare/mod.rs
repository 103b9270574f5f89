//! Whether one build is faster than another: runs of both, percentile by percentile.
//!
//! Fold each run's results with a [`RunFold`], make a [`Side`] of the runs of each build, ask
//! [`compare`]. For each [`Figure`] the [`Comparison`] tells B against A with an interval that holds
//! the truth with the confidence asked for, and a [`Verdict`]: faster, slower, the same as far as it
//! matters, or that nobody can tell.
//!
//! A side's percentile is the geometric mean of its runs' percentiles, and what is compared is its
//! ratio. Runs are the unit of chance: two runs of one build differ by more than the results of each
//! let one expect (memory layout, caches, the machine's neighbours), so a hundred thousand results of
//! one run are one observation of that. See Kalibera and Jones, "Rigorous Benchmarking in
//! Reasonable Time", ISMM 2013. `bootstrap.rs` says how the intervals are made and from which sources.
//!
//! All intervals of a comparison hold the truth at once, as often as the confidence says; so the more
//! percentiles are asked for, the wider they are. `benches/compare.rs` prints how often that is so.
//!
//! Memory: histograms of some hundred KB a run; of a single run 32 more while it is read.

mod blocks;
mod bootstrap;
mod comparison;
mod figure;
mod gate;
mod json;
mod loads;
mod pace;
mod run;
mod student;
#[cfg(test)]
mod tests;
mod text;

pub use comparison::{Change, Comparison, Row, Verdict, Void, compare};
pub use figure::Figure;
pub use gate::{Gate, Outcome};
pub use run::{EmptyRun, Run, RunFold, Side};

use crate::metrics::Percentile;

/// A percentile is judged if in each run so many results are beyond it.
pub const BEYOND_MIN: u64 = 20;

/// What is asked of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Which percentiles are compared.
    pub percentiles: Vec<Percentile>,
    /// How often an interval holds the truth: 0.95. Above 0, below 1.
    pub confidence: f64,
    /// How often is drawn for each side. At least some 10 / (1 - confidence), for the intervals' ends.
    pub resamples: usize,
    /// What is drawn is determined by this.
    pub seed: u64,
    /// Differences up to this share do not matter: 0.01.
    pub same_within: f64,
    /// The share by which B must not be slower: 0.05. `None` if nothing hangs on it.
    pub fail_if_slower: Option<f64>,
}

impl Default for Options {
    fn default() -> Options {
        let percentiles = ["50", "90", "95", "99", "99.9"];
        Options {
            percentiles: percentiles.map(|it| it.parse().expect("it is a percentile")).to_vec(),
            confidence: 0.95,
            resamples: 10_000,
            seed: 1,
            same_within: 0.01,
            fail_if_slower: None,
        }
    }
}
