//! A run cut into stretches of time, which are drawn whole.
//!
//! Latencies that follow one another are alike: a queue that is long now is long in a millisecond.
//! Drawn one by one they would seem to say more than they do; so what is drawn is a block of time,
//! long enough that blocks hardly know of each other. (Künsch, "The jackknife and the bootstrap for
//! general stationary observations", Annals of Statistics 17, 1989; Carlstein, "The use of subseries
//! values", Annals of Statistics 14, 1986, for blocks that do not overlap.)

use hdrhistogram::Histogram;

use crate::metrics::LATENCY_DIGITS;
use crate::results::Record;

/// A run has more than half as many blocks, and no more.
pub(super) const BLOCKS_MAX: usize = 32;

/// The length of a block at first, in nanoseconds; it doubles as a run goes on.
const LEN_NS_FIRST: u128 = 1 << 10;

/// Cuts a run whose length is not known before its end: when there are too many blocks, each two
/// become one, twice as long.
pub(super) struct BlockFold {
    /// In nanoseconds since the Unix epoch.
    origin_ns: Option<i128>,
    len_ns: u128,
    blocks: Vec<Block>,
    /// The latest timestamp after the origin.
    last_ns: u128,
}

struct Block {
    /// When its first request was due, after the origin; `None` if it has none.
    first_ns: Option<u128>,
    latencies_ns: Histogram<u64>,
    latency_ns_total: u128,
    successes: u64,
}

impl Block {
    fn new() -> Block {
        let latencies_ns = Histogram::new(LATENCY_DIGITS).expect("3 digits are within 0 to 5");
        Block { first_ns: None, latencies_ns, latency_ns_total: 0, successes: 0 }
    }

    fn add_block(&mut self, other: &Block) {
        self.first_ns = self.first_ns.or(other.first_ns);
        self.latencies_ns.add(&other.latencies_ns).expect("the histogram grows to hold the other");
        self.latency_ns_total += other.latency_ns_total;
        self.successes += other.successes;
    }
}

impl BlockFold {
    pub(super) fn new() -> BlockFold {
        BlockFold { origin_ns: None, len_ns: LEN_NS_FIRST, blocks: Vec::new(), last_ns: 0 }
    }

    /// Adds a record, whose `latency_ns` a histogram can hold, to the block of its timestamp; one
    /// from before the first record, which was then slow to end, to the first block.
    pub(super) fn add(&mut self, record: &Record, latency_ns: u64, is_success: bool) {
        let at_ns = record.timestamp.as_nanosecond();
        let after_ns = u128::try_from(at_ns - *self.origin_ns.get_or_insert(at_ns)).unwrap_or(0);
        self.last_ns = self.last_ns.max(after_ns);
        while after_ns / self.len_ns >= BLOCKS_MAX as u128 {
            self.double();
        }
        let number = (after_ns / self.len_ns) as usize;
        while self.blocks.len() <= number {
            self.blocks.push(Block::new());
        }
        let block = &mut self.blocks[number];
        block.first_ns = Some(block.first_ns.map_or(after_ns, |first| first.min(after_ns)));
        block.latencies_ns.record(latency_ns).expect("the histogram grows to hold it");
        block.latency_ns_total += u128::from(latency_ns);
        block.successes += u64::from(is_success);
    }

    fn double(&mut self) {
        self.len_ns *= 2;
        let mut halves = std::mem::take(&mut self.blocks).into_iter();
        while let Some(mut block) = halves.next() {
            if let Some(second) = halves.next() {
                block.add_block(&second);
            }
            self.blocks.push(block);
        }
    }

    /// How long each block is, from its first request to that of the next. Were it from edge to edge,
    /// a constant rate would seem to vary, by the one request more that some blocks have.
    fn lens_s(&self) -> Vec<f64> {
        let requests = self.blocks.iter().map(|block| block.latencies_ns.len()).sum::<u64>();
        // What follows the last request is as long as the gaps before it.
        let gap_ns = self.last_ns as f64 / requests.saturating_sub(1).max(1) as f64;
        let first_ns = |(number, block): (usize, &Block)| {
            block.first_ns.unwrap_or(number as u128 * self.len_ns) as f64
        };
        let mut edges_ns: Vec<f64> = self.blocks.iter().enumerate().map(first_ns).collect();
        edges_ns.push(self.last_ns as f64 + gap_ns);
        edges_ns.windows(2).map(|edges| (edges[1] - edges[0]) / 1e9).collect()
    }

