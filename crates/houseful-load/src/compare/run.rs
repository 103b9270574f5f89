//! One run of an attack, as far as comparing needs it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::blocks::{BlockFold, Blocks};
use super::pace::{Pace, PaceFold};
use crate::metrics::{LATENCY_NS_MAX, Metrics, Options, Summary, WarmUp};
use crate::results::Record;

/// How many targets of a run are remembered.
const TARGETS_MAX: usize = 100;

/// Several runs under the same conditions: one build, one setting.
pub struct Side {
    /// What it is called: where its results are.
    pub name: String,
    /// At least one.
    pub runs: Vec<Run>,
}

/// The figures of one run.
pub struct Run {
    pub(super) name: String,
    pub(super) metrics: Metrics,
    pub(super) summary: Summary,
    /// `None` if all of it was due at once.
    pub(super) pace: Option<Pace>,
    /// Of a run that is the only one of its side.
    pub(super) blocks: Option<Blocks>,
    /// Method and path of each; `None` if there are too many.
    pub(super) targets: Option<BTreeSet<String>>,
}

/// Folds the records of one run.
pub struct RunFold {
    name: String,
    metrics: Metrics,
    pace: PaceFold,
    blocks: Option<BlockFold>,
    targets: Option<BTreeSet<String>>,
    /// Method and URL of the last record, which those of the next mostly are.
    last_target: (String, String),
    warm_up: WarmUp,
}

/// A run of which no result is left to compare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmptyRun {
    /// There was none.
    #[error("{0}: expected results, found none")]
    NoResults(String),
    /// All belong to the warm-up.
    #[error("{0}: expected results after the first seconds that are left out, found none")]
    AllSkipped(String),
}

impl RunFold {
    /// Of no record yet. `name` is what errors and notes call it; its first seconds, `skip`, are left
    /// out. A run that `is_only` one of its side is compared by stretches of its time.
    pub fn new(
        name: impl Into<String>,
        options: Options,
        skip: Duration,
        is_only: bool,
    ) -> RunFold {
        RunFold {
            name: name.into(),
            metrics: Metrics::with(options),
            pace: PaceFold::default(),
            blocks: is_only.then(BlockFold::new),
            targets: Some(BTreeSet::new()),
            last_target: Default::default(),
            warm_up: WarmUp::new(skip),
        }
    }

    /// Adds one record.
    pub fn add(&mut self, record: &Record) {
        if self.warm_up.has(record) {
            return;
        }
        self.metrics.add(record);
        self.pace.add(record);
        if let Some(blocks) = &mut self.blocks {
            let ns = u64::try_from(record.latency.as_nanos()).unwrap_or(u64::MAX);
            blocks.add(record, ns.min(LATENCY_NS_MAX), self.metrics.is_success(record));
        }
        let (method, url) = &mut self.last_target;
        let is_again = *method == record.method && *url == record.url;
        if let Some(targets) = &mut self.targets
            && (!is_again || targets.is_empty())
        {
            method.clone_from(&record.method);
            url.clone_from(&record.url);
            targets.insert(format!("{} {}", record.method, path(&record.url)));
            if targets.len() > TARGETS_MAX {
                self.targets = None;
            }
        }
    }

    /// The figures of all.
    ///
    /// # Errors
    ///
    /// If there is nothing to compare: see [`EmptyRun`].
    pub fn finish(self) -> Result<Run, EmptyRun> {
        if self.metrics.requests() == 0 {
            let has_skipped = self.warm_up.has_begun();
            let empty = if has_skipped { EmptyRun::AllSkipped } else { EmptyRun::NoResults };
            return Err(empty(self.name));
        }
        let blocks = self.blocks.map(|blocks| {
            blocks.finish(self.metrics.latencies_ns(), self.metrics.latency_ns_max())
        });
        let summary = self.metrics.summary();
        let pace = self.pace.finish(&summary);
        let RunFold { name, metrics, targets, .. } = self;
        Ok(Run { name, metrics, summary, pace, blocks, targets })
    }
}

impl Run {
    /// The share of its results that were not expected.
    pub(super) fn unexpected(&self) -> f64 {
        (self.summary.requests - self.summary.successes) as f64 / self.summary.requests as f64
    }

    /// How many results are beyond this quantile, or before it if those are fewer.
    pub(super) fn beyond(&self, quantile: f64) -> u64 {
        // A hair more, for 1 - 0.999 is a little less than a thousandth.
        (self.summary.requests as f64 * quantile.min(1.0 - quantile) + 1e-6) as u64
    }
}

impl Side {
    /// Results of all runs.
    pub(super) fn requests(&self) -> u64 {
        self.runs.iter().map(|run| run.summary.requests).sum()
    }

    /// The mean over the runs.
    pub(super) fn mean(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(figure).sum::<f64>() / self.runs.len() as f64
    }
}

/// What follows the authority: two builds listen on two ports.
fn path(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.find('/').map_or("/", |at| &after[at..])
}
