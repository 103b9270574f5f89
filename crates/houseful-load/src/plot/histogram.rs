//! How many latencies are how long, in as many steps as a chart shows.

use std::collections::BTreeMap;

use super::column::Column;
use super::rows::{Rows, start_ns};

/// The most steps; few latencies have fewer.
const STEPS_MAX: u64 = 72;

/// The most steps of a handful of latencies.
const STEPS_MAX_OF_FEW: u64 = 12;

/// Counts between edges that get wider as latencies get longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    /// Where each step begins, and where the last one ends: one more than `counts`.
    pub(super) edges_ns: Vec<u64>,
    pub(super) counts: Vec<u64>,
}

impl Histogram {
    /// Of all the columns.
    pub(super) fn of<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Histogram {
        let mut rows = Rows::default();
        columns.into_iter().for_each(|column| rows.merge(&column.latencies));
        let Some((first, last)) = rows.iter().next().zip(rows.iter().last()) else {
            return Histogram::default();
        };
        let (first, last) = (first.0, last.0);
        let total: u64 = rows.iter().map(|(_, count)| count).sum();
        let steps_max = (2 * total.isqrt()).clamp(STEPS_MAX_OF_FEW, STEPS_MAX);
        let is_few = |shift: &u32| u64::from((last >> shift) - (first >> shift)) < steps_max;
        // At least one step to a doubling.
        let shift = (0..6).find(is_few).unwrap_or(6);
        let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
        for (row, count) in rows.iter() {
            *counts.entry(row >> shift).or_default() += count;
        }
        let steps = first >> shift..=last >> shift;
        let edge = |step: u16| start_ns(step << shift);
        Histogram {
            edges_ns: steps.clone().chain([(last >> shift) + 1]).map(edge).collect(),
            counts: steps.map(|step| counts.get(&step).copied().unwrap_or_default()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_all_and_are_few() {
        let mut column = Column::default();
        assert_eq!(Histogram::of([&column]), Histogram::default());
        for ns in [7, 300_000, 310_000, 2_000_000, 30_000_000_000] {
            column.latencies.add(ns);
        }
        let histogram = Histogram::of([&column, &column]);
        assert_eq!(histogram.counts.iter().sum::<u64>(), 10);
        assert!(histogram.counts.len() <= STEPS_MAX as usize, "{histogram:?}");
        assert_eq!(histogram.edges_ns.len(), histogram.counts.len() + 1);
        assert!(histogram.edges_ns.is_sorted_by(|a, b| a < b), "{histogram:?}");
        assert!(histogram.edges_ns[0] <= 7 && *histogram.edges_ns.last().unwrap() > 30_000_000_000);

        let mut narrow = Column::default();
        (0..100).for_each(|n| narrow.latencies.add(1_000_000 + n * 1_000));
        let histogram = Histogram::of([&narrow]);
        assert!(histogram.counts.len() > 5, "{histogram:?}");
    }
}
