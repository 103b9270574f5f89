//! What is drawn of a run: the same numbers for the page, the SVG and the PNG.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Plot;
use super::column::{Column, Extremes};
use super::histogram::Histogram;
use super::kind::Kind;
use super::run::{Failures, Run};
use super::timeline::Timeline;
use crate::metrics::{Limit, Summary};

/// How many results a stretch of time should have, for its percentiles to be of some, as long as there
/// are this many stretches.
const ENOUGH: [(u64, usize); 2] = [(100, 20), (5, 5)];

/// How many lines one chart has; the rest are one line.
const LINES_MAX: usize = 7;

/// The percentiles over time.
pub(super) const BANDS: [f64; 4] = [0.50, 0.90, 0.95, 0.99];

/// What is to be drawn; see [`html`](super::html).
#[derive(Debug, Clone)]
pub struct Charts {
    pub(super) title: String,
    /// All results first; then, if there is more than one attack, each for itself.
    pub(super) runs: Vec<RunCharts>,
    /// Whether there are more attacks than these.
    pub(super) has_others: bool,
}

/// The charts of one run. Times are in nanoseconds since its first request was due.
#[derive(Debug, Clone)]
pub(super) struct RunCharts {
    /// The attack's name; `None` for all together.
    pub(super) name: Option<String>,
    pub(super) summary: Summary,
    pub(super) p999: Duration,
    pub(super) failures: Vec<(Kind, Failures)>,
    pub(super) first_ns: i128,
    pub(super) end_ns: i128,
    pub(super) columns: Grid,
    /// Of each column: the extremes of what succeeded, and of what failed.
    pub(super) extremes: Vec<[Extremes; 2]>,
    pub(super) bins: Grid,
    /// Requests a second that were due; none after the last.
    pub(super) asked: Vec<Option<f64>>,
    /// Answers a second.
    pub(super) answered: Vec<f64>,
    /// Requests a second that ended, with an answer or without.
    pub(super) ended: Vec<f64>,
    pub(super) bands: Vec<Option<Band>>,
    /// Requests that ended in each bin by status, the lowest first; few enough to draw.
    pub(super) codes: Vec<Line>,
    /// Failures of each bin by kind.
    pub(super) kinds: Vec<Line>,
    pub(super) histogram: Histogram,
}

/// Equal stretches of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// Where the first begins.
    pub(super) from_ns: i128,
    pub(super) width_ns: i128,
    pub(super) count: usize,
}

/// The latencies of a bin, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) min_ns: u64,
    pub(super) max_ns: u64,
    /// At [`BANDS`].
    pub(super) at_ns: [u64; BANDS.len()],
}

/// A count over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) is_failure: bool,
    pub(super) counts: Vec<u64>,
}

impl Charts {
    pub(super) fn of(plot: &Plot) -> Option<Charts> {
        let attacks = plot.attacks.iter().map(|(name, run)| (Some(name.clone()), run));
        let runs = std::iter::once((None, &plot.all)).chain(attacks);
        let runs = runs.map(|(name, run)| RunCharts::of(name, run)).collect::<Option<Vec<_>>>()?;
        let name = plot.name.as_deref().filter(|_| plot.attacks.is_empty());
        let title = plot.options.title.as_deref().or(name).filter(|title| !title.is_empty());
        let title = title.unwrap_or("Load test").to_owned();
        Some(Charts { title, runs, has_others: plot.has_others })
    }

    /// Those of all results.
    pub(super) fn all(&self) -> &RunCharts {
        self.runs.first().expect("all results are a run")
    }
}

impl RunCharts {
    /// Whether a rate was asked for, as far as is known.
    pub(super) fn is_paced(&self) -> bool {
        self.summary.sending.is_none_or(|sending| sending.limit != Limit::Unknown)
    }

    /// Requests a second between the first and the last, which is where the line of them lies.
    pub(super) fn sent_rate(&self) -> f64 {
        let (requests, duration) = (self.summary.requests, self.summary.duration);
        if requests < 2 || duration.is_zero() {
            return self.summary.rate;
        }
        (requests - 1) as f64 / duration.as_secs_f64()
    }

