//! What is compared: percentiles of latencies, and a few figures more.

use std::fmt;

use super::blocks::Drawn;
use super::run::Run;
use crate::metrics::Percentile;

/// A figure of a run, on the scale on which differences are compared.
///
/// Times and rates are compared by their ratio, so as logarithms: then faster by a tenth and slower
/// by a tenth are as far, a few slow runs weigh less, and swapped sides give the inverse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// A percentile of the latencies.
    At(Percentile),
    /// The mean latency.
    Mean,
    /// Successes a second.
    Throughput,
    /// The share of results that were not expected, compared by its difference.
    Unexpected,
}

impl Figure {
    /// Whether it is compared by its ratio, and not by its difference.
    pub fn is_ratio(self) -> bool {
        self != Figure::Unexpected
    }

    /// Whether it is of latencies.
    pub fn is_latency(self) -> bool {
        matches!(self, Figure::At(_) | Figure::Mean)
    }

    /// The figure of a run, on its scale. Not finite where it has none there.
    pub(super) fn of(self, run: &Run) -> f64 {
        match self {
            Figure::At(percentile) => {
                ln_ns(run.metrics.latency_at(percentile.quantile()).as_nanos() as f64)
            }
            // The mean of the summary is cut to nanoseconds.
            Figure::Mean => {
                let total = run.summary.latencies.total.as_nanos() as f64;
                ln_ns(total / run.summary.requests as f64)
            }
            Figure::Throughput => run.summary.throughput.ln(),
            Figure::Unexpected => run.unexpected(),
        }
    }

    /// The same of a run that consists of what was drawn of its blocks; `None` if that is nothing.
    pub(super) fn of_drawn(self, run: &Run, drawn: Drawn<'_>) -> Option<f64> {
        let blocks = run.blocks.as_ref()?;
        match self {
            Figure::At(percentile) => blocks.latency_ns_at(percentile.quantile(), drawn).map(ln_ns),
            Figure::Mean => blocks.latency_ns_mean(drawn).map(ln_ns),
            // Of the time of sending; how long the last answer took is not drawn anew.
            Figure::Throughput => {
                let all = blocks.successes_per_s(&vec![1; blocks.len()])?;
                Some(run.summary.throughput.ln() + (blocks.successes_per_s(drawn)? / all).ln())
            }
            Figure::Unexpected => blocks.unexpected(drawn),
        }
    }

    /// From its scale to what people read.
    pub(super) fn shown(self, on_scale: f64) -> f64 {
        if self.is_ratio() { on_scale.exp() } else { on_scale }
    }

    /// By how much, on its scale, it may differ from the truth: latencies are counted in buckets, so
    /// that a percentile is up to 0.1 % too high.
    pub(super) fn rounding(self) -> f64 {
        if matches!(self, Figure::At(_)) { 1e-3 } else { 0.0 }
    }
}

/// No latency is less than a nanosecond, and a clock that says so has no logarithm.
fn ln_ns(ns: f64) -> f64 {
    ns.max(1.0).ln()
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::At(percentile) => write!(f, "p{percentile}"),
            Figure::Mean => f.write_str("mean"),
            Figure::Throughput => f.write_str("throughput"),
            Figure::Unexpected => f.write_str("unexpected"),
        }
    }
}
