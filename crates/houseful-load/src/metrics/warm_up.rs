//! What is left out at the beginning.

use std::time::Duration;

use crate::results::Record;

/// Tells the results of the first seconds, in which caches fill and connections open, from the rest.
///
/// Time counts from the earliest timestamp among the results so far. They come in the order in
/// which they ended; so, if the very first request was also slow, more may be left out than asked
/// for, by no more than its latency, but never less.
#[derive(Debug, Clone)]
pub struct WarmUp {
    skip_ns: i128,
    earliest_ns: Option<i128>,
}

impl WarmUp {
    /// That lasts so long.
    pub fn new(skip: Duration) -> WarmUp {
        let skip_ns = i128::try_from(skip.as_nanos()).unwrap_or(i128::MAX);
        WarmUp { skip_ns, earliest_ns: None }
    }

    /// Whether this result, the next one, belongs to what is left out.
    pub fn has(&mut self, record: &Record) -> bool {
        let at_ns = record.timestamp.as_nanosecond();
        let earliest_ns = self.earliest_ns.map_or(at_ns, |earliest_ns| earliest_ns.min(at_ns));
        self.earliest_ns = Some(earliest_ns);
        at_ns - earliest_ns < self.skip_ns
    }

    /// Whether there was any result so far.
    pub(crate) fn has_begun(&self) -> bool {
        self.earliest_ns.is_some()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn counts_from_the_earliest_result() {
        let mut warm_up = WarmUp::new(Duration::from_secs(5));
        let mut has = |at_ms| {
            let timestamp = Timestamp::from_millisecond(at_ms).unwrap();
            warm_up.has(&Record { timestamp, ..Record::default() })
        };
        let found = [1_000, 0, 4_999, 5_000, 900_000].map(&mut has);
        assert_eq!(found, [true, true, true, false, false]);
        assert!(!WarmUp::new(Duration::ZERO).has(&Record::default()));
    }
}
