//! What happened in one stretch of time.

use super::kind::Kind;
use super::rows::Rows;

/// A stretch of time. What a request is counted in is the stretch in which it was due; only
/// `answered`, `codes` and `failures` are of the stretch in which its answer came, or its failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    /// Requests due.
    pub(super) asked: u64,
    /// Answers that came, whatever they said.
    pub(super) answered: u64,
    /// Latencies of those that succeeded.
    pub(super) good: Extremes,
    /// Latencies of those that failed.
    pub(super) bad: Extremes,
    /// Latencies of all.
    pub(super) latencies: Rows,
    /// Requests that ended, by status; those of too many statuses together as `None`.
    pub(super) codes: Counts<Option<u16>>,
    /// Failures by kind.
    pub(super) failures: Counts<Kind>,
}

/// The least and the greatest, exactly; `None` of none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extremes(pub(super) Option<(u64, u64)>);

/// Small counts, sorted by what is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts<K>(Vec<(K, u64)>);

impl Column {
    pub(super) fn merge(&mut self, other: &Column) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.good.merge(other.good);
        self.bad.merge(other.bad);
        self.latencies.merge(&other.latencies);
        self.codes.merge(&other.codes);
        self.failures.merge(&other.failures);
    }

    /// The extremes of all.
    pub(super) fn extremes(&self) -> Extremes {
        let mut all = self.good;
        all.merge(self.bad);
        all
    }
}

impl Extremes {
    pub(super) fn add(&mut self, ns: u64) {
        self.merge(Extremes(Some((ns, ns))));
    }

    pub(super) fn merge(&mut self, other: Extremes) {
        self.0 = match (self.0, other.0) {
            (Some((min, max)), Some((other_min, other_max))) => {
                Some((min.min(other_min), max.max(other_max)))
            }
            (known, other) => known.or(other),
        };
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Counts<K> {
        Counts(Vec::new())
    }
}

impl<K: Copy + Ord> Counts<K> {
    pub(super) fn add(&mut self, key: K, count: u64) {
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => self.0[at].1 += count,
            Err(at) => self.0.insert(at, (key, count)),
        }
    }

    fn merge(&mut self, other: &Counts<K>) {
        other.0.iter().for_each(|(key, count)| self.add(*key, *count));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, u64)> + '_ {
        self.0.iter().copied()
    }

    /// How many of this.
    pub(super) fn of(&self, key: K) -> u64 {
        self.0.binary_search_by_key(&key, |(key, _)| *key).map_or(0, |at| self.0[at].1)
    }
}
