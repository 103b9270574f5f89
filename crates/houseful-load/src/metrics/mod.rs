//! Folds records into the figures of a report, in constant memory.
//!
//! Latencies go into an HDR histogram: a percentile is at most 0.1 % above the true value;
//! minimum, maximum, sum and mean are exact.

mod buckets;
mod expect;
mod per_target;
mod percentile;
mod sending;
mod warm_up;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use hdrhistogram::Histogram as HdrHistogram;
use jiff::Timestamp;

use crate::results::{Cause, Record};
pub use buckets::{Bucket, Buckets, BucketsError, Histogram};
pub use expect::{Codes, CodesError};
pub use per_target::{PerTarget, TARGETS_MAX, TargetSummary};
pub use percentile::{Percentile, PercentileError};
pub use sending::{LATE, Limit, Sending, Slips};
pub use warm_up::WarmUp;

/// How many distinct error texts are kept.
pub const ERRORS_MAX: usize = 1_000;

/// Significant decimal digits of a latency.
pub(crate) const LATENCY_DIGITS: u8 = 3;

/// The longest latency, as in Go: 292 years.
pub(crate) const LATENCY_NS_MAX: u64 = i64::MAX as u64;

/// What the figures are to be of, where vegeta's are not enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Which statuses are successes; `None` is vegeta's rule, 200 to 399.
    pub expect: Option<Codes>,
    /// The percentiles of [`Summary::percentiles`].
    pub percentiles: Vec<Percentile>,
    /// Counts latencies in these, too.
    pub buckets: Option<Buckets>,
}

impl Default for Options {
    fn default() -> Options {
        Options { expect: None, percentiles: Percentile::USUAL.to_vec(), buckets: None }
    }
}

/// The fold itself: add each record, then ask for the [`Summary`].
#[derive(Debug, Clone)]
pub struct Metrics {
    options: Options,
    requests: u64,
    successes: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// In nanoseconds since the Unix epoch: earliest, latest, end.
    span_ns: Option<(i128, i128, i128)>,
    latency_ns_total: u128,
    /// The histogram rounds; these do not.
    latency_ns_min: u64,
    latency_ns_max: u64,
    latencies_ns: HdrHistogram<u64>,
    histogram: Option<Histogram>,
    slips: Slips,
    status_codes: BTreeMap<u16, u64>,
    causes: BTreeMap<Cause, u64>,
    errors: Vec<String>,
    errors_seen: HashSet<String>,
    errors_not_kept: u64,
}

/// The figures of a report. Meanings as in vegeta's `lib/metrics.go`.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many records.
    pub requests: u64,
    /// Requests a second of `duration`; `requests` if that is zero.
    pub rate: f64,
    /// Successes a second of `duration + wait`; the number of successes if `duration` is zero.
    pub throughput: f64,
    /// From the first timestamp to the last.
    pub duration: Duration,
    /// From the last timestamp to the latest end.
    pub wait: Duration,
    /// The first timestamp; `None` without records, as the next two.
    pub earliest: Option<Timestamp>,
    /// The last timestamp.
    pub latest: Option<Timestamp>,
    /// When the last answer was complete.
    pub end: Option<Timestamp>,
    /// Latencies.
    pub latencies: Latencies,
    /// The latencies at the percentiles that were asked for, in that order.
    pub percentiles: Vec<(Percentile, Duration)>,
    /// The latencies by bucket, if buckets were asked for.
    pub histogram: Option<Histogram>,
    /// Bodies of answers.
    pub bytes_in: Bytes,
    /// Bodies of requests.
    pub bytes_out: Bytes,
    /// Requests whose status was expected: one of [`Options::expect`], or from 200 to 399.
    pub successes: u64,
    /// Successes by requests, 0 to 1.
    pub success: f64,
    /// How often each status came, 0 for no answer.
    pub status_codes: BTreeMap<u16, u64>,
    /// How the generator kept the schedule, where the records say so.
    pub sending: Option<Sending>,
    /// How many requests have no answer, by cause; those of other tools tell none.
    pub causes: BTreeMap<Cause, u64>,
    /// Each distinct error once, first seen first, at most [`ERRORS_MAX`].
    pub errors: Vec<String>,
    /// How many records had an error that is not among `errors`, because there were too many.
    pub errors_not_kept: u64,
}

