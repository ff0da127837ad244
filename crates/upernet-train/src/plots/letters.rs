//! Words as outlines of an embedded font.

use skrifa::{
    FontRef, MetadataProvider,
    instance::{LocationRef, Size},
    outline::{DrawSettings, Engine, HintingInstance, HintingOptions, OutlinePen, SmoothMode},
};
use tiny_skia::{Path, PathBuilder, Transform};

use super::color::Color;

/// `DejaVu` Sans; its origin and licence lie beside it.
const FONT: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");

/// Height of a capital letter in `DejaVu` Sans, in units of the font size: 1493 of 2048.
const CAPITAL_HEIGHT: f32 = 0.729;

/// Where words stand to their anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// They start there.
    Start,
    /// Their middle is there.
    Middle,
    /// They end there.
    End,
}

/// How words run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// From left to right.
    Level,
    /// Upwards to the right, at 45 degrees.
    Slanted,
    /// From below upwards.
    Upwards,
}

/// Place and look of words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// Column and row, in pixels, of the point `align` speaks of; halfway up a capital letter.
    pub(super) anchor: [f32; 2],
    pub(super) align: Align,
    pub(super) turn: Turn,
    /// Font size, in pixels.
    pub(super) size: f32,
    pub(super) color: Color,
}

/// The font, and what was computed for the sizes used so far.
pub(super) struct Letters {
    font: FontRef<'static>,
    hinting: Vec<(Size, Option<HintingInstance>)>,
}

impl Letters {
    pub(super) fn new() -> Self {
        Self {
            font: font(),
            hinting: Vec::new(),
        }
    }

    /// Returns the outlines of words and the turn to draw them with; nothing for words without ink.
    pub(super) fn outline(&mut self, text: &str, words: Words) -> Option<(Path, Transform)> {
        let size = Size::new(words.size);
        let [x, y] = words.anchor;
        let start = match words.align {
            Align::Start => 0.0,
            Align::Middle => -width(text, words.size) / 2.0,
            Align::End => -width(text, words.size),
        };
        let below = CAPITAL_HEIGHT * words.size / 2.0;
        // Level letters are fitted to rows of pixels, so their foot has to stand on one.
        let (origin, turn, place) = match words.turn {
            Turn::Level => ([x + start, (y + below).round()], 0.0, [0.0, 0.0]),
            Turn::Slanted => ([start, below], -45.0, [x, y]),
            Turn::Upwards => ([start, below], -90.0, [x, y]),
        };
        let transform = Transform::from_rotate(turn).post_translate(place[0], place[1]);

        let outlines = self.font.outline_glyphs();
        let charmap = self.font.charmap();
        let metrics = self.font.glyph_metrics(size, LocationRef::default());
        let hinting = match words.turn {
            Turn::Level => self.hinting(size),
            Turn::Slanted | Turn::Upwards => None,
        };
        let mut pen = Pen {
            path: PathBuilder::new(),
            origin,
        };
        for letter in text.chars() {
            let glyph = charmap.map(letter).unwrap_or_default();
            let settings = hinting.map_or_else(
                || DrawSettings::unhinted(size, LocationRef::default()),
                |hinting| DrawSettings::hinted(hinting, false),
            );
            if let Some(outline) = outlines.get(glyph) {
                // A glyph that cannot be drawn leaves its place empty; the embedded font has none.
                let _ = outline.draw(settings, &mut pen);
            }
            pen.origin[0] += metrics.advance_width(glyph).unwrap_or_default();
        }
        Some((pen.path.finish()?, transform))
    }

    /// Fits letters to rows of pixels and leaves their widths as they are.
    fn hinting(&mut self, size: Size) -> Option<&HintingInstance> {
        let known = self.hinting.iter().position(|(other, _)| *other == size);
        let index = known.unwrap_or_else(|| {
            let options = HintingOptions {
                engine: Engine::Auto(None),
                target: SmoothMode::Light.into(),
            };
            let outlines = self.font.outline_glyphs();
            let made = HintingInstance::new(&outlines, size, LocationRef::default(), options);
            self.hinting.push((size, made.ok()));
            self.hinting.len() - 1
        });
        self.hinting[index].1.as_ref()
    }
}