    /// The blocks for drawing; `latencies_ns` are those of the whole run, of which none is above
    /// `latency_ns_max`.
    pub(super) fn finish(self, latencies_ns: &Histogram<u64>, latency_ns_max: u64) -> Blocks {
        let values_ns: Vec<u64> =
            latencies_ns.iter_recorded().map(|step| step.value_iterated_to()).collect();
        let count = self.blocks.len();
        let mut counts_up_to = vec![0; values_ns.len() * count];
        for (number, block) in self.blocks.iter().enumerate() {
            let mut sum = 0;
            for (row, value_ns) in values_ns.iter().enumerate() {
                // Beyond its end a histogram tells what is in its last bucket.
                if *value_ns <= block.latencies_ns.max() {
                    sum += block.latencies_ns.count_at(*value_ns);
                }
                counts_up_to[row * count + number] = sum;
            }
        }
        Blocks {
            values_ns: values_ns.iter().map(|value| (*value).min(latency_ns_max)).collect(),
            counts_up_to,
            lens_s: self.lens_s(),
            requests: self.blocks.iter().map(|block| block.latencies_ns.len()).collect(),
            latency_ns_totals: self.blocks.iter().map(|it| it.latency_ns_total as f64).collect(),
            successes: self.blocks.iter().map(|block| block.successes).collect(),
        }
    }
}

/// The blocks of one run, at least one; memory grows with distinct latencies, not with results.
pub(super) struct Blocks {
    /// Each latency that was recorded, as a percentile would give it, increasing.
    values_ns: Vec<u64>,
    /// `[latency][block]`: how many results of the block are no longer.
    counts_up_to: Vec<u64>,
    lens_s: Vec<f64>,
    requests: Vec<u64>,
    latency_ns_totals: Vec<f64>,
    successes: Vec<u64>,
}

/// How often each block was drawn: `[block]` → times.
pub(super) type Drawn<'a> = &'a [u64];

