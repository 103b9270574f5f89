//! How many latencies lie between given ones.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration::{self, DurationError, Go};

/// Where buckets begin, in vegeta's form: `[0,1ms,5ms]`. The first begins at 0, each ends where the
/// next begins, the last has no end. They increase; vegeta takes others and counts nonsense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets(Vec<Duration>);

/// Why a text is no list of buckets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketsError {
    /// No list in brackets.
    #[error("expected buckets such as [0,1ms,5ms], found `{0}`")]
    Malformed(String),
    /// One of them is no duration.
    #[error("expected buckets such as [0,1ms,5ms]: {0}")]
    NoDuration(DurationError),
    /// One is not above the one before it.
    #[error("expected buckets that increase, found {} after {} in `{text}`", Go(*.next), Go(*.before))]
    NotIncreasing {
        /// All of them.
        text: String,
        /// The earlier one.
        before: Duration,
        /// The later one.
        next: Duration,
    },
}

impl FromStr for Buckets {
    type Err = BucketsError;

    fn from_str(text: &str) -> Result<Buckets, BucketsError> {
        let list = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let list = list.ok_or_else(|| BucketsError::Malformed(text.to_owned()))?;
        let mut starts: Vec<Duration> = Vec::new();
        for word in list.split(',') {
            let next = duration::parse(word.trim()).map_err(BucketsError::NoDuration)?;
            match starts.last() {
                None if next > Duration::ZERO => starts.push(Duration::ZERO),
                Some(&before) if before >= next => {
                    return Err(BucketsError::NotIncreasing {
                        text: text.to_owned(),
                        before,
                        next,
                    });
                }
                _ => {}
            }
            starts.push(next);
        }
        Ok(Buckets(starts))
    }
}

/// How many latencies each bucket holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    starts: Vec<Duration>,
    counts: Vec<u64>,
}

/// One bucket of a [`Histogram`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// The shortest latency that it may hold.
    pub start: Duration,
    /// The shortest latency that is in the next; `None` for the last.
    pub end: Option<Duration>,
    /// How many it holds.
    pub count: u64,
}

impl Histogram {
    /// Of no latency yet.
    pub fn new(buckets: Buckets) -> Histogram {
        Histogram { counts: vec![0; buckets.0.len()], starts: buckets.0 }
    }

    /// Counts one latency.
    pub fn add(&mut self, latency: Duration) {
        // The first start is 0, so at least one is no greater.
        self.counts[self.starts.partition_point(|start| *start <= latency) - 1] += 1;
    }

    /// All buckets, shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        let ends = self.starts.iter().skip(1).map(|end| Some(*end)).chain([None]);
        let starts = self.starts.iter().zip(ends).zip(&self.counts);
        starts.map(|((start, end), count)| Bucket { start: *start, end, count: *count })
    }

    /// How many latencies in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl fmt::Display for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts: Vec<_> = self.0.iter().map(|start| Go(*start).to_string()).collect();
        write!(f, "[{}]", starts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_read_as_vegeta_writes_them_and_must_increase() {
        for (text, read) in [
            ("[0]", "[0s]"),
            ("[0,1ms,5ms]", "[0s,1ms,5ms]"),
            ("[1ms, 1.5s]", "[0s,1ms,1.5s]"),
            ("[ 10us ]", "[0s,10µs]"),
        ] {
            assert_eq!(text.parse::<Buckets>().unwrap().to_string(), read);
        }
        for (text, error) in [
            ("", "expected buckets such as [0,1ms,5ms], found ``"),
            ("0,1ms", "expected buckets such as [0,1ms,5ms], found `0,1ms`"),
            ("[0,1ms", "expected buckets such as [0,1ms,5ms], found `[0,1ms`"),
            (
                "[]",
                "expected buckets such as [0,1ms,5ms]: expected a duration such as 5s or 1m30s, found ``",
            ),
            (
                "[0,1]",
                "expected buckets such as [0,1ms,5ms]: expected a duration with a unit, such as 5s or 100ms, found `1`",
            ),
            (
                "[-1ms]",
                "expected buckets such as [0,1ms,5ms]: expected a duration of zero or more, found `-1ms`",
            ),
            ("[5ms,1ms]", "expected buckets that increase, found 1ms after 5ms in `[5ms,1ms]`"),
            ("[0,1ms,1ms]", "expected buckets that increase, found 1ms after 1ms in `[0,1ms,1ms]`"),
            ("[0,0]", "expected buckets that increase, found 0s after 0s in `[0,0]`"),
        ] {
            assert_eq!(text.parse::<Buckets>().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn hold_what_is_no_less_than_their_start_and_less_than_the_next() {
        let mut histogram = Histogram::new("[1ms,5ms]".parse().unwrap());
        for us in [0, 999, 1_000, 4_999, 5_000, 5_000_000] {
            histogram.add(Duration::from_micros(us));
        }
        let counts: Vec<_> = histogram.buckets().map(|bucket| bucket.count).collect();
        assert_eq!((counts, histogram.total()), (vec![2, 2, 2], 6));
        let last = histogram.buckets().last().unwrap();
        assert_eq!((last.start, last.end), (Duration::from_millis(5), None));
    }
}
