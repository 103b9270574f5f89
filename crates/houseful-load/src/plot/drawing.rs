//! A picture as shapes: drawn once, written as SVG or as PNG.

use super::font::{self, Weight};

/// A picture of so many pixels.
pub(super) struct Drawing {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) shapes: Vec<Shape>,
}

/// A point, from the left and from the top.
pub(super) type Point = (f32, f32);

/// What it is made of, the lower ones first.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A filled rectangle with round corners.
    Rect { at: Frame, radius: f32, fill: Ink, edge: Option<Ink> },
    /// Lines, each through its points.
    Lines { lines: Vec<Vec<Point>>, ink: Ink, width: f32, is_dashed: bool },
    /// Filled outlines.
    Areas { outlines: Vec<Vec<Point>>, ink: Ink, opacity: f32 },
    /// Round points.
    Dots { points: Vec<Point>, diameter: f32, ink: Ink, opacity: f32 },
    /// A line of text; `at` is on its base line.
    Text { at: Point, anchor: Anchor, size: f32, weight: Weight, ink: Ink, text: String },
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Frame {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

/// Which part of a text its place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A colour by what it is for. Its values are those of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ink {
    Ground,
    Surface,
    Text,
    Muted,
    Line,
    Edge,
    Good,
    Warn,
    Bad,
    Series1,
    Series2,
    Series3,
    Series4,
    Series5,
    Series6,
}

impl Ink {
    pub(super) const ALL: [Ink; 15] = [
        Ink::Ground,
        Ink::Surface,
        Ink::Text,
        Ink::Muted,
        Ink::Line,
        Ink::Edge,
        Ink::Good,
        Ink::Warn,
        Ink::Bad,
        Ink::Series1,
        Ink::Series2,
        Ink::Series3,
        Ink::Series4,
        Ink::Series5,
        Ink::Series6,
    ];

    /// On light, and on dark ground.
    pub(super) fn colors(self) -> (u32, u32) {
        match self {
            Ink::Ground => (0xf4f6f8, 0x0f1419),
            Ink::Surface => (0xffffff, 0x171d24),
            Ink::Text => (0x1b2127, 0xe4e9ee),
            Ink::Muted => (0x55606b, 0x9ca8b4),
            Ink::Line => (0xd6dde4, 0x2c3640),
            Ink::Edge => (0x7d8894, 0x6f7c89),
            Ink::Good => (0x1a7037, 0x5cc98a),
            Ink::Warn => (0x8a5200, 0xe6b450),
            Ink::Bad => (0xb3151f, 0xff8a84),
            Ink::Series1 => (0x0b63b6, 0x6cb2ff),
            Ink::Series2 => (0x0f766e, 0x45c4b0),
            Ink::Series3 => (0xa3461b, 0xf0a070),
            Ink::Series4 => (0x7a3ea8, 0xc79bf2),
            Ink::Series5 => (0x6a6a00, 0xd3cf5a),
            Ink::Series6 => (0xb3206f, 0xff8cc0),
        }
    }
}

impl Drawing {
    pub(super) fn text(&mut self, at: Point, size: f32, weight: Weight, ink: Ink, text: &str) {
        self.text_at(at, Anchor::Start, size, weight, ink, text);
    }

    pub(super) fn text_at(
        &mut self,
        at: Point,
        anchor: Anchor,
        size: f32,
        weight: Weight,
        ink: Ink,
        text: &str,
    ) {
        let text = text.replace(char::is_control, " ");
        self.shapes.push(Shape::Text { at, anchor, size, weight, ink, text });
    }
}

/// The text, or as much of its beginning as so many pixels hold.
pub(super) fn fitting(text: &str, width: f32, size: f32, weight: Weight) -> String {
    if font::width(text, size, weight) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if font::width(&format!("{short}…"), size, weight) > width {
            short.pop();
            break;
        }
    }
    short + "…"
}

/// The text in lines of at most so many pixels, broken between words.
pub(super) fn wrapped(text: &str, width: f32, size: f32, weight: Weight) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map(String::as_str).unwrap_or_default();
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if line.is_empty() || font::width(&longer, size, weight) <= width {
            lines.pop();
            lines.push(longer);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
