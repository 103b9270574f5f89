//! How many latencies are how long, in as many steps as a chart shows.

use hdrhistogram::Histogram as HdrHistogram;

/// The most steps; few latencies have fewer.
const STEPS_MAX: f64 = 72.0;

/// The most steps of a handful of latencies.
const STEPS_MAX_OF_FEW: f64 = 12.0;

/// Counts between edges, each as many times the one before: on an axis of magnitudes the steps are
/// equally wide, and a step in the counts is one in the latencies.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Histogram {
    /// Where each step begins, and where the last one ends: one more than `counts`.
    pub(super) edges_ns: Vec<f64>,
    /// A latency within 0.1 % of an edge may count on its other side.
    pub(super) counts: Vec<u64>,
}

impl Histogram {
    /// Of latencies in nanoseconds, all between these.
    pub(super) fn of(latencies_ns: &HdrHistogram<u64>, min_ns: u64, max_ns: u64) -> Histogram {
        // Nothing takes less than a nanosecond.
        let [first, last] = [min_ns, max_ns].map(|ns| (ns.max(1) as f64).log2());
        let steps_max =
            (2.0 * (latencies_ns.len() as f64).sqrt()).clamp(STEPS_MAX_OF_FEW, STEPS_MAX);
        let count = |per_doubling: f64| {
            (last * per_doubling).floor() - (first * per_doubling).floor() + 1.0
        };
        let fits = |per_doubling: &f64| count(*per_doubling) <= steps_max;
        let per_doubling = [64.0, 32.0, 16.0, 8.0, 4.0, 2.0].into_iter().find(fits).unwrap_or(1.0);
        let start = (first * per_doubling).floor();
        let steps = count(per_doubling) as usize;
        let mut counts = vec![0; steps];
        for recorded in latencies_ns.iter_recorded() {
            let ns = latencies_ns.median_equivalent(recorded.value_iterated_to());
            let ns = ns.clamp(min_ns, max_ns).max(1) as f64;
            let step = (ns.log2() * per_doubling).floor() - start;
            counts[step as usize] += recorded.count_at_value();
        }
        let edge = |step: usize| ((start + step as f64) / per_doubling).exp2();
        Histogram { edges_ns: (0..=steps).map(edge).collect(), counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(latencies_ns: impl IntoIterator<Item = u64> + Clone) -> Histogram {
        let mut hdr = HdrHistogram::new(3).unwrap();
        latencies_ns.clone().into_iter().for_each(|ns| hdr.record(ns).unwrap());
        let [min, max] =
            [Iterator::min, Iterator::max].map(|it| it(latencies_ns.clone().into_iter()));
        Histogram::of(&hdr, min.unwrap(), max.unwrap())
    }

    #[test]
    fn steps_cover_all_and_are_few() {
        for list in [
            &[7, 300_000, 310_000, 2_000_000, 30_000_000_000][..],
            &[0],
            &[0, 1, 2],
            &[123_456],
            &[1 << 20, 1 << 21],
            &[0, i64::MAX as u64],
        ] {
            let found = histogram(list.iter().copied());
            assert_eq!(found.counts.iter().sum::<u64>(), list.len() as u64);
            assert_eq!(found.edges_ns.len(), found.counts.len() + 1);
            assert!(found.counts.len() <= STEPS_MAX as usize, "{found:?}");
            assert!(found.edges_ns.is_sorted_by(|a, b| a < b), "{found:?}");
            let (first, last) = (found.edges_ns[0], *found.edges_ns.last().unwrap());
            assert!(first <= (list[0] as f64).max(1.0) * 1.000_001, "{found:?}");
            assert!(last > *list.last().unwrap() as f64, "{found:?}");
        }
    }

    #[test]
    fn an_even_spread_is_even_over_powers_of_two() {
        // As many latencies in each step, whatever lies in it.
        let found = histogram((0..100_000).map(|n| (1e5 * 16_f64.powf(n as f64 / 1e5)) as u64));
        let inner = &found.counts[1..found.counts.len() - 1];
        let (least, most) = (inner.iter().min().unwrap(), inner.iter().max().unwrap());
        assert!(inner.len() > 50 && *most as f64 / (*least as f64) < 1.1, "{found:?}");
    }
}
