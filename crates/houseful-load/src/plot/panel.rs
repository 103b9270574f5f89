//! A frame with a title, a legend and axes, and what is drawn in it.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, Frame, Ink, Point, Shape};
use super::font::{self, Weight};
use super::words;

const TITLE: f32 = 14.0;
const SMALL: f32 = 11.0;

/// What an entry of a legend looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Line,
    Dashes,
    Area,
    Dot,
}

/// An entry of a legend.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) ink: Ink,
    pub(super) mark: Mark,
}

impl Entry {
    pub(super) fn new(name: impl Into<String>, ink: Ink, mark: Mark) -> Entry {
        Entry { name: name.into(), ink, mark }
    }
}

/// The inner part of a panel, ready to be drawn in.
pub(super) struct Panel<'a> {
    drawing: &'a mut Drawing,
    inner: Frame,
    x: Axis,
    y: Axis,
}

impl<'a> Panel<'a> {
    /// Draws a panel without its axes.
    pub(super) fn new(
        drawing: &'a mut Drawing,
        card: Frame,
        title: &str,
        legend: &[Entry],
        (x, y): (Axis, Axis),
    ) -> Panel<'a> {
        drawing.shapes.push(Shape::Rect {
            at: card,
            radius: 8.0,
            fill: Ink::Surface,
            edge: Some(Ink::Line),
        });
        let base = card.y + 24.0;
        drawing.text((card.x + 14.0, base), TITLE, Weight::Bold, Ink::Text, title);
        let mut left = card.x + 14.0 + font::width(title, TITLE, Weight::Bold) + 20.0;
        for entry in legend {
            let width = font::width(&entry.name, SMALL, Weight::Plain);
            if left + 20.0 + width > card.x + card.width - 10.0 {
                break;
            }
            sample(drawing, entry, (left, base - 4.0));
            drawing.text((left + 20.0, base), SMALL, Weight::Plain, Ink::Muted, &entry.name);
            left += 20.0 + width + 16.0;
        }
        let inner = Frame {
            x: card.x + 70.0,
            y: card.y + 40.0,
            width: card.width - 70.0 - 18.0,
            height: card.height - 40.0 - 30.0,
        };
        Panel { drawing, inner, x, y }
    }

    /// Marks times, in seconds.
    pub(super) fn time_axis(&mut self) {
        let (step_s, marks) = self.x.time_marks((self.inner.width / 90.0) as usize);
        self.marks_below(&marks, |s| words::time(s, step_s));
    }

    pub(super) fn marks_below(&mut self, marks: &[f64], name: impl Fn(f64) -> String) {
        let Frame { x: left, y, width, height } = self.inner;
        let bottom = y + height;
        let at = |mark: f64| left + width * self.x.share(mark) as f32;
        let lines = marks.iter().map(|mark| vec![(at(*mark), y), (at(*mark), bottom)]).collect();
        let names: Vec<(f32, String)> = marks.iter().map(|mark| (at(*mark), name(*mark))).collect();
        self.grid(lines);
        for (at, name) in names {
            // Not over the panel's edge.
            let half = font::width(&name, SMALL, Weight::Plain) / 2.0;
            let at = at.min(left + width + 12.0 - half);
            self.name((at, bottom + 17.0), Anchor::Middle, &name);
        }
    }

    pub(super) fn marks_left(&mut self, marks: &[f64], name: impl Fn(f64) -> String) {
        let Frame { x: left, width, .. } = self.inner;
        let heights: Vec<f32> = marks.iter().map(|mark| self.height_of(*mark)).collect();
        self.grid(heights.iter().map(|y| vec![(left, *y), (left + width, *y)]).collect());
        for (mark, y) in marks.iter().zip(heights) {
            self.name((left - 8.0, y + 4.0), Anchor::End, &name(*mark));
        }
    }

    fn grid(&mut self, lines: Vec<Vec<Point>>) {
        let (ink, width) = (Ink::Line, 1.0);
        self.drawing.shapes.push(Shape::Lines { lines, ink, width, is_dashed: false });
    }

    fn name(&mut self, at: Point, anchor: Anchor, text: &str) {
        self.drawing.text_at(at, anchor, SMALL, Weight::Plain, Ink::Muted, text);
    }

    fn height_of(&self, value: f64) -> f32 {
        self.inner.y + self.inner.height * (1.0 - self.y.share(value) as f32)
    }

    fn at(&self, (x, y): (f64, f64)) -> Point {
        (self.inner.x + self.inner.width * self.x.share(x) as f32, self.height_of(y))
    }

    /// A line through values; where one is missing, it has a gap. A value between two gaps is a dot.
    pub(super) fn line(
        &mut self,
        values: &[(f64, Option<f64>)],
        ink: Ink,
        width: f32,
        is_dashed: bool,
    ) {
        let (lines, alone): (Vec<_>, Vec<_>) =
            self.pieces(values).into_iter().partition(|piece| piece.len() > 1);
        self.drawing.shapes.push(Shape::Lines { lines, ink, width, is_dashed });
        self.push_dots(alone.concat(), width * 2.5, ink, 1.0);
    }

    /// What lies between two lines.
    pub(super) fn band(&mut self, values: &[(f64, Option<(f64, f64)>)], ink: Ink, opacity: f32) {
        let side = |which: fn((f64, f64)) -> f64| -> Vec<_> {
            values.iter().map(|(x, both)| (*x, both.map(which))).collect()
        };
        let lower = self.pieces(&side(|(low, _)| low));
        let upper = self.pieces(&side(|(_, high)| high));
        let outlines = lower
            .into_iter()
            .zip(upper)
            .filter(|(low, _)| low.len() > 1)
            .map(|(low, high)| low.into_iter().chain(high.into_iter().rev()).collect())
            .collect();
        self.drawing.shapes.push(Shape::Areas { outlines, ink, opacity });
    }

    /// Fills what is below the values.
    pub(super) fn area(&mut self, values: &[(f64, Option<f64>)], ink: Ink, opacity: f32) {
        let values: Vec<_> =
            values.iter().map(|(x, y)| (*x, y.map(|y| (f64::NEG_INFINITY, y)))).collect();
        self.band(&values, ink, opacity);
    }

    pub(super) fn dots(
        &mut self,
        values: impl IntoIterator<Item = (f64, f64)>,
        diameter: f32,
        ink: Ink,
        opacity: f32,
    ) {
        let points = values.into_iter().map(|value| self.at(value)).collect();
        self.push_dots(points, diameter, ink, opacity);
    }

    fn push_dots(&mut self, points: Vec<Point>, diameter: f32, ink: Ink, opacity: f32) {
        if !points.is_empty() {
            self.drawing.shapes.push(Shape::Dots { points, diameter, ink, opacity });
        }
    }

    /// Lines from the bottom to the top with names, each below the one before if it would cover it.
    pub(super) fn uprights(&mut self, marks: &[(f64, String)]) {
        let Frame { x: left, y, width, height } = self.inner;
        let (mut row, mut last_end) = (0.0, f32::NEG_INFINITY);
        for (value, text) in marks {
            let at = self.at((*value, 0.0)).0;
            let line = vec![(at, y), (at, y + height)];
            let dashed =
                Shape::Lines { lines: vec![line], ink: Ink::Edge, width: 1.0, is_dashed: true };
            self.drawing.shapes.push(dashed);
            let long = font::width(text, SMALL, Weight::Plain);
            let start = if at + long + 6.0 > left + width { at - long - 5.0 } else { at + 5.0 };
            row = if start < last_end { row + 1.0 } else { 0.0 };
            last_end = start + long + 6.0;
            let base = (start, y + 11.0 + row * 15.0);
            self.drawing.text(base, SMALL, Weight::Plain, Ink::Text, text);
        }
    }

    /// Says in the middle that there is nothing.
    pub(super) fn nothing(&mut self, text: &str) {
        let Frame { x, y, width, height } = self.inner;
        let middle = (x + width / 2.0, y + height / 2.0);
        self.drawing.text_at(middle, Anchor::Middle, 13.0, Weight::Plain, Ink::Muted, text);
    }

    fn pieces(&self, values: &[(f64, Option<f64>)]) -> Vec<Vec<Point>> {
        let pieces = values.split(|(_, y)| y.is_none()).filter(|piece| !piece.is_empty());
        let point = |(x, y): &(f64, Option<f64>)| y.map(|y| self.at((*x, y)));
        pieces.map(|piece| piece.iter().filter_map(point).collect()).collect()
    }
}

/// The beginning of a legend's entry.
fn sample(drawing: &mut Drawing, entry: &Entry, (x, y): Point) {
    let ink = entry.ink;
    drawing.shapes.push(match entry.mark {
        Mark::Line | Mark::Dashes => Shape::Lines {
            lines: vec![vec![(x, y), (x + 14.0, y)]],
            ink,
            width: 2.0,
            is_dashed: entry.mark == Mark::Dashes,
        },
        Mark::Area => Shape::Areas {
            outlines: vec![vec![
                (x, y - 5.0),
                (x + 14.0, y - 5.0),
                (x + 14.0, y + 5.0),
                (x, y + 5.0),
            ]],
            ink,
            opacity: 0.35,
        },
        Mark::Dot => Shape::Dots { points: vec![(x + 7.0, y)], diameter: 6.0, ink, opacity: 1.0 },
    });
}
