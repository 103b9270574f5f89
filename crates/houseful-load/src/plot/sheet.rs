//! The whole picture: what it is of, the figures, and the panels, of all attacks together.

use super::Charts;
use super::chart::RunCharts;
use super::drawing::{Drawing, Frame, Ink, Shape, fitting, wrapped};
use super::font::Weight;
use super::verdict::{Level, Verdict};
use super::{panels, words};

const WIDTH: f32 = 1_200.0;
const MARGIN: f32 = 20.0;
const GAP: f32 = 12.0;
const INNER: f32 = WIDTH - 2.0 * MARGIN;

/// Draws it. A run without a result has no charts.
pub(super) fn draw(charts: &Charts) -> Drawing {
    let mut drawing = Drawing { width: WIDTH, height: 0.0, shapes: Vec::new() };
    let ground = Frame { x: 0.0, y: 0.0, width: WIDTH, height: 0.0 };
    let ground = Shape::Rect { at: ground, radius: 0.0, fill: Ink::Ground, edge: None };
    drawing.shapes.push(ground);

    let run = charts.all();
    let title = fitting(&charts.title, INNER, 20.0, Weight::Bold);
    drawing.text((MARGIN, 38.0), 20.0, Weight::Bold, Ink::Text, &title);
    let started = run.summary.earliest.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let started = format!("started {}", started.unwrap_or_default());
    drawing.text((MARGIN, 58.0), 12.0, Weight::Plain, Ink::Muted, &started);
    let mut y = verdict(&mut drawing, run, 80.0);
    y = figures(&mut drawing, run, y);

    let wide = Frame { x: MARGIN, y, width: INNER, height: 330.0 };
    panels::latency(&mut drawing, wide, run);
    y += wide.height + GAP;
    let half = (INNER - GAP) / 2.0;
    for (left, right) in [
        (panels::rate as fn(&mut Drawing, Frame, &RunCharts), panels::codes as _),
        (panels::failures as _, panels::histogram as fn(&mut Drawing, Frame, &RunCharts)),
    ] {
        let card = Frame { x: MARGIN, y, width: half, height: 230.0 };
        left(&mut drawing, card, run);
        right(&mut drawing, Frame { x: MARGIN + half + GAP, ..card }, run);
        y += card.height + GAP;
    }
    drawing.height = y + MARGIN - GAP;
    if let Some(Shape::Rect { at, .. }) = drawing.shapes.first_mut() {
        at.height = drawing.height;
    }
    drawing
}

/// Who was the limit, from `y` on; gives where it ends.
fn verdict(drawing: &mut Drawing, run: &RunCharts, mut y: f32) -> f32 {
    let Verdict { level, headline, detail } = Verdict::of(&run.summary);
    let (ink, text) = match level {
        Level::Good => (Ink::Good, format!("{headline} {detail}")),
        Level::Unknown => (Ink::Muted, format!("{headline} {detail}").trim_start().to_owned()),
        Level::Warn => (Ink::Warn, format!("▲ {headline} {detail}")),
    };
    for line in wrapped(&text, INNER, 12.0, Weight::Plain) {
        drawing.text((MARGIN, y), 12.0, Weight::Plain, ink, &line);
        y += 18.0;
    }
    y - 2.0
}

fn figures(drawing: &mut Drawing, run: &RunCharts, y: f32) -> f32 {
    let (it, summary) = (&run.summary.latencies, &run.summary);
    let failed = summary.requests - summary.successes;
    let failures = match failed {
        0 => "no failures".to_owned(),
        1 => "1 failure".to_owned(),
        _ => format!("{} failures", words::count(failed)),
    };
    let figures = [
        (
            "Requests",
            words::count(summary.requests),
            format!("in {}", words::time(run.end_ns as f64 / 1e9, 0.0)),
        ),
        (
            "Rate",
            format!("{}/s", words::rate(summary.rate)),
            format!("{}/s succeeded", words::rate(summary.throughput)),
        ),
        ("Median", words::latency(it.p50), format!("mean {}", words::latency(it.mean))),
        ("99th percentile", words::latency(it.p99), format!("99.9th {}", words::latency(run.p999))),
        ("Longest", words::latency(it.max), format!("shortest {}", words::latency(it.min))),
        ("Succeeded", words::percent(summary.success), failures),
    ];
    let card = Frame { x: MARGIN, y, width: INNER, height: 76.0 };
    let (radius, fill) = (8.0, Ink::Surface);
    drawing.shapes.push(Shape::Rect { at: card, radius, fill, edge: Some(Ink::Line) });
    let width = INNER / figures.len() as f32;
    for (n, (name, value, note)) in figures.iter().enumerate() {
        let x = MARGIN + n as f32 * width;
        if n > 0 {
            let lines = vec![vec![(x, y), (x, y + card.height)]];
            let ink = Ink::Line;
            drawing.shapes.push(Shape::Lines { lines, ink, width: 1.0, is_dashed: false });
        }
        let is_bad = *name == "Succeeded" && failed > 0;
        let ink = if is_bad { Ink::Warn } else { Ink::Text };
        drawing.text((x + 14.0, y + 20.0), 11.0, Weight::Plain, Ink::Muted, name);
        drawing.text((x + 14.0, y + 44.0), 20.0, Weight::Bold, ink, value);
        drawing.text((x + 14.0, y + 63.0), 11.0, Weight::Plain, Ink::Muted, note);
    }
    y + card.height + GAP
}
