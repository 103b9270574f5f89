//! The numbers of the page: JSON that is short, and safe inside a script element.
//!
//! Latencies are in microseconds, to the nanosecond where they are exact; times in seconds since the first
//! request was due.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::chart::{BANDS, Band, Charts, Grid, Line, RunCharts};
use super::column::Extremes;
use super::kind::Kind;
use super::run::Failures;
use super::verdict::{Level, Verdict};

/// The charts as one object, without a `<`: no text in it can end the element it stands in.
pub(super) fn of(charts: &Charts) -> String {
    let page = Page {
        title: &charts.title,
        has_others: charts.has_others,
        runs: charts.runs.iter().map(Run::of).collect(),
    };
    serde_json::to_string(&page).expect("numbers and texts are JSON").replace('<', "\\u003c")
}

#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    has_others: bool,
    runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    name: Option<&'a str>,
    started: String,
    requests: u64,
    successes: u64,
    rate: Number,
    /// Requests a second, from the first to the last: those of `rate` count the first one, too.
    sent_rate: Number,
    is_paced: bool,
    throughput: Number,
    duration_s: Number,
    end_s: Number,
    bytes_in: u64,
    bytes_out: u64,
    latencies: Vec<(&'static str, Us)>,
    verdict: Said,
    codes: Vec<(u16, u64)>,
    failures: Vec<Failure<'a>>,
    columns: Columns,
    bins: Bins<'a>,
    histogram: Histogram<'a>,
}

#[derive(Serialize)]
struct Said {
    level: &'static str,
    headline: String,
    detail: String,
}

#[derive(Serialize)]
struct Failure<'a> {
    kind: String,
    count: u64,
    first_s: Number,
    example: &'a str,
}

/// Extremes: the numbers of the columns that have some, and theirs.
#[derive(Serialize)]
struct Columns {
    from_s: Number,
    width_s: Number,
    good: Points,
    bad: Points,
}

#[derive(Serialize, Default)]
struct Points {
    at: Vec<usize>,
    min: Vec<Us>,
    max: Vec<Us>,
}

#[derive(Serialize)]
struct Bins<'a> {
    from_s: Number,
    width_s: Number,
    asked: Vec<Option<Number>>,
    answered: Vec<Number>,
    ended: Vec<Number>,
    min: Vec<Option<Us>>,
    p50: Vec<Option<Rough>>,
    p90: Vec<Option<Rough>>,
    p95: Vec<Option<Rough>>,
    p99: Vec<Option<Rough>>,
    max: Vec<Option<Us>>,
    codes: Vec<Counts<'a>>,
    kinds: Vec<Counts<'a>>,
}

#[derive(Serialize)]
struct Counts<'a> {
    name: &'a str,
    is_failure: bool,
    counts: &'a [u64],
}

#[derive(Serialize)]
struct Histogram<'a> {
    edges: Vec<Number>,
    counts: &'a [u64],
}

/// Nanoseconds, written as microseconds, exactly.
struct Us(u64);

/// The same to four figures, which is more than is known.
struct Rough(u64);

/// A number to six figures, whole if it is.
struct Number(f64);

impl Serialize for Us {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0 / 1_000, self.0 % 1_000) {
            (us, 0) => us.serialize(serializer),
            // Nearest to the decimal, so it is read as it was; past 2^53 ns, 104 days, no longer.
            _ => (self.0 as f64 / 1e3).serialize(serializer),
        }
    }
}

impl Serialize for Rough {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let step = 10_u64.pow(self.0.checked_ilog10().unwrap_or_default().saturating_sub(3));
        Us((self.0 + step / 2) / step * step).serialize(serializer)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = 5 - self.0.abs().max(1e-6).log10().floor() as i32;
        let scale = 10_f64.powi(digits.max(0));
        let rounded = (self.0 * scale).round() / scale;
        if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
            (rounded as i64).serialize(serializer)
        } else {
            rounded.serialize(serializer)
        }
    }
}

