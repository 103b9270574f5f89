//! The comparison itself: a row for each figure, and what they come to.

use super::bootstrap::{self, Interval};
use super::figure::Figure;
use super::gate::Gate;
use super::run::Side;
use super::{BEYOND_MIN, Options, loads, pace};
use crate::splitmix::SplitMix64;

/// A side whose share of unexpected answers is greater by this answers otherwise, not faster.
const FAILS_MORE: f64 = 0.01;

/// What was found of B against A.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was asked.
    pub options: Options,
    /// The sides, A first.
    pub sides: [SideSummary; 2],
    /// The mean, the percentiles, throughput, unexpected answers, in this order.
    pub rows: Vec<Row>,
    /// What all rows come to.
    pub verdict: Verdict,
    /// Why no row is judged; `None` if they are.
    pub void: Option<Void>,
    /// What makes the sides hard to compare, a sentence each.
    pub notes: Vec<String>,
    /// Whether B passes, if that was asked.
    pub gate: Option<Gate>,
}

/// Why nothing is judged, with what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Void {
    /// The sides were asked for other loads, so no gate can be asked either.
    OtherRate(String),
    /// The generator was the limit.
    LateGenerator(String),
}

impl Void {
    /// In words.
    pub fn why(&self) -> &str {
        let (Void::OtherRate(why) | Void::LateGenerator(why)) = self;
        why
    }
}

/// What a side consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct SideSummary {
    /// What it is called.
    pub name: String,
    /// How many runs.
    pub runs: usize,
    /// Results of all of them.
    pub requests: u64,
    /// Requests a second, the mean of the runs.
    pub rate: f64,
    /// From the first request to the last in seconds, the mean of the runs.
    pub duration_s: f64,
    /// The longest latency of all, in nanoseconds; a single result decides it, so it is not judged.
    pub latency_ns_max: u64,
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which.
    pub figure: Figure,
    /// Of A: latencies in nanoseconds, a number a second, a share.
    pub a: f64,
    /// Of B.
    pub b: f64,
    /// B against A; `None` where nobody can tell.
    pub change: Option<Change>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// B / A; of [`Figure::Unexpected`] B - A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// As measured.
    pub estimate: f64,
    /// The least that it may be.
    pub low: f64,
    /// The most.
    pub high: f64,
}

/// What a figure, or all of them, come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// B is better.
    Faster,
    /// B is worse.
    Slower,
    /// Faster at one figure, slower at another.
    Mixed,
    /// No difference that matters: shown, not for want of results.
    Same,
    /// The interval holds no difference as well as one.
    CannotTell,
    /// Of a percentile: so many results are beyond it in the run that has the fewest. Of a mean: so
    /// many there are.
    TooFew(u64),
    /// There is no figure to compare, and why.
    NotJudged(&'static str),
    /// B has fewer unexpected answers.
    Fewer,
    /// B has more unexpected answers.
    More,
    /// Neither has an unexpected answer.
    None,
}

/// Compares B with A. Swapped sides give the inverse, to the last digit that floats have.
///
/// # Panics
///
/// If a side has no run.
pub fn compare(a: &Side, b: &Side, options: Options) -> Comparison {
    assert!(!a.runs.is_empty() && !b.runs.is_empty(), "a side has no run");
    let figures = [Figure::Mean]
        .into_iter()
        .chain(options.percentiles.iter().map(|percentile| Figure::At(*percentile)))
        .chain([Figure::Throughput, Figure::Unexpected]);
    let figures: Vec<_> = figures.map(|figure| (figure, unjudged(figure, a, b))).collect();
    let judged = figures.iter().filter(|(_, unjudged)| unjudged.is_none());
    let judged: Vec<Figure> = judged.map(|(figure, _)| *figure).collect();

    // By what they measured, not by which is called A: so the same is drawn for swapped sides.
    let a_is_first = order_key(a) <= order_key(b);
    let draw = |side: &Side, is_first: bool| {
        let random = SplitMix64::of(options.seed, [u64::from(!is_first), 0]);
        bootstrap::draw(side, &judged, options.resamples, random)
    };
    let (of_a, of_b) = (draw(a, a_is_first), draw(b, !a_is_first));
    let mut intervals = bootstrap::intervals(&of_a, &of_b, options.confidence).into_iter();

    let late = || loads::late_generator([a, b]).map(Void::LateGenerator);
    let void = pace::other_rate(a, b).map(Void::OtherRate).or_else(late);
    let mut rows = Vec::new();
    for (figure, unjudged) in figures {
        let interval = if unjudged.is_none() { intervals.next().flatten() } else { None };
        let [of_a, of_b] = [a, b].map(|side| figure.shown(side.mean(|run| figure.of(run))));
        let change = interval.map(|interval| change(figure, interval));
        let change = match figure {
            Figure::Unexpected => change.map(|change| change.of_shares(of_a, of_b)),
            _ => change,
        };
        let verdict = match (unjudged, change) {
            (Some(why), _) => why,
            (None, None) => Verdict::NotJudged("the runs are too short"),
            (None, Some(_)) if void.is_some() => Verdict::CannotTell,
            (None, Some(change)) => verdict(figure, change, options.same_within, of_a.min(of_b)),
        };
        rows.push(Row { figure, a: of_a, b: of_b, change, verdict });
    }
    let mut notes = loads::notes(a, b);
    notes.extend(fails_more(&rows).map(|side| {
        format!("more answers of {side} are unexpected, and those may be the quick ones")
    }));
    Comparison {
        sides: [summary(a), summary(b)],
        verdict: overall(&rows),
        gate: options.fail_if_slower.map(|share| Gate::judge(share, &rows, void.is_some())),
        notes,
        rows,
        void,
        options,
    }
}