    /// A line of [`codes`](Self::codes) as a rate: its share of all that ended, for not every stretch is
    /// whole.
    pub(super) fn code_rates(&self, line: &Line) -> Vec<f64> {
        let rate = |(n, count): (usize, &u64)| {
            let total: u64 = self.codes.iter().map(|line| line.counts[n]).sum();
            if total == 0 { 0.0 } else { *count as f64 / total as f64 * self.ended[n] }
        };
        line.counts.iter().enumerate().map(rate).collect()
    }

    fn of(name: Option<String>, run: &Run) -> Option<RunCharts> {
        let summary = run.metrics.summary();
        let first_ns = summary.earliest?.as_nanosecond();
        let last_ns = summary.latest?.as_nanosecond();
        let end_ns = summary.end?.as_nanosecond();
        let [min_ns, max_ns] = [summary.latencies.min, summary.latencies.max]
            .map(|latency| u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        let columns = grid(&run.timeline, first_ns);
        let extremes =
            run.timeline.columns().iter().map(|column| [column.good, column.bad]).collect();

        let mut timeline = run.timeline.clone();
        while is_too_narrow(&timeline) {
            timeline.widen();
        }
        let bins = grid(&timeline, first_ns);
        let list: Vec<&Column> = timeline.columns().iter().collect();
        let rates = Rates::new(bins, last_ns - first_ns, end_ns - first_ns, summary.requests);
        Some(RunCharts {
            name,
            p999: run.metrics.latency_at(0.999),
            failures: by_count(&run.failures),
            first_ns,
            end_ns: end_ns - first_ns,
            columns,
            extremes,
            bins,
            asked: rates.asked(&list),
            answered: rates.ended(&list, |column| column.answered),
            ended: rates.ended(&list, |column| column.codes.iter().map(|(_, count)| count).sum()),
            bands: list.iter().map(|column| Band::of(column)).collect(),
            codes: codes(&list, run),
            kinds: kinds(&list, run),
            histogram: Histogram::of(run.metrics.latencies_ns(), min_ns, max_ns),
            summary,
        })
    }
}

fn grid(timeline: &Timeline, first_ns: i128) -> Grid {
    Grid {
        from_ns: timeline.start_ns() - first_ns,
        width_ns: timeline.width_ns(),
        count: timeline.columns().len(),
    }
}

impl Grid {
    /// Where number `n` begins.
    pub(super) fn start_ns(&self, n: usize) -> i128 {
        self.from_ns + n as i128 * self.width_ns
    }

    /// Where number `n` is in the middle.
    pub(super) fn middle_ns(&self, n: usize) -> i128 {
        self.start_ns(n) + self.width_ns / 2
    }
}

/// Whether the figures of a column would be of too few results.
fn is_too_narrow(timeline: &Timeline) -> bool {
    let columns = timeline.columns();
    let with_any = columns.iter().filter(|column| column.asked > 0).count() as u64;
    let asked: u64 = columns.iter().map(|column| column.asked).sum();
    // The next width is up to five times this one.
    ENOUGH.iter().any(|(requests, bins)| asked < with_any * requests && columns.len() >= bins * 5)
}

/// Counts to rates, where the first and the last stretch are not whole.
struct Rates {
    bins: Grid,
    /// When the last request was due.
    last_ns: i128,
    /// The same with its share of time: when one more would have been due.
    due_ns: i128,
    /// When the last answer came, if that is later.
    end_ns: i128,
}

impl Rates {
    fn new(bins: Grid, last_ns: i128, end_ns: i128, requests: u64) -> Rates {
        let interval_ns = match i128::from(requests) - 1 {
            0 => 0,
            intervals => last_ns / intervals,
        };
        let due_ns = last_ns + interval_ns;
        Rates { bins, last_ns, due_ns, end_ns: end_ns.max(due_ns) }
    }

    fn last(&self) -> usize {
        ((self.last_ns - self.bins.from_ns) / self.bins.width_ns) as usize
    }

    /// From where bin `n` begins, or the run, to `until_ns`, in seconds; of a run without a duration it is
    /// a second, as in reports.
    fn seconds(&self, n: usize, until_ns: i128) -> f64 {
        if self.last_ns == 0 {
            return 1.0;
        }
        (until_ns - self.bins.start_ns(n).max(0)).max(1) as f64 / 1e9
    }

