//! What is counted as it happens: atomics, read by whoever asks.
//!
//! Counting costs a relaxed addition, and where several threads count the same
//! thing at once, each has a place of its own. Nothing here is exact across two
//! numbers: each is read at its own moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bounds of [`Timings`], in nanoseconds: 10 µs to 10 s, six a decade (1, 1.5,
/// 2, 3, 5, 7), so that a quantile interpolated between two of them is off by
/// a few percent.
pub const TIMING_BOUNDS_NS: [u64; 37] = timing_bounds_ns();

const fn timing_bounds_ns() -> [u64; 37] {
    const STEPS: [u64; 6] = [10, 15, 20, 30, 50, 70];
    let mut bounds = [0; 37];
    let mut decade_ns = 1_000;
    let mut place = 0;
    while place < bounds.len() {
        bounds[place] = STEPS[place % STEPS.len()] * decade_ns;
        place += 1;
        if place % STEPS.len() == 0 {
            decade_ns *= 10;
        }
    }
    bounds
}

/// Bounds of the emissions of a commit.
pub const COMMIT_BOUNDS: [u64; 13] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// Durations by size.
pub type Timings = Histogram<37>;

/// How many values fell where. Two relaxed additions a value.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    /// Values up to the bound of the same place, and above the one before.
    counts: [AtomicU64; N],
    above: AtomicU64,
    sum: AtomicU64,
}