impl Change {
    /// A difference of these shares, no farther than shares go: nobody has fewer than none.
    fn of_shares(self, a: f64, b: f64) -> Change {
        let least = if a == 0.0 { 0.0 } else { -1.0 };
        let most = if b == 0.0 { 0.0 } else { 1.0 };
        Change { low: self.low.max(least), high: self.high.min(most), ..self }
    }
}

fn order_key(side: &Side) -> (u64, u128) {
    let totals = side.runs.iter().map(|run| run.summary.latencies.total.as_nanos());
    (side.requests(), totals.sum())
}

fn summary(side: &Side) -> SideSummary {
    SideSummary {
        name: side.name.clone(),
        runs: side.runs.len(),
        requests: side.requests(),
        rate: side.mean(|run| run.summary.rate),
        duration_s: side.mean(|run| run.summary.duration.as_secs_f64()),
        latency_ns_max: side.runs.iter().map(|run| run.metrics.latency_ns_max()).max().unwrap_or(0),
    }
}

fn change(figure: Figure, interval: Interval) -> Change {
    let Interval { estimate, low, high } = interval;
    let rounding = figure.rounding();
    Change {
        estimate: figure.shown(estimate),
        low: figure.shown(low - rounding),
        high: figure.shown(high + rounding),
    }
}

/// Why a figure is not judged, whatever its interval.
fn unjudged(figure: Figure, a: &Side, b: &Side) -> Option<Verdict> {
    let runs = || a.runs.iter().chain(&b.runs);
    match figure {
        Figure::At(percentile) => {
            let beyond = runs().map(|run| run.beyond(percentile.quantile())).min()?;
            (beyond < BEYOND_MIN).then_some(Verdict::TooFew(beyond))
        }
        Figure::Mean => {
            let fewest = runs().map(|run| run.summary.requests).min()?;
            (fewest < BEYOND_MIN).then_some(Verdict::TooFew(fewest))
        }
        Figure::Throughput => runs()
            .any(|run| run.summary.successes == 0)
            .then_some(Verdict::NotJudged("there is a run without a success")),
        Figure::Unexpected => {
            runs().all(|run| run.summary.successes == run.summary.requests).then_some(Verdict::None)
        }
    }
}

/// `least` is the lesser of what both sides have.
fn verdict(figure: Figure, change: Change, same_within: f64, least: f64) -> Verdict {
    let Change { low, high, .. } = change;
    let (less, more) = match figure {
        Figure::Throughput => (Verdict::Slower, Verdict::Faster),
        Figure::Mean | Figure::At(_) => (Verdict::Faster, Verdict::Slower),
        Figure::Unexpected => return verdict_of_shares(change, same_within * least),
    };
    if low >= 1.0 / (1.0 + same_within) && high <= 1.0 + same_within {
        Verdict::Same
    } else if low > 1.0 {
        more
    } else if high < 1.0 {
        less
    } else {
        Verdict::CannotTell
    }
}

/// Of unexpected answers, of which a difference up to `same` does not matter.
fn verdict_of_shares(change: Change, same: f64) -> Verdict {
    match change {
        Change { low, high, .. } if low >= -same && high <= same => Verdict::Same,
        Change { low, .. } if low > 0.0 => Verdict::More,
        Change { high, .. } if high < 0.0 => Verdict::Fewer,
        _ => Verdict::CannotTell,
    }
}

/// What all rows come to. Who fails much more often is not faster for that, and who may fail more
/// often is not the same.
fn overall(rows: &[Row]) -> Verdict {
    let times = || rows.iter().filter(|row| row.figure.is_latency());
    let has = |figures: fn(Figure) -> bool, verdict: &Verdict| {
        rows.iter().any(|row| figures(row.figure) && row.verdict == *verdict)
    };
    let fails_more = fails_more(rows);
    let faster = has(Figure::is_latency, &Verdict::Faster) && fails_more != Some("B")
        || has(|figure| figure == Figure::Throughput, &Verdict::Faster);
    let slower = has(Figure::is_latency, &Verdict::Slower) && fails_more != Some("A")
        || has(|figure| figure == Figure::Throughput, &Verdict::Slower);
    let is_known = |row: &&Row| !matches!(row.verdict, Verdict::TooFew(_) | Verdict::NotJudged(_));
    let is_same = || {
        let mut known = times().filter(is_known).peekable();
        let may_fail_more = has(|figure| figure == Figure::Unexpected, &Verdict::CannotTell);
        known.peek().is_some() && known.all(|row| row.verdict == Verdict::Same) && !may_fail_more
    };
    match (faster, slower) {
        (true, true) => Verdict::Mixed,
        (true, false) => Verdict::Faster,
        (false, true) => Verdict::Slower,
        (false, false) if is_same() => Verdict::Same,
        (false, false) => Verdict::CannotTell,
    }
}

/// The side that has so many more unexpected answers that its latencies are others for it, be it by
/// chance or not: those that were measured are.
pub(super) fn fails_more(rows: &[Row]) -> Option<&'static str> {
    let row = rows.iter().find(|row| row.figure == Figure::Unexpected)?;
    match row.b - row.a {
        more if more > FAILS_MORE => Some("B"),
        more if more < -FAILS_MORE => Some("A"),
        _ => None,
    }
}
