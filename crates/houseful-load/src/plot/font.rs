//! The letters of a picture: DejaVu Sans, cut down to Latin letters and a few signs.
//!
//! How the files were made is in `font/README.md`.

use std::sync::LazyLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};
use tiny_skia::{Path, PathBuilder};

use super::drawing::Point;

/// How bold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Plain,
    Bold,
}

static PLAIN: LazyLock<FontRef<'static>> =
    LazyLock::new(|| font(include_bytes!("font/DejaVuSans.ttf")));
static BOLD: LazyLock<FontRef<'static>> =
    LazyLock::new(|| font(include_bytes!("font/DejaVuSans-Bold.ttf")));

fn font(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::new(bytes).expect("it is the font that was built in")
}

fn of(weight: Weight) -> &'static FontRef<'static> {
    match weight {
        Weight::Plain => &PLAIN,
        Weight::Bold => &BOLD,
    }
}

/// How wide a text is, in pixels.
pub(super) fn width(text: &str, size: f32, weight: Weight) -> f32 {
    glyphs(text, size, weight).map(|(_, width)| width).sum()
}

/// The outlines of a text that begins at `at`, on its base line; `None` if nothing of it is to be seen.
pub(super) fn outlines(text: &str, size: f32, weight: Weight, at: Point) -> Option<Path> {
    let outlines = of(weight).outline_glyphs();
    let mut pen = Pen { path: PathBuilder::new(), at };
    for (glyph, width) in glyphs(text, size, weight) {
        let settings = DrawSettings::unhinted(Size::new(size), LocationRef::default());
        if let Some(outline) = outlines.get(glyph) {
            outline.draw(settings, &mut pen).expect("the outlines of the built-in font are whole");
        }
        pen.at.0 += width;
    }
    pen.path.finish()
}

/// Each glyph and how far it is to the next. Letters that the font has not become its box.
fn glyphs(text: &str, size: f32, weight: Weight) -> impl Iterator<Item = (GlyphId, f32)> {
    let font = of(weight);
    let metrics = font.glyph_metrics(Size::new(size), LocationRef::default());
    let letters = font.charmap();
    text.chars().map(move |c| {
        let glyph = letters.map(c).unwrap_or(GlyphId::NOTDEF);
        (glyph, metrics.advance_width(glyph).unwrap_or_default())
    })
}

/// Draws at a place; a font's y grows upwards, a picture's downwards.
struct Pen {
    path: PathBuilder,
    at: Point,
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.at.0 + x, self.at.1 - y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.at.0 + x, self.at.1 - y);
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        let (left, top) = self.at;
        self.path.quad_to(left + cx0, top - cy0, left + x, top - y);
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let (left, top) = self.at;
        self.path.cubic_to(left + cx0, top - cy0, left + cx1, top - cy1, left + x, top - y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_letters_that_are_drawn() {
        for weight in [Weight::Plain, Weight::Bold] {
            let font = of(weight);
            for c in "AZaz09 µ–…▲−·%/,.:<>".chars() {
                assert!(font.charmap().map(c).is_some(), "{c}");
            }
            let (narrow, wide) = (width("iii", 12.0, weight), width("mmm", 12.0, weight));
            assert!(0.0 < narrow && narrow < wide, "{narrow} {wide}");
            let bounds = outlines("A", 100.0, weight, (10.0, 200.0)).unwrap().bounds();
            assert!(bounds.left() >= 10.0 && bounds.top() > 110.0 && bounds.bottom() < 201.0);
        }
        assert!(outlines(" ", 10.0, Weight::Plain, (0.0, 0.0)).is_none());
        // Not in the font: something is drawn in its place.
        assert!(outlines("漢", 10.0, Weight::Plain, (0.0, 0.0)).is_some());
    }
}