/// Returns the width of words on one line, in pixels.
pub(super) fn width(text: &str, size: f32) -> f32 {
    let font = font();
    let charmap = font.charmap();
    let metrics = font.glyph_metrics(Size::new(size), LocationRef::default());
    text.chars()
        .map(|letter| {
            let glyph = charmap.map(letter).unwrap_or_default();
            metrics.advance_width(glyph).unwrap_or_default()
        })
        .sum()
}

/// Tells if the font has every letter of `text`.
pub(super) fn has_letters(text: &str) -> bool {
    let font = font();
    let charmap = font.charmap();
    text.chars().all(|letter| charmap.map(letter).is_some())
}

/// Shortens words to at most `most` pixels, with an ellipsis where something was left out.
pub(super) fn fitted(text: &str, size: f32, most: f32) -> String {
    // No letter but a handful is narrower than a quarter of the size, so longer ones need no measuring.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of letters on a picture"
    )]
    let letters = (most / size * 4.0).max(0.0) as usize + 1;
    let mut kept: String = text.chars().take(letters).collect();
    if kept.len() == text.len() && width(text, size) <= most {
        return kept;
    }
    while kept.pop().is_some() {
        let shortened = format!("{}…", kept.trim_end());
        if width(&shortened, size) <= most {
            return shortened;
        }
    }
    String::new()
}

fn font() -> FontRef<'static> {
    FontRef::new(FONT).expect("the embedded font is whole")
}

/// Takes outlines with rows counted upwards, as fonts have them.
struct Pen {
    path: PathBuilder,
    origin: [f32; 2],
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.origin[0] + x, self.origin[1] - y)
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, control_x: f32, control_y: f32, x: f32, y: f32) {
        let (control_x, control_y) = self.at(control_x, control_y);
        let (x, y) = self.at(x, y);
        self.path.quad_to(control_x, control_y, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2)) = (self.at(x1, y1), self.at(x2, y2));
        let (x, y) = self.at(x, y);
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(align: Align, turn: Turn) -> Words {
        Words {
            anchor: [50.0, 40.0],
            align,
            turn,
            size: 20.0,
            color: [0; 3],
        }
    }

    #[test]
    fn widths_are_the_fonts_advances() {
        // DejaVu Sans 2.37: `H` is 1540, `i` 569 of 2048 units wide.
        assert!((width("Hi", 20.48) - 21.09).abs() < 0.1);
        assert!(width("", 12.0).abs() < 1e-6);
    }

    #[test]
    fn capitals_stand_around_their_anchor() {
        let (path, _) = Letters::new()
            .outline("H", words(Align::Start, Turn::Level))
            .unwrap();
        let bounds = path.bounds();
        assert!((bounds.bottom() - 47.0).abs() < 0.1, "{bounds:?}");
        assert!((bounds.height() - 14.58).abs() < 1.0, "{bounds:?}");
        assert!(bounds.left() > 50.0 && bounds.right() < 66.0, "{bounds:?}");
        let (path, transform) = Letters::new()
            .outline("HHH", words(Align::End, Turn::Upwards))
            .unwrap();
        let turned = path.transform(transform).unwrap().bounds();
        assert!(turned.top() > 40.0 && turned.left() < 43.0, "{turned:?}");
        assert!(turned.height() > 2.5 * turned.width(), "{turned:?}");
    }

    #[test]
    fn long_words_end_in_an_ellipsis() {
        assert_eq!(fitted("road", 12.0, 100.0), "road");
        let short = fitted("a very long name of a class", 12.0, 80.0);
        assert!(
            short.ends_with('…') && short.starts_with("a very"),
            "{short}"
        );
        assert!(width(&short, 12.0) <= 80.0);
        assert_eq!(fitted("road", 12.0, 1.0), "");
        assert!(width(&fitted(&"i".repeat(100_000), 12.0, 60.0), 12.0) <= 60.0);
    }

    #[test]
    fn letters_that_the_font_lacks_are_known() {
        assert!(has_letters("Straße, Ελλάδα, небо, 50 % …"));
        assert!(!has_letters("道路"));
        let drawn = Letters::new().outline("道", words(Align::Middle, Turn::Level));
        assert!(drawn.is_some(), "a box stands for what is missing");
        assert!(
            Letters::new()
                .outline(" ", words(Align::Start, Turn::Level))
                .is_none()
        );
    }
}