/// The latencies of all records. Percentiles are at most 0.1 % too high, the rest is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// All added up.
    pub total: Duration,
    /// `total` by the number of records.
    pub mean: Duration,
    /// The median.
    pub p50: Duration,
    /// 90th percentile.
    pub p90: Duration,
    /// 95th percentile.
    pub p95: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// The shortest.
    pub min: Duration,
}

/// Bytes of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bytes {
    /// All added up.
    pub total: u64,
    /// `total` by the number of records.
    pub mean: f64,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Metrics of no record yet.
    pub fn new() -> Metrics {
        Metrics::with(Options::default())
    }

    /// Metrics of no record yet, of what is asked for.
    pub fn with(options: Options) -> Metrics {
        // Resizes itself: a few KiB at first, some 430 KiB when it has seen every magnitude.
        let latencies_ns = HdrHistogram::new(LATENCY_DIGITS).expect("3 digits are within 0 to 5");
        Metrics {
            histogram: options.buckets.clone().map(Histogram::new),
            options,
            requests: 0,
            successes: 0,
            bytes_in: 0,
            bytes_out: 0,
            span_ns: None,
            latency_ns_total: 0,
            latency_ns_min: u64::MAX,
            latency_ns_max: 0,
            latencies_ns,
            slips: Slips::new(),
            status_codes: BTreeMap::new(),
            causes: BTreeMap::new(),
            errors: Vec::new(),
            errors_seen: HashSet::new(),
            errors_not_kept: 0,
        }
    }

    /// Adds one record.
    pub fn add(&mut self, record: &Record) {
        let is_success = self.is_success(record);
        self.requests += 1;
        self.successes += u64::from(is_success);
        self.bytes_in = self.bytes_in.saturating_add(record.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(record.bytes_out);
        *self.status_codes.entry(record.code).or_default() += 1;

        let (at, end) = (record.timestamp.as_nanosecond(), record.end_ns());
        let (earliest, latest, last_end) = self.span_ns.unwrap_or((at, at, end));
        self.span_ns = Some((earliest.min(at), latest.max(at), last_end.max(end)));

        let latency_ns =
            u64::try_from(record.latency.as_nanos()).unwrap_or(u64::MAX).min(LATENCY_NS_MAX);
        self.latency_ns_total += u128::from(latency_ns);
        self.latency_ns_min = self.latency_ns_min.min(latency_ns);
        self.latency_ns_max = self.latency_ns_max.max(latency_ns);
        self.latencies_ns.record(latency_ns).expect("the histogram grows to hold LATENCY_NS_MAX");
        if let Some(histogram) = &mut self.histogram {
            histogram.add(record.latency);
        }

        if let Some(cause) = record.cause() {
            *self.causes.entry(cause).or_default() += 1;
        }
        self.slips.add(record);

        match self.options.expect {
            None => self.add_error(&record.error),
            Some(_) if is_success => {}
            // An answer that vegeta would be glad of says nothing itself.
            Some(_) if record.error.is_empty() => {
                self.add_error(&format!("{}: not an expected status", record.code));
            }
            Some(_) => self.add_error(&record.error),
        }
    }

    /// Whether its status was expected.
    pub(crate) fn is_success(&self, record: &Record) -> bool {
        let expect = self.options.expect.as_ref();
        expect.map_or_else(|| record.is_success(), |codes| codes.contains(record.code))
    }

    fn add_error(&mut self, error: &str) {
        // Mostly there are none, or it is the same one again.
        if error.is_empty() || self.errors.first().is_some_and(|first| first == error) {
            return;
        }
        if !self.errors_seen.contains(error) {
            if self.errors.len() < ERRORS_MAX {
                self.errors_seen.insert(error.to_owned());
                self.errors.push(error.to_owned());
            } else {
                self.errors_not_kept += 1;
            }
        }
    }

    /// The figures so far. More records may be added afterwards.
    pub fn summary(&self) -> Summary {
        let (earliest, latest, end) = self.span_ns.unwrap_or_default();
        let (duration, wait) = (duration_ns(latest - earliest), duration_ns(end - latest));
        let timestamp = |ns| self.span_ns.and_then(|_| Timestamp::from_nanosecond(ns).ok());
        let (mut rate, mut throughput) = (self.requests as f64, self.successes as f64);
        if !duration.is_zero() {
            rate /= duration.as_secs_f64();
            throughput /= (duration + wait).as_secs_f64();
        }
        Summary {
            requests: self.requests,
            rate,
            throughput,
            duration,
            wait,
            earliest: timestamp(earliest),
            latest: timestamp(latest),
            end: timestamp(end),
            latencies: self.latencies(),
            percentiles: self
                .options
                .percentiles
                .iter()
                .map(|percentile| (*percentile, self.latency_at(percentile.quantile())))
                .collect(),
            histogram: self.histogram.clone(),
            bytes_in: self.bytes(self.bytes_in),
            bytes_out: self.bytes(self.bytes_out),
            successes: self.successes,
            success: self.per_request(self.successes),
            status_codes: self.status_codes.clone(),
            sending: self.slips.sending(),
            causes: self.causes.clone(),
            errors: self.errors.clone(),
            errors_not_kept: self.errors_not_kept,
        }
    }

    /// The latency that a share `quantile` (0 to 1) of the requests does not exceed.
    ///
    /// At most 0.1 % too high, never outside the exact minimum and maximum. Zero without records.
    pub fn latency_at(&self, quantile: f64) -> Duration {
        if self.requests == 0 {
            return Duration::ZERO;
        }
        let ns = percentile::value_at(&self.latencies_ns, quantile);
        Duration::from_nanos(ns.clamp(self.latency_ns_min, self.latency_ns_max))
    }

    /// The slip that a share `quantile` of the requests does not exceed; `None` if no record tells it.
    pub fn slip_at(&self, quantile: f64) -> Option<Duration> {
        self.slips.at(quantile)
    }

    /// The same, but its latencies without the slowest `share` (0 to 1) of them; counts stay.
    pub(crate) fn without_slowest(&self, share: f64) -> Metrics {
        let mut left = (self.requests as f64 * (1.0 - share)) as u64;
        let mut kept = Metrics { latency_ns_max: 0, latency_ns_total: 0, ..self.clone() };
        kept.latencies_ns.reset();
        for bucket in self.latencies_ns.iter_recorded() {
            let (ns, count) = (bucket.value_iterated_to(), bucket.count_at_value().min(left));
            left -= count;
            if count > 0 {
                kept.latency_ns_max = ns.min(self.latency_ns_max);
                kept.latency_ns_total += u128::from(ns) * u128::from(count);
                kept.latencies_ns.record_n(ns, count).expect("it held this before");
            }
        }
        kept.latency_ns_min = kept.latency_ns_min.min(kept.latency_ns_max);
        kept
    }

    /// How many records.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The longest latency in nanoseconds, 0 without records.
    pub(crate) fn latency_ns_max(&self) -> u64 {
        self.latency_ns_max
    }

    /// All latencies in nanoseconds, rounded as the percentiles are.
    pub(crate) fn latencies_ns(&self) -> &HdrHistogram<u64> {
        &self.latencies_ns
    }

    fn latencies(&self) -> Latencies {
        if self.requests == 0 {
            return Latencies::default();
        }
        Latencies {
            total: duration_ns(self.latency_ns_total as i128),
            mean: duration_ns((self.latency_ns_total / u128::from(self.requests)) as i128),
            p50: self.latency_at(0.50),
            p90: self.latency_at(0.90),
            p95: self.latency_at(0.95),
            p99: self.latency_at(0.99),
            max: Duration::from_nanos(self.latency_ns_max),
            min: Duration::from_nanos(self.latency_ns_min),
        }
    }

    fn bytes(&self, total: u64) -> Bytes {
        Bytes { total, mean: self.per_request(total) }
    }

    fn per_request(&self, total: u64) -> f64 {
        if self.requests == 0 { 0.0 } else { total as f64 / self.requests as f64 }
    }
}

