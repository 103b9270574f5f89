//! Which panels there are; the page's `charts.js` shows the same.

use std::collections::BTreeMap;

use super::axis::Axis;
use super::chart::{Band, Grid, Line, RunCharts};
use super::column::Extremes;
use super::drawing::{Drawing, Frame, Ink};
use super::panel::{Entry, Mark, Panel};
use super::words;

const GOOD_INKS: [Ink; 4] = [Ink::Series1, Ink::Series2, Ink::Series4, Ink::Series5];
const BAD_INKS: [Ink; 7] =
    [Ink::Bad, Ink::Series3, Ink::Series6, Ink::Warn, Ink::Series4, Ink::Series5, Ink::Series2];

/// Marks on an axis of values.
const MARKS: usize = 6;

pub(super) fn latency(drawing: &mut Drawing, card: Frame, run: &RunCharts) {
    let has_failures = run.extremes.iter().any(|[_, bad]| bad.0.is_some());
    let mut legend = vec![
        Entry::new("p50", Ink::Series1, Mark::Line),
        Entry::new("p90", Ink::Series2, Mark::Line),
        Entry::new("p99", Ink::Series3, Mark::Line),
        Entry::new("min to max", Ink::Series1, Mark::Area),
        Entry::new("fastest and slowest", Ink::Text, Mark::Dot),
    ];
    if has_failures {
        legend.push(Entry::new("failures", Ink::Bad, Mark::Dot));
    }
    let it = &run.summary.latencies;
    let (min, max) = (it.min.as_nanos() as f64, it.max.as_nanos() as f64);
    let y = Axis::log(min / 1.4, max * 1.5, 1.0);
    let mut panel = Panel::new(drawing, card, "Latency", &legend, (time(run), y));
    panel.time_axis();
    panel.marks_left(&y.marks(MARKS), |ns| words::latency_ns(ns as u64));

    let band = |of: fn(&Band) -> (u64, u64)| -> Vec<_> {
        let both = |band: &Option<Band>| {
            band.as_ref().map(of).map(|(low, high)| (low as f64, high as f64))
        };
        run.bands.iter().enumerate().map(|(n, band)| (middle_s(run.bins, n), both(band))).collect()
    };
    panel.band(&band(|band| (band.at_ns[3], band.max_ns)), Ink::Series1, 0.09);
    panel.band(&band(|band| (band.at_ns[1], band.at_ns[3])), Ink::Series1, 0.16);
    panel.band(&band(|band| (band.at_ns[0], band.at_ns[1])), Ink::Series1, 0.24);
    panel.band(&band(|band| (band.min_ns, band.at_ns[0])), Ink::Series1, 0.14);
    let dots = |which: usize| {
        let both = |(n, extremes): (usize, &[Extremes; 2])| {
            let at = |ns: u64| (middle_s(run.columns, n), ns as f64);
            extremes[which].0.map(|(min, max)| [at(min), at(max)])
        };
        run.extremes.iter().enumerate().filter_map(both).flatten().collect::<Vec<_>>()
    };
    panel.dots(dots(0), 2.5, Ink::Text, 0.4);
    for (n, ink, width) in [(1, Ink::Series2, 1.5), (3, Ink::Series3, 1.5), (0, Ink::Series1, 2.0)]
    {
        let values: Vec<_> = run
            .bands
            .iter()
            .enumerate()
            .map(|(at, band)| (middle_s(run.bins, at), band.map(|band| band.at_ns[n] as f64)))
            .collect();
        panel.line(&values, ink, width, false);
    }
    panel.dots(dots(1), 5.0, Ink::Bad, 0.9);
}

pub(super) fn rate(drawing: &mut Drawing, card: Frame, run: &RunCharts) {
    let legend = [
        Entry::new(if run.is_paced() { "asked" } else { "sent" }, Ink::Series3, Mark::Dashes),
        Entry::new("answered", Ink::Series1, Mark::Line),
    ];
    let highest = run.asked.iter().flatten().chain(&run.answered).copied().fold(0.0, f64::max);
    let y = Axis::from_zero(highest, 1.06);
    let mut panel = Panel::new(drawing, card, "Requests a second", &legend, (time(run), y));
    panel.time_axis();
    panel.marks_left(&y.marks(MARKS), words::rate);
    let answered: Vec<_> = run.answered.iter().copied().map(Some).collect();
    let answered = over_time(run, &answered);
    panel.area(&answered, Ink::Series1, 0.12);
    panel.line(&answered, Ink::Series1, 1.5, false);
    panel.line(&over_time(run, &run.asked), Ink::Series3, 1.5, true);
}

