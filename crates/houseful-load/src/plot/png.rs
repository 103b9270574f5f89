//! The charts as PNG, on light ground.

use std::io::{self, Write};

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash,
    Transform,
};

use super::Charts;
use super::drawing::{Anchor, Drawing, Frame, Ink, Point, Shape};
use super::{font, sheet};

/// Pixels to a pixel of the drawing: small letters stay sharp.
const SCALE: f32 = 2.0;

/// Writes the picture.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, charts: &Charts) -> io::Result<()> {
    let drawing = sheet::draw(charts);
    let png = painted(&drawing).encode_png().map_err(io::Error::other)?;
    out.write_all(&png)
}

fn painted(drawing: &Drawing) -> Pixmap {
    let (width, height) = (drawing.width * SCALE, drawing.height * SCALE);
    let mut pixmap = Pixmap::new(width as u32, height as u32).expect("a sheet has a size");
    drawing.shapes.iter().for_each(|shape| paint(&mut pixmap, shape));
    pixmap
}

fn paint(pixmap: &mut Pixmap, shape: &Shape) {
    match shape {
        Shape::Rect { at, radius, fill, edge } => {
            let path = rounded(*at, *radius);
            fill_path(pixmap, path.clone(), *fill, 1.0);
            if let Some(edge) = edge {
                stroke_path(pixmap, path, *edge, 1.0, &Stroke { width: 1.0, ..Stroke::default() });
            }
        }
        Shape::Lines { lines, ink, width, is_dashed } => {
            let stroke = Stroke {
                width: *width,
                line_join: LineJoin::Round,
                dash: is_dashed.then(|| StrokeDash::new(vec![5.0, 3.0], 0.0)).flatten(),
                ..Stroke::default()
            };
            stroke_path(pixmap, path(lines, false), *ink, 1.0, &stroke);
        }
        Shape::Areas { outlines, ink, opacity } => {
            fill_path(pixmap, path(outlines, true), *ink, *opacity);
        }
        Shape::Dots { points, diameter, ink, opacity } => {
            let stroke = Stroke { width: *diameter, line_cap: LineCap::Round, ..Stroke::default() };
            // Shorter than can be seen, and still a line, which has ends.
            let dots: Vec<_> =
                points.iter().map(|(x, y)| vec![(*x, *y), (*x + 0.01, *y)]).collect();
            stroke_path(pixmap, path(&dots, false), *ink, *opacity, &stroke);
        }
        Shape::Text { at: (x, y), anchor, size, weight, ink, text } => {
            let width = font::width(text, *size, *weight);
            let start = match anchor {
                Anchor::Start => *x,
                Anchor::Middle => x - width / 2.0,
                Anchor::End => x - width,
            };
            let outlines = font::outlines(text, *size, *weight, (start, *y));
            fill_path(pixmap, outlines, *ink, 1.0);
        }
    }
}

fn fill_path(pixmap: &mut Pixmap, path: Option<Path>, ink: Ink, opacity: f32) {
    if let Some(path) = path {
        let scale = Transform::from_scale(SCALE, SCALE);
        pixmap.fill_path(&path, &ink_paint(ink, opacity), FillRule::Winding, scale, None);
    }
}

fn stroke_path(pixmap: &mut Pixmap, path: Option<Path>, ink: Ink, opacity: f32, stroke: &Stroke) {
    if let Some(path) = path {
        let scale = Transform::from_scale(SCALE, SCALE);
        pixmap.stroke_path(&path, &ink_paint(ink, opacity), stroke, scale, None);
    }
}

fn ink_paint(ink: Ink, opacity: f32) -> Paint<'static> {
    let [_, red, green, blue] = ink.colors().0.to_be_bytes();
    let mut color = Color::from_rgba8(red, green, blue, 255);
    color.set_alpha(opacity);
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(color);
    paint
}

fn path(lines: &[Vec<Point>], is_closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for line in lines {
        for (n, (x, y)) in line.iter().enumerate() {
            if n == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
        }
        if is_closed {
            path.close();
        }
    }
    path.finish()
}

fn rounded(Frame { x, y, width, height }: Frame, radius: f32) -> Option<Path> {
    let (right, bottom) = (x + width, y + height);
    let mut path = PathBuilder::new();
    path.move_to(x + radius, y);
    path.line_to(right - radius, y);
    path.quad_to(right, y, right, y + radius);
    path.line_to(right, bottom - radius);
    path.quad_to(right, bottom, right - radius, bottom);
    path.line_to(x + radius, bottom);
    path.quad_to(x, bottom, x, bottom - radius);
    path.line_to(x, y + radius);
    path.quad_to(x, y, x + radius, y);
    path.close();
    path.finish()
}