fn us(duration: Duration) -> Us {
    Us(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

fn seconds(ns: i128) -> Number {
    Number(ns as f64 / 1e9)
}

impl<'a> Run<'a> {
    fn of(run: &'a RunCharts) -> Run<'a> {
        let summary = &run.summary;
        let it = &summary.latencies;
        let latencies = [
            ("min", it.min),
            ("mean", it.mean),
            ("p50", it.p50),
            ("p90", it.p90),
            ("p95", it.p95),
            ("p99", it.p99),
            ("p99.9", run.p999),
            ("max", it.max),
        ];
        let failure = |(kind, failures): &'a (Kind, Failures)| Failure {
            kind: kind.to_string(),
            count: failures.count,
            first_s: seconds(failures.first_ns - run.first_ns),
            example: &failures.example,
        };
        Run {
            name: run.name.as_deref(),
            started: summary.earliest.unwrap_or_default().to_string(),
            requests: summary.requests,
            successes: summary.successes,
            rate: Number(summary.rate),
            sent_rate: Number(run.sent_rate()),
            is_paced: run.is_paced(),
            throughput: Number(summary.throughput),
            duration_s: Number(summary.duration.as_secs_f64()),
            end_s: seconds(run.end_ns),
            bytes_in: summary.bytes_in.total,
            bytes_out: summary.bytes_out.total,
            latencies: latencies.map(|(name, latency)| (name, us(latency))).into(),
            verdict: Said::of(Verdict::of(summary)),
            codes: summary.status_codes.iter().map(|(code, count)| (*code, *count)).collect(),
            failures: run.failures.iter().map(failure).collect(),
            columns: Columns::of(run.columns, &run.extremes),
            bins: Bins::of(run),
            histogram: Histogram {
                edges: run.histogram.edges_ns.iter().map(|ns| Number(ns / 1e3)).collect(),
                counts: &run.histogram.counts,
            },
        }
    }
}

impl Said {
    fn of(Verdict { level, headline, detail }: Verdict) -> Said {
        let level = match level {
            Level::Good => "good",
            Level::Unknown => "idle",
            Level::Warn => "warn",
        };
        Said { level, headline, detail }
    }
}

impl Columns {
    fn of(grid: Grid, extremes: &[[Extremes; 2]]) -> Columns {
        let points = |which: usize| {
            let mut points = Points::default();
            for (n, both) in extremes.iter().enumerate() {
                if let Some((min_ns, max_ns)) = both[which].0 {
                    points.at.push(n);
                    points.min.push(Us(min_ns));
                    points.max.push(Us(max_ns));
                }
            }
            points
        };
        Columns {
            from_s: seconds(grid.from_ns),
            width_s: seconds(grid.width_ns),
            good: points(0),
            bad: points(1),
        }
    }
}

impl<'a> Bins<'a> {
    fn of(run: &'a RunCharts) -> Bins<'a> {
        let of = |value: fn(&Band) -> u64| {
            run.bands.iter().map(|band| band.as_ref().map(|band| Us(value(band)))).collect()
        };
        const { assert!(BANDS.len() == 4) };
        let mut at = (0..BANDS.len()).map(|n| {
            run.bands.iter().map(|band| band.as_ref().map(|band| Rough(band.at_ns[n]))).collect()
        });
        let mut next = || at.next().unwrap_or_default();
        let counts = |lines: &'a [Line]| {
            let counts = |Line { name, is_failure, counts }: &'a Line| Counts {
                name,
                is_failure: *is_failure,
                counts,
            };
            lines.iter().map(counts).collect()
        };
        Bins {
            from_s: seconds(run.bins.from_ns),
            width_s: seconds(run.bins.width_ns),
            asked: run.asked.iter().map(|rate| rate.map(Number)).collect(),
            answered: run.answered.iter().map(|rate| Number(*rate)).collect(),
            ended: run.ended.iter().map(|rate| Number(*rate)).collect(),
            min: of(|band| band.min_ns),
            p50: next(),
            p90: next(),
            p95: next(),
            p99: next(),
            max: of(|band| band.max_ns),
            codes: counts(&run.codes),
            kinds: counts(&run.kinds),
        }
    }
}