/// A [`Histogram`] at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<const N: usize> {
    /// What divides the values.
    pub bounds: &'static [u64; N],
    /// Values up to the bound of the same place, and above the one before.
    pub counts: [u64; N],
    /// Values above the last bound.
    pub above: u64,
    /// All values added up.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// Empty, with these bounds, which grow.
    pub const fn new(bounds: &'static [u64; N]) -> Histogram<N> {
        let counts = [const { AtomicU64::new(0) }; N];
        Histogram { bounds, counts, above: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn note(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts.get(place).unwrap_or(&self.above).fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn counted(&self) -> Counted<N> {
        Counted {
            bounds: self.bounds,
            counts: std::array::from_fn(|place| self.counts[place].load(Ordering::Relaxed)),
            above: self.above.load(Ordering::Relaxed),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Timings {
    /// Counts a duration.
    pub fn note_duration(&self, duration: Duration) {
        self.note(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

impl Default for Timings {
    fn default() -> Timings {
        Timings::new(&TIMING_BOUNDS_NS)
    }
}

impl<const N: usize> Counted<N> {
    /// How many values there were.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.above
    }

    /// Adds what another histogram with the same bounds has counted.
    pub fn add(&mut self, other: &Counted<N>) {
        debug_assert_eq!(self.bounds, other.bounds);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.above += other.above;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// More than the threads that usually count at once.
const STRIPES: usize = 8;

/// One `T` for each of a few groups of threads, far enough apart that no two
/// processors write to the same cache line.
#[derive(Debug, Default)]
pub struct Striped<T> {
    stripes: [Stripe<T>; STRIPES],
}

/// 128 bytes: processors fetch lines of 64 in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe<T>(T);

impl<T> Striped<T> {
    /// This thread's.
    pub fn mine(&self) -> &T {
        static THREADS: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static PLACE: usize = THREADS.fetch_add(1, Ordering::Relaxed) as usize % STRIPES;
        }
        &self.stripes[PLACE.with(|place| *place)].0
    }

    /// All of them, to be added up.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.stripes.iter().map(|stripe| &stripe.0)
    }
}

impl Striped<AtomicU64> {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.mine().fetch_add(n, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn total(&self) -> u64 {
        self.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// What a store counts. Totals are since it was opened.
#[derive(Debug)]
pub struct Meters {
    /// Readings stored.
    pub(crate) stored: AtomicU64,
    /// Copies that the cache knew, counted by the threads that submit.
    pub(crate) known: Striped<AtomicU64>,
    /// Copies that the writer found.
    pub(crate) found: AtomicU64,
    /// From the beginning of a transaction to the end of its sync.
    pub(crate) commits: Timings,
    /// Emissions decided in one transaction.
    pub(crate) commit_emissions: Histogram<13>,
    /// Transactions that stored nothing because the store refused or failed.
    pub(crate) commits_failed: AtomicU64,
    /// From the WAL into the store.
    pub(crate) checkpoints: Timings,
    /// Those that could not be finished, by readers or by trouble.
    pub(crate) checkpoints_unfinished: AtomicU64,
    /// Pages in the WAL after the last commit.
    pub(crate) wal_pages: Arc<AtomicU64>,
    /// The wall clock went forward.
    pub(crate) steps_forward: AtomicU64,
    /// The wall clock went back.
    pub(crate) steps_back: AtomicU64,
}

impl Meters {
    pub(crate) fn new(wal_pages: Arc<AtomicU64>) -> Meters {
        Meters {
            stored: AtomicU64::new(0),
            known: Striped::default(),
            found: AtomicU64::new(0),
            commits: Timings::default(),
            commit_emissions: Histogram::new(&COMMIT_BOUNDS),
            commits_failed: AtomicU64::new(0),
            checkpoints: Timings::default(),
            checkpoints_unfinished: AtomicU64::new(0),
            wal_pages,
            steps_forward: AtomicU64::new(0),
            steps_back: AtomicU64::new(0),
        }
    }
}

/// A store's numbers at one moment. Totals are since it was opened.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Readings stored.
    pub stored: u64,
    /// Copies that the cache knew as stored.
    pub duplicates_known: u64,
    /// Copies that the writer found.
    pub duplicates_found: u64,
    /// The newest reading's id; 0 if there is none.
    pub newest_id: i64,
    /// Single emissions that wait for the writer.
    pub queue_len: usize,
    /// How many may.
    pub queue_len_max: usize,
    /// Emissions of batches that wait for the writer or are being written.
    pub bulk_len: usize,
    /// How many may.
    pub bulk_len_max: usize,
    /// What the cache holds, those not yet found expired included.
    pub cache_entries: usize,
    /// What the cache has allocated.
    pub cache_bytes: usize,
    /// Nanoseconds from the beginning of a transaction to the end of its sync.
    pub commits: Counted<37>,
    /// Emissions decided in one transaction.
    pub commit_emissions: Counted<13>,
    /// Transactions that stored nothing because the store refused or failed.
    pub commits_failed: u64,
    /// Nanoseconds of checkpoints, from the WAL into the store.
    pub checkpoints: Counted<37>,
    /// Those that could not be finished, by readers or by trouble.
    pub checkpoints_unfinished: u64,
    /// Bytes in the WAL after the last commit.
    pub wal_bytes: u64,
    /// How often the wall clock was seen to step forward.
    pub clock_steps_forward: u64,
    /// How often the wall clock was seen to step back.
    pub clock_steps_back: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_from_10_us_to_10_s() {
        assert!(TIMING_BOUNDS_NS.is_sorted_by(|a, b| a < b));
        assert_eq!(
            TIMING_BOUNDS_NS[..7],
            [10_000, 15_000, 20_000, 30_000, 50_000, 70_000, 100_000]
        );
        assert_eq!(TIMING_BOUNDS_NS[36], 10_000_000_000);
    }

    #[test]
    fn a_value_is_counted_up_to_its_bound() {
        let histogram = Histogram::new(&[1, 5, 10]);
        for value in [0, 1, 2, 5, 6, 10, 11, 1_000] {
            histogram.note(value);
        }
        let mut counted = histogram.counted();
        assert_eq!((counted.counts, counted.above, counted.sum), ([2, 2, 2], 2, 1_035));
        assert_eq!(counted.total(), 8);
        counted.add(&histogram.counted());
        assert_eq!((counted.total(), counted.sum), (16, 2_070));
    }

    #[test]
    fn each_thread_counts_and_nothing_is_lost() {
        let count = Striped::<AtomicU64>::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1_000).for_each(|_| count.add(1)));
            }
        });
        assert_eq!(count.total(), 20_000);
        assert!(count.iter().filter(|stripe| stripe.load(Ordering::Relaxed) > 0).count() > 1);
    }
}