/// Never negative here; past 584 years of nanoseconds it stays there.
fn duration_ns(ns: i128) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record due `at_ms` after the epoch.
    fn record(at_ms: i64, latency_ms: u64, code: u16, error: &str) -> Record {
        Record {
            code,
            timestamp: Timestamp::from_millisecond(at_ms).unwrap(),
            latency: Duration::from_millis(latency_ms),
            bytes_out: 2,
            bytes_in: 5,
            error: error.to_owned(),
            ..Record::default()
        }
    }

    fn fold(records: impl IntoIterator<Item = Record>) -> Summary {
        let mut metrics = Metrics::new();
        records.into_iter().for_each(|record| metrics.add(&record));
        metrics.summary()
    }

    #[test]
    fn means_what_vegeta_means() {
        // 50 requests at 50 a second read 51.02, because the first interval is not in the span.
        let summary =
            fold((1..=50).rev().map(|k| record(k * 20, 1, if k <= 44 { 200 } else { 0 }, "")));
        assert_eq!(
            (summary.duration, summary.wait),
            (Duration::from_millis(980), Duration::from_millis(1))
        );
        assert_eq!(format!("{:.2} {:.2}", summary.rate, summary.throughput), "51.02 44.85");
        assert_eq!(summary.success, 0.88);
        assert_eq!(summary.status_codes, BTreeMap::from([(0, 6), (200, 44)]));
        assert_eq!(summary.bytes_in, Bytes { total: 250, mean: 5.0 });
        assert_eq!(summary.earliest.unwrap().to_string(), "1970-01-01T00:00:00.02Z");
        assert_eq!(summary.latest.unwrap().to_string(), "1970-01-01T00:00:01Z");
        assert_eq!(summary.end.unwrap().to_string(), "1970-01-01T00:00:01.001Z");
    }

    #[test]
    fn success_is_200_to_399() {
        for (code, success) in
            [(0, 0.0), (199, 0.0), (200, 1.0), (399, 1.0), (400, 0.0), (409, 0.0)]
        {
            assert_eq!(fold([record(0, 1, code, "")]).success, success, "{code}");
        }
    }

    #[test]
    fn success_is_what_was_expected() {
        let mut metrics = Metrics::with(Options {
            expect: Some("201,409".parse().unwrap()),
            ..Options::default()
        });
        for (code, error) in [(201, ""), (409, "409 Conflict"), (200, ""), (500, "500 x"), (0, "y")]
        {
            metrics.add(&record(0, 1, code, error));
        }
        let summary = metrics.summary();
        assert_eq!((summary.successes, summary.success), (2, 0.4));
        assert_eq!(summary.errors, ["200: not an expected status", "500 x", "y"]);
    }

    #[test]
    fn percentiles_are_those_asked_for() {
        let percentiles = ["0", "99.9", "50"].map(|text| text.parse().unwrap());
        let options = Options { percentiles: percentiles.to_vec(), ..Options::default() };
        let mut metrics = Metrics::with(options);
        (1..=1_000).for_each(|ms| metrics.add(&record(0, ms, 200, "")));
        let found: Vec<_> = metrics.summary().percentiles;
        assert_eq!(
            found.iter().map(|(percentile, _)| *percentile).collect::<Vec<_>>(),
            percentiles
        );
        for ((_, found), ms) in found.iter().zip([1u64, 999, 500]) {
            let truth = Duration::from_millis(ms);
            assert!(*found >= truth && *found <= truth.mul_f64(1.001), "{found:?} for {truth:?}");
        }
    }

    #[test]
    fn of_nothing_is_zero() {
        let summary = fold([]);
        assert_eq!((summary.requests, summary.rate, summary.success), (0, 0.0, 0.0));
        assert_eq!(summary.latencies, Latencies::default());
        assert_eq!((summary.earliest, summary.latest, summary.end), (None, None, None));
    }

    #[test]
    fn one_record_has_no_span() {
        let summary = fold([record(5, 3, 200, "")]);
        assert_eq!((summary.rate, summary.throughput), (1.0, 1.0));
        assert_eq!(summary.latencies.p99, Duration::from_millis(3));
        assert_eq!(summary.latencies.min, summary.latencies.max);
    }

    #[test]
    fn keeps_each_error_once_and_a_bounded_number() {
        let summary = fold(["b", "a", "b", ""].map(|error| record(0, 1, 500, error)));
        assert_eq!(summary.errors, ["b", "a"]);
        let summary = fold((0..ERRORS_MAX + 7).map(|n| record(0, 1, 0, &n.to_string())));
        assert_eq!((summary.errors.len(), summary.errors_not_kept), (ERRORS_MAX, 7));
    }

    #[test]
    fn takes_the_longest_latency() {
        let mut longest = record(0, 0, 200, "");
        longest.latency = Duration::from_nanos(u64::MAX);
        let summary = fold([record(0, 1, 200, ""), longest.clone(), longest]);
        assert_eq!(summary.latencies.max, Duration::from_nanos(LATENCY_NS_MAX));
        assert_eq!(summary.latencies.p99, Duration::from_nanos(LATENCY_NS_MAX));
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_stated_error(
            mut latencies_ns in prop::collection::vec(0u64..100_000_000_000, 1..300), quantile in 0.0f64..=1.0,
        ) {
            let mut metrics = Metrics::new();
            for latency_ns in &latencies_ns {
                let mut record = record(0, 0, 200, "");
                record.latency = Duration::from_nanos(*latency_ns);
                metrics.add(&record);
            }
            latencies_ns.sort_unstable();
            let rank = (quantile * latencies_ns.len() as f64).ceil().max(1.0) as usize;
            let truth = latencies_ns[rank - 1] as f64;
            let found = metrics.latency_at(quantile).as_nanos() as f64;
            // At quantile 0 the histogram answers with the lower edge of the first bucket.
            prop_assert!((found - truth).abs() <= truth * 0.001 + 1.0, "{found} for {truth}");

            let summary = metrics.summary();
            prop_assert_eq!(summary.latencies.min.as_nanos() as u64, latencies_ns[0]);
            prop_assert_eq!(summary.latencies.max.as_nanos() as u64, *latencies_ns.last().unwrap());
            prop_assert_eq!(summary.latencies.total.as_nanos() as u64, latencies_ns.iter().sum::<u64>());
        }
    }

    #[test]
    fn the_slowest_can_be_left_out_and_counts_stay() {
        let mut metrics = Metrics::new();
        for ms in 1..=100 {
            metrics.add(&Record {
                code: 200,
                latency: Duration::from_millis(ms),
                ..Record::default()
            });
        }
        for (share, max_ms) in [(0.0, 100), (0.01, 99), (0.3, 70), (0.999, 0), (1.0, 0)] {
            let kept = metrics.without_slowest(share);
            let Summary { requests, successes, latencies, .. } = kept.summary();
            assert_eq!((requests, successes), (100, 100));
            let near =
                |latency: Duration, ms: f64| (latency.as_secs_f64() * 1e3 - ms).abs() <= ms / 1e3;
            let max = f64::from(max_ms);
            assert!(near(latencies.max, max) && near(kept.latency_at(1.0), max), "{latencies:?}");
            assert!(near(kept.latency_at(0.5), (max / 2.0).ceil()), "{share}: {latencies:?}");
        }
    }
}