impl Blocks {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// The latency that a share `quantile` of the drawn results does not exceed, as
    /// [`crate::metrics::Metrics::latency_at`] counts; `None` if none was drawn.
    ///
    /// A binary search over the counts up to each latency: some hundred operations, however many
    /// results there are.
    pub(super) fn latency_ns_at(&self, quantile: f64, drawn: Drawn<'_>) -> Option<f64> {
        let total = dot(&self.requests, drawn);
        if total == 0 {
            return None;
        }
        let rank = ((quantile * total as f64).ceil() as u64).clamp(1, total);
        let (mut low, mut high) = (0, self.values_ns.len() - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = middle * self.len()..(middle + 1) * self.len();
            if dot(&self.counts_up_to[row], drawn) >= rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(self.values_ns[low] as f64)
    }

    /// The mean of the drawn results; `None` if none was drawn.
    pub(super) fn latency_ns_mean(&self, drawn: Drawn<'_>) -> Option<f64> {
        let total = dot(&self.requests, drawn);
        let weighted = self.latency_ns_totals.iter().zip(drawn);
        let sum = weighted.map(|(total, times)| total * *times as f64).sum::<f64>();
        (total > 0).then(|| sum / total as f64)
    }

    /// Successes a second of the drawn blocks; `None` if they last no time.
    pub(super) fn successes_per_s(&self, drawn: Drawn<'_>) -> Option<f64> {
        let lens = self.lens_s.iter().zip(drawn).map(|(len, times)| len * *times as f64);
        let seconds = lens.sum::<f64>();
        (seconds > 0.0).then(|| dot(&self.successes, drawn) as f64 / seconds)
    }

    /// The share of the drawn results that were not expected; `None` if none was drawn.
    pub(super) fn unexpected(&self, drawn: Drawn<'_>) -> Option<f64> {
        let total = dot(&self.requests, drawn);
        (total > 0).then(|| (total - dot(&self.successes, drawn)) as f64 / total as f64)
    }
}

fn dot(counts: &[u64], drawn: Drawn<'_>) -> u64 {
    counts.iter().zip(drawn).map(|(count, times)| count * times).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::Metrics;

    /// Of results at so many milliseconds with latencies of so many.
    fn fold(results: &[(i64, u64)]) -> (Blocks, Metrics, u128) {
        let (mut fold, mut metrics) = (BlockFold::new(), Metrics::new());
        for (at_ms, latency_ms) in results {
            let record = Record {
                timestamp: Timestamp::from_millisecond(*at_ms).unwrap(),
                latency: Duration::from_millis(*latency_ms),
                code: if latency_ms.is_multiple_of(3) { 500 } else { 200 },
                ..Record::default()
            };
            fold.add(&record, latency_ms * 1_000_000, record.is_success());
            metrics.add(&record);
        }
        let len_ns = fold.len_ns;
        (fold.finish(metrics.latencies_ns(), metrics.latency_ns_max()), metrics, len_ns)
    }

    #[test]
    fn a_run_of_any_length_has_about_as_many_blocks() {
        for (results, interval_ms) in [(100, 1), (1_000, 1), (10_000, 7), (3_333, 86_400_000)] {
            let results: Vec<_> = (0..results).map(|n| (n * interval_ms, 1)).collect();
            let (blocks, _, _) = fold(&results);
            assert!((17..=32).contains(&blocks.len()), "{}", blocks.len());
            assert_eq!(blocks.requests.iter().sum::<u64>(), results.len() as u64);
            let lasts_s = results.len() as f64 * interval_ms as f64 / 1e3;
            assert!((blocks.lens_s.iter().sum::<f64>() - lasts_s).abs() < 1e-6 * lasts_s);
            // The rate of each is that of the run.
            for (requests, len_s) in blocks.requests.iter().zip(&blocks.lens_s) {
                let per_s = *requests as f64 / len_s;
                assert!((per_s * interval_ms as f64 / 1e3 - 1.0).abs() < 1e-9, "{per_s}");
            }
        }
    }

    #[test]
    fn time_without_requests_counts() {
        // As results come, in the order of their ends.
        let results: Vec<_> = (0..100)
            .chain(900..1_000)
            .map(|n| (if n % 2 == 0 { n + 1 } else { n - 1 }, 1))
            .collect();
        let (blocks, ..) = fold(&results);
        assert!(blocks.requests.iter().filter(|requests| **requests == 0).count() > 10);
        assert!(blocks.lens_s.iter().all(|len_s| *len_s > 0.0), "{:?}", blocks.lens_s);
        let per_s = blocks.successes_per_s(&vec![1; blocks.len()]).unwrap();
        assert!((per_s - 200.0).abs() < 2.0, "{per_s}");
    }

    #[test]
    fn one_from_before_the_first_is_in_the_first_block() {
        let (blocks, ..) = fold(&[(1_000, 1), (0, 2_000), (5_000, 1)]);
        assert_eq!((blocks.requests[0], blocks.requests[blocks.len() - 1]), (2, 1));
    }

    #[test]
    fn a_latency_at_the_end_of_a_histogram_counts_once() {
        // 4,294 ms is in the last bucket before 2^32 ns, up to which the first block's histogram goes.
        let (blocks, ..) = fold(&[(0, 4_294), (1_000, 4_469), (1_000, 4_926)]);
        let at = blocks.latency_ns_at(1.0, &vec![1; blocks.len()]).unwrap();
        assert!(at >= 4_926e6, "{at}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What is drawn has the figures that the same records have in a report.
        #[test]
        fn what_is_drawn_is_as_if_it_had_been_measured(
            results in prop::collection::vec((0i64..100_000, 1u64..5_000), 1..300),
            times in prop::collection::vec(0u64..4, BLOCKS_MAX),
            quantile in 0.0f64..1.0,
        ) {
            let (blocks, _, len_ns) = fold(&results);
            let drawn = &times[..blocks.len()];
            let origin_ms = results[0].0;
            let block_of = |at_ms: i64| (((at_ms - origin_ms).max(0) as u128 * 1_000_000) / len_ns) as usize;
            let mut latencies_ms: Vec<u64> = results
                .iter()
                .flat_map(|(at_ms, latency_ms)| {
                    std::iter::repeat_n(*latency_ms, drawn[block_of(*at_ms)] as usize)
                })
                .collect();
            latencies_ms.sort_unstable();
            let count = latencies_ms.len();
            let Some(at) = blocks.latency_ns_at(quantile, drawn) else {
                prop_assert_eq!(count, 0);
                return Ok(());
            };
            let rank = ((quantile * count as f64).ceil() as usize).clamp(1, count);
            let truth = latencies_ms[rank - 1] as f64 * 1e6;
            prop_assert!(at >= truth && at <= truth * 1.001, "{} {}", at, truth);
            let mean = latencies_ms.iter().sum::<u64>() as f64 / count as f64 * 1e6;
            prop_assert!((blocks.latency_ns_mean(drawn).unwrap() / mean - 1.0).abs() < 1e-9);
            let failed = latencies_ms.iter().filter(|ms| ms.is_multiple_of(3)).count();
            let unexpected = failed as f64 / count as f64;
            prop_assert!((blocks.unexpected(drawn).unwrap() - unexpected).abs() < 1e-12);
        }

        /// Each block once is the run as the report has it.
        #[test]
        fn all_blocks_are_the_run(results in prop::collection::vec((0i64..9_000, 1u64..900), 1..200)) {
            let (blocks, metrics, _) = fold(&results);
            let once = vec![1; blocks.len()];
            for quantile in [0.01, 0.5, 0.9, 0.99, 1.0] {
                let at = blocks.latency_ns_at(quantile, &once).unwrap();
                prop_assert_eq!(at, metrics.latency_at(quantile).as_nanos() as f64);
            }
        }
    }
}
