//! At which rate the requests of a run were due, and whether runs of both sides were alike in that.

use super::Side;
use super::run::Run;
use crate::metrics::{Limit, Summary};
use crate::results::Record;

/// Rates that differ by no more than this share are the same.
const SAME: f64 = 0.01;

/// Chance rarely makes rates differ by more standard deviations.
const DEVIATIONS: f64 = 3.0;

/// The fold over the records of a run, in any order.
#[derive(Debug, Clone, Default)]
pub(super) struct PaceFold {
    results: u64,
    seqs: Option<(u64, u64)>,
    /// Of the record before: its number, and when it was due.
    last: Option<(u64, i128)>,
    /// Gaps from a request to the next: how many, their mean in seconds, their squared deviations.
    gaps: f64,
    gap_s: f64,
    squares: f64,
}

/// A rate in requests a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    pub(super) per_s: f64,
    /// By what share chance lets it deviate. Nothing where all gaps are alike, but Poisson's are not.
    deviation: f64,
}

impl PaceFold {
    pub(super) fn add(&mut self, record: &Record) {
        let Record { seq, timestamp, .. } = *record;
        let due_ns = timestamp.as_nanosecond();
        self.results += 1;
        let (first, last) = self.seqs.unwrap_or((seq, seq));
        self.seqs = Some((first.min(seq), last.max(seq)));
        if let Some((before, before_ns)) = self.last.replace((seq, due_ns))
            && before.checked_add(1) == Some(seq)
        {
            let gap_s = (due_ns - before_ns) as f64 / 1e9;
            let off_s = gap_s - self.gap_s;
            self.gaps += 1.0;
            self.gap_s += off_s / self.gaps;
            self.squares += off_s * (gap_s - self.gap_s);
        }
    }

    /// `None` if all were due at once.
    pub(super) fn finish(&self, summary: &Summary) -> Option<Pace> {
        let (first, last) = self.seqs?;
        // A run that was cut off lacks answers that were under way; their numbers tell of them.
        let gaps = (self.results - 1).max(last - first) as f64;
        let per_s = gaps / summary.duration.as_secs_f64();
        let variance = self.squares / self.gaps.max(1.0);
        let relative = if self.gap_s > 0.0 { variance.sqrt() / self.gap_s } else { 0.0 };
        (per_s.is_finite() && per_s > 0.0)
            .then(|| Pace { per_s, deviation: relative / gaps.sqrt() })
    }
}

impl Pace {
    /// By more than chance, and by so much that latencies may differ for that alone.
    pub(super) fn differs(self, other: Pace) -> bool {
        let share = (self.per_s - other.per_s).abs() / self.per_s.max(other.per_s);
        share > SAME.max(DEVIATIONS * self.deviation.hypot(other.deviation))
    }
}

/// Why no figure says which of two builds is faster: they were asked for other loads.
pub(super) fn other_rate(a: &Side, b: &Side) -> Option<String> {
    let runs = || a.runs.iter().chain(&b.runs);
    if runs().all(is_as_fast_as_possible) {
        return None;
    }
    let paces = || runs().filter_map(|run| run.pace);
    let slowest = paces().min_by(|one, other| one.per_s.total_cmp(&other.per_s))?;
    let fastest = paces().max_by(|one, other| one.per_s.total_cmp(&other.per_s))?;
    let untold = if runs().any(|run| run.summary.sending.is_none()) {
        "; if they were to be as fast as they could, some of these results do not tell it"
    } else {
        ""
    };
    slowest
        .differs(fastest)
        .then(|| format!("not at the same rate (A {}, B {}){untold}", rate_of(a), rate_of(b)))
}

/// Then no rate was asked for: the server made it.
fn is_as_fast_as_possible(run: &Run) -> bool {
    run.summary.sending.is_some_and(|it| it.limit == Limit::Unknown)
}

/// The mean of its runs, or the least and the greatest where they differ.
fn rate_of(side: &Side) -> String {
    let rates: Vec<f64> =
        side.runs.iter().filter_map(|run| run.pace.map(|pace| pace.per_s)).collect();
    let (least, most) = rates
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(least, most), rate| (least.min(*rate), most.max(*rate)));
    let round = |rate: f64| (rate * 100.0).round() / 100.0;
    if rates.is_empty() {
        "all at once".to_owned()
    } else if most - least > SAME * most {
        format!("{}/s to {}/s", round(least), round(most))
    } else {
        format!("{}/s", round(rates.iter().sum::<f64>() / rates.len() as f64))
    }
}