pub(super) fn codes(drawing: &mut Drawing, card: Frame, run: &RunCharts) {
    let inks = inks(run);
    let ink = |line: &Line| inks.get(line.name.as_str()).copied().unwrap_or(Ink::Muted);
    let legend: Vec<_> =
        run.codes.iter().map(|line| Entry::new(&*line.name, ink(line), Mark::Line)).collect();
    let rates: Vec<Vec<Option<f64>>> =
        run.codes.iter().map(|line| run.code_rates(line).into_iter().map(Some).collect()).collect();
    let highest = rates.iter().flatten().flatten().copied().fold(0.0, f64::max);
    let y = Axis::from_zero(highest, 1.06);
    let title = "Answers by status, a second";
    let mut panel = Panel::new(drawing, card, title, &legend, (time(run), y));
    panel.time_axis();
    panel.marks_left(&y.marks(MARKS), words::rate);
    for (line, rates) in run.codes.iter().zip(&rates) {
        panel.line(&over_time(run, &without_zeros(rates)), ink(line), 1.5, false);
    }
}

pub(super) fn failures(drawing: &mut Drawing, card: Frame, run: &RunCharts) {
    let inks = inks(run);
    let ink = |line: &Line| inks.get(line.name.as_str()).copied().unwrap_or(Ink::Bad);
    let legend: Vec<_> =
        run.kinds.iter().map(|line| Entry::new(&*line.name, ink(line), Mark::Line)).collect();
    let highest = run.kinds.iter().flat_map(|line| &line.counts).copied().max().unwrap_or(0);
    let y = Axis::from_zero(highest as f64, 1.06);
    let title = format!("Failures per {}", words::time(run.bins.width_ns as f64 / 1e9, 0.0));
    let mut panel = Panel::new(drawing, card, &title, &legend, (time(run), y));
    if run.kinds.is_empty() {
        panel.nothing("No failures");
        return;
    }
    panel.time_axis();
    panel.marks_left(&y.whole_marks(MARKS), |n| words::count(n as u64));
    for line in &run.kinds {
        let counts: Vec<_> = line.counts.iter().map(|count| Some(*count as f64)).collect();
        let values = over_time(run, &without_zeros(&counts));
        panel.area(&values, ink(line), 0.1);
        panel.line(&values, ink(line), 1.5, false);
        let with_some = values.iter().filter_map(|(x, y)| y.filter(|y| *y > 0.0).map(|y| (*x, y)));
        panel.dots(with_some, 4.0, ink(line), 1.0);
    }
}

pub(super) fn histogram(drawing: &mut Drawing, card: Frame, run: &RunCharts) {
    let legend = [Entry::new("requests", Ink::Series1, Mark::Area)];
    let edges = &run.histogram.edges_ns;
    let (first, last) = (edges.first().copied().unwrap_or(1.0), edges.last().copied());
    let x = Axis::log(first, last.unwrap_or(10.0), 1.0);
    let highest = run.histogram.counts.iter().copied().max().unwrap_or(0);
    let y = Axis::from_zero(highest as f64, 1.3);
    let mut panel = Panel::new(drawing, card, "How long requests took", &legend, (x, y));
    panel.marks_below(&x.marks(MARKS), |ns| words::latency_ns(ns as u64));
    panel.marks_left(&y.whole_marks(MARKS), |n| words::count(n as u64));
    let steps = run.histogram.counts.iter().zip(edges.windows(2));
    let outline: Vec<_> = steps
        .flat_map(|(count, edges)| [edges[0], edges[1]].map(|edge| (edge, Some(*count as f64))))
        .collect();
    panel.area(&outline, Ink::Series1, 0.22);
    panel.line(&outline, Ink::Series1, 1.5, false);
    let it = &run.summary.latencies;
    let mark = |(name, latency): (&str, std::time::Duration)| {
        (latency.as_nanos() as f64, format!("{name} {}", words::latency(latency)))
    };
    panel.uprights(&[("p50", it.p50), ("p90", it.p90), ("p99", it.p99)].map(mark));
}

fn time(run: &RunCharts) -> Axis {
    Axis::between(run.bins.from_ns.min(0) as f64 / 1e9, run.end_ns as f64 / 1e9)
}

fn middle_s(grid: Grid, n: usize) -> f64 {
    grid.middle_ns(n) as f64 / 1e9
}

fn over_time(run: &RunCharts, values: &[Option<f64>]) -> Vec<(f64, Option<f64>)> {
    values.iter().enumerate().map(|(n, value)| (middle_s(run.bins, n), *value)).collect()
}

/// A line along the axis looks as if there were something all the time. What rises from zero keeps it.
fn without_zeros(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let is_some = |n: Option<usize>| {
        n.and_then(|n| values.get(n)).copied().flatten().is_some_and(|value| value > 0.0)
    };
    let near = |n: usize| is_some(Some(n)) || is_some(n.checked_sub(1)) || is_some(Some(n + 1));
    values.iter().enumerate().map(|(n, value)| value.filter(|_| near(n))).collect()
}

/// By name, the same in every panel.
fn inks(run: &RunCharts) -> BTreeMap<&str, Ink> {
    let mut inks = BTreeMap::new();
    let (mut good, mut bad) = (GOOD_INKS.iter().cycle(), BAD_INKS.iter().cycle());
    for line in run.kinds.iter().chain(&run.codes) {
        let next = if line.is_failure { &mut bad } else { &mut good };
        if let (false, Some(ink)) = (inks.contains_key(line.name.as_str()), next.next()) {
            inks.insert(line.name.as_str(), *ink);
        }
    }
    inks
}