    fn asked(&self, columns: &[&Column]) -> Vec<Option<f64>> {
        let rate = |(n, column): (usize, &&Column)| {
            let until_ns = self.bins.start_ns(n + 1).min(self.due_ns);
            (n <= self.last()).then(|| column.asked as f64 / self.seconds(n, until_ns))
        };
        columns.iter().enumerate().map(rate).collect()
    }

    /// A stretch of which the run covers a little, at its end, would tell a rate of a few answers: they
    /// count in the one before, which is so much longer.
    fn ended(&self, columns: &[&Column], count: impl Fn(&Column) -> u64) -> Vec<f64> {
        let last = columns.len() - 1;
        let mut counts: Vec<u64> = columns.iter().map(|column| count(column)).collect();
        if last > self.last() {
            counts[last - 1] += counts[last];
        }
        let rate = |n: usize| {
            let is_longer = last > self.last() && n + 1 == last;
            let until_ns = match is_longer {
                true => self.end_ns,
                false => self.end_ns.min(self.bins.start_ns(n + 1)),
            };
            counts[n] as f64 / self.seconds(n, until_ns)
        };
        let mut rates: Vec<f64> = (0..columns.len()).map(rate).collect();
        if last > self.last() {
            rates[last] = rates[last - 1];
        }
        rates
    }
}

impl Band {
    fn of(column: &Column) -> Option<Band> {
        let (min_ns, max_ns) = column.extremes().0?;
        let at = |quantile| column.latencies.at_ns(quantile).clamp(min_ns, max_ns);
        Some(Band { min_ns, max_ns, at_ns: BANDS.map(at) })
    }
}

/// The most frequent first.
fn by_count(failures: &BTreeMap<Kind, Failures>) -> Vec<(Kind, Failures)> {
    let mut list: Vec<_> =
        failures.iter().map(|(kind, failures)| (*kind, failures.clone())).collect();
    list.sort_by_key(|(_, failures)| std::cmp::Reverse(failures.count));
    list
}

fn codes(columns: &[&Column], run: &Run) -> Vec<Line> {
    let mut totals: BTreeMap<Option<u16>, u64> = BTreeMap::new();
    for (code, count) in columns.iter().flat_map(|column| column.codes.iter()) {
        *totals.entry(code).or_default() += count;
    }
    let name = |code: Option<u16>| match code {
        Some(0) => "no answer".to_owned(),
        Some(code) => code.to_string(),
        None => "others".to_owned(),
    };
    few(totals, |column, code| column.codes.of(code), columns)
        .into_iter()
        .map(|(keys, counts)| Line {
            name: if let [code] = keys[..] { name(code) } else { "others".to_owned() },
            is_failure: keys.iter().all(|code| code.is_none_or(|code| !run.is_good(code))),
            counts,
        })
        .collect()
}

fn kinds(columns: &[&Column], run: &Run) -> Vec<Line> {
    let totals = run.failures.iter().map(|(kind, failures)| (*kind, failures.count)).collect();
    few(totals, |column, kind| column.failures.of(kind), columns)
        .into_iter()
        .map(|(keys, counts)| Line {
            name: if let [kind] = keys[..] { kind.to_string() } else { "others".to_owned() },
            is_failure: true,
            counts,
        })
        .collect()
}

/// A line for each of the most frequent, and one for all the others; in the order of the keys.
fn few<K: Copy + Ord>(
    totals: BTreeMap<K, u64>,
    of: impl Fn(&Column, K) -> u64,
    columns: &[&Column],
) -> Vec<(Vec<K>, Vec<u64>)> {
    let mut keys: Vec<(K, u64)> = totals.into_iter().collect();
    keys.sort_by_key(|(key, total)| (std::cmp::Reverse(*total), *key));
    let mut keys: Vec<K> = keys.into_iter().map(|(key, _)| key).collect();
    let rest = if keys.len() > LINES_MAX { keys.split_off(LINES_MAX - 1) } else { Vec::new() };
    keys.sort_unstable();
    let groups = keys.into_iter().map(|key| vec![key]).chain((!rest.is_empty()).then_some(rest));
    groups
        .map(|keys| {
            let count = |column: &&Column| keys.iter().map(|key| of(column, *key)).sum();
            let counts = columns.iter().map(count).collect();
            (keys, counts)
        })
        .collect()
}
