//! The charts as SVG: one file that asks nobody for anything and follows the reader's light or dark.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Charts;
use super::drawing::{Anchor, Frame, Ink, Point, Shape};
use super::font::Weight;
use super::sheet;

/// Writes the picture.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, charts: &Charts) -> io::Result<()> {
    let drawing = sheet::draw(charts);
    let (width, height) = (drawing.width, drawing.height);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" font-family=\"'DejaVu Sans', Verdana, sans-serif\">"
    )?;
    writeln!(out, "<title>{}</title>", text(&charts.title))?;
    writeln!(out, "<style>{}</style>", dark_style())?;
    drawing.shapes.iter().try_for_each(|shape| writeln!(out, "{}", element(shape)))?;
    writeln!(out, "</svg>")
}

/// A class for each ink; readers that know no style see the light colours of the attributes.
fn dark_style() -> String {
    let mut style = "@media (prefers-color-scheme: dark) {".to_owned();
    for ink in Ink::ALL {
        let color = hex(ink.colors().1);
        let n = ink as u8;
        style += &format!(" .f{n} {{ fill: {color}; }} .s{n} {{ stroke: {color}; }}");
    }
    style + " }"
}

fn element(shape: &Shape) -> String {
    match shape {
        Shape::Rect { at: Frame { x, y, width, height }, radius, fill, edge } => {
            let (class, stroke) = match edge {
                Some(edge) => (
                    format!("f{} s{}", *fill as u8, *edge as u8),
                    format!(" stroke=\"{}\"", hex(edge.colors().0)),
                ),
                None => (format!("f{}", *fill as u8), String::new()),
            };
            format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" class=\"{class}\" fill=\"{}\"{stroke}/>",
                hex(fill.colors().0)
            )
        }
        Shape::Lines { lines, ink, width, is_dashed } => format!(
            "<path d=\"{}\" fill=\"none\" {} stroke-width=\"{width}\" stroke-linejoin=\"round\"{}/>",
            lines.iter().map(|line| path(line)).collect::<String>(),
            stroke(*ink),
            if *is_dashed { " stroke-dasharray=\"5 3\"" } else { "" }
        ),
        Shape::Areas { outlines, ink, opacity } => format!(
            "<path d=\"{}\" {} fill-opacity=\"{opacity}\"/>",
            outlines.iter().map(|line| path(line) + "Z").collect::<String>(),
            fill(*ink)
        ),
        // A line of no length with round ends is a dot, and as short as can be.
        Shape::Dots { points, diameter, ink, opacity } => format!(
            "<path d=\"{}\" {} stroke-width=\"{diameter}\" stroke-linecap=\"round\" stroke-opacity=\"{opacity}\"/>",
            points
                .iter()
                .map(|(x, y)| format!("M{} {}h0", short(*x), short(*y)))
                .collect::<String>(),
            stroke(*ink)
        ),
        Shape::Text { at: (x, y), anchor, size, weight, ink, text: words } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let weight = if *weight == Weight::Bold { " font-weight=\"bold\"" } else { "" };
            format!(
                "<text x=\"{}\" y=\"{}\" font-size=\"{size}\"{anchor}{weight} {}>{}</text>",
                short(*x),
                short(*y),
                fill(*ink),
                text(words)
            )
        }
    }
}

fn fill(ink: Ink) -> String {
    format!("class=\"f{}\" fill=\"{}\"", ink as u8, hex(ink.colors().0))
}

fn stroke(ink: Ink) -> String {
    format!("class=\"s{}\" stroke=\"{}\"", ink as u8, hex(ink.colors().0))
}

fn hex(color: u32) -> String {
    format!("#{color:06x}")
}

fn path(points: &[Point]) -> String {
    let mut path = String::new();
    for (n, (x, y)) in points.iter().enumerate() {
        let letter = if n == 0 { 'M' } else { 'L' };
        // Writing to a String cannot fail.
        write!(path, "{letter}{} {}", short(*x), short(*y)).unwrap_or_default();
    }
    path
}

/// A tenth of a pixel is enough.
fn short(number: f32) -> f32 {
    (number * 10.0).round() / 10.0
}

/// A text as markup that shows it. XML has no place for most control characters.
fn text(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'), " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
