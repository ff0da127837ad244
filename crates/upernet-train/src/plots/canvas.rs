//! A white sheet on which shapes and words are drawn.

use tiny_skia::{
    FillRule, LineCap, LineJoin, Mask, Paint, PathBuilder, Pixmap, Rect, Stroke, StrokeDash,
    Transform,
};
use upernet_image::image::RgbImage;

use super::{
    color::{Color, WHITE},
    letters::{Letters, Words},
};

/// The longest side of a picture, in pixels: 16,000 rows of three photos are 84 MB while drawn.
pub(super) const LONGEST_SIDE: u32 = 16_000;

/// A rectangle, in pixels from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) color: Color,
    pub(super) width: f32,
    /// How often the colours were used up before this one: every round has dashes of its own.
    pub(super) round: usize,
}

/// What is drawn on.
pub(super) struct Canvas {
    pixels: Pixmap,
    letters: Letters,
}

impl Area {
    pub(super) fn right(&self) -> f32 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f32 {
        self.top + self.height
    }

    pub(super) fn center(&self) -> [f32; 2] {
        [self.left + self.width / 2.0, self.top + self.height / 2.0]
    }

    /// The area with `margin` pixels more on each side.
    pub(super) fn grown(&self, margin: f32) -> Self {
        Self {
            left: self.left - margin,
            top: self.top - margin,
            width: self.width + 2.0 * margin,
            height: self.height + 2.0 * margin,
        }
    }
}

impl Canvas {
    /// A white sheet; sides are cut to 1 to [`LONGEST_SIDE`] pixels.
    pub(super) fn new(width: f32, height: f32) -> Self {
        let mut pixels = Pixmap::new(side(width), side(height))
            .expect("sides are neither zero nor longer than a picture may be");
        pixels.fill(skia_color(WHITE));
        Self {
            pixels,
            letters: Letters::new(),
        }
    }

    /// Fills an area whose edges are moved to whole pixels, so that they stay sharp.
    pub(super) fn fill(&mut self, area: Area, color: Color) {
        let (left, top) = (area.left.round(), area.top.round());
        let (right, bottom) = (area.right().round(), area.bottom().round());
        if let Some(rect) = Rect::from_ltrb(left, top, right, bottom) {
            let paint = paint(color);
            self.pixels
                .fill_rect(rect, &paint, Transform::identity(), None);
        }
    }

    /// Draws a line through the points of each run, as far as they lie within `clip`.
    pub(super) fn polylines<'a>(
        &mut self,
        runs: impl IntoIterator<Item = &'a [[f32; 2]]>,
        line: Line,
        clip: Area,
    ) {
        let mut path = PathBuilder::new();
        for run in runs {
            for (index, &[x, y]) in run.iter().enumerate() {
                if index == 0 {
                    path.move_to(x, y);
                } else {
                    path.line_to(x, y);
                }
            }
        }
        let (Some(path), Some(mask)) = (path.finish(), self.mask(clip)) else {
            return;
        };
        let stroke = Stroke {
            width: line.width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            dash: dashes(line.round),
            ..Stroke::default()
        };
        self.pixels.stroke_path(
            &path,
            &paint(line.color),
            &stroke,
            Transform::identity(),
            Some(&mask),
        );
    }

    /// Draws a full circle.
    pub(super) fn disc(&mut self, [x, y]: [f32; 2], radius: f32, color: Color) {
        if let Some(path) = PathBuilder::from_circle(x, y, radius) {
            self.pixels.fill_path(
                &path,
                &paint(color),
                FillRule::Winding,
                Transform::identity(),
                None,
            );
        }
    }

    /// Draws words.
    pub(super) fn words(&mut self, text: &str, words: Words) {
        if let Some((path, transform)) = self.letters.outline(text, words) {
            self.pixels.fill_path(
                &path,
                &paint(words.color),
                FillRule::Winding,
                transform,
                None,
            );
        }
    }

    /// Lays a picture down, its upper left corner at a whole pixel; what does not fit is cut.
    pub(super) fn picture(&mut self, picture: &RgbImage, [left, top]: [u32; 2]) {
        let width = self.pixels.width();
        let height = self.pixels.height();
        let (bytes, _) = self.pixels.data_mut().as_chunks_mut::<4>();
        for (x, y, pixel) in picture.enumerate_pixels() {
            let (x, y) = (left.saturating_add(x), top.saturating_add(y));
            if x < width && y < height {
                let [red, green, blue] = pixel.0;
                bytes[y as usize * width as usize + x as usize] = [red, green, blue, 255];
            }
        }
    }

    /// Returns what was drawn.
    pub(super) fn into_picture(self) -> RgbImage {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        let (pixels, _) = self.pixels.data().as_chunks::<4>();
        let bytes = pixels
            .iter()
            .flat_map(|&[red, green, blue, _]| [red, green, blue])
            .collect();
        RgbImage::from_raw(width, height, bytes).expect("three bytes were taken of every pixel")
    }

    fn mask(&self, clip: Area) -> Option<Mask> {
        let mut mask = Mask::new(self.pixels.width(), self.pixels.height())?;
        let rect = Rect::from_xywh(clip.left, clip.top, clip.width, clip.height)?;
        let path = PathBuilder::from_rect(rect);
        mask.fill_path(&path, FillRule::Winding, false, Transform::identity());
        Some(mask)
    }
}

fn dashes(round: usize) -> Option<StrokeDash> {
    match round % 3 {
        0 => None,
        1 => StrokeDash::new(vec![7.0, 5.0], 0.0),
        _ => StrokeDash::new(vec![2.0, 5.0], 0.0),
    }
}

fn paint(color: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(skia_color(color));
    paint.anti_alias = true;
    paint
}

fn skia_color([red, green, blue]: Color) -> tiny_skia::Color {
    tiny_skia::Color::from_rgba8(red, green, blue, 255)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to sides of pictures"
)]
fn side(pixels: f32) -> u32 {
    (pixels.ceil().max(1.0) as u32).min(LONGEST_SIDE)
}

#[cfg(test)]
mod tests {
    use upernet_image::image::Rgb;

    use super::*;

    #[test]
    fn a_sheet_is_white_and_of_the_size_asked_for() {
        let picture = Canvas::new(7.0, 4.2).into_picture();
        assert_eq!(picture.dimensions(), (7, 5));
        assert!(picture.pixels().all(|pixel| pixel.0 == WHITE));
        assert_eq!(
            Canvas::new(-3.0, f32::NAN).into_picture().dimensions(),
            (1, 1)
        );
    }

    #[test]
    fn filled_areas_have_sharp_edges() {
        let mut canvas = Canvas::new(6.0, 5.0);
        let area = Area {
            left: 1.2,
            top: 0.9,
            width: 3.0,
            height: 2.0,
        };
        canvas.fill(area, [1, 2, 3]);
        let picture = canvas.into_picture();
        for (x, y, pixel) in picture.enumerate_pixels() {
            let inside = (1..4).contains(&x) && (1..3).contains(&y);
            assert_eq!(pixel.0, if inside { [1, 2, 3] } else { WHITE });
        }
    }

    #[test]
    fn lines_end_at_the_clip() {
        let mut canvas = Canvas::new(20.0, 9.0);
        let line = Line {
            color: [0, 0, 0],
            width: 3.0,
            round: 0,
        };
        let clip = Area {
            left: 5.0,
            top: 0.0,
            width: 10.0,
            height: 9.0,
        };
        let run: &[_] = &[[-50.0, 4.5], [90.0, 4.5]];
        canvas.polylines([run], line, clip);
        let picture = canvas.into_picture();
        for x in 0..20 {
            let expected = if (5..15).contains(&x) { [0; 3] } else { WHITE };
            assert_eq!(picture.get_pixel(x, 4).0, expected, "column {x}");
        }
    }

    #[test]
    fn pictures_are_copied_and_cut_at_the_edge() {
        let mut canvas = Canvas::new(4.0, 4.0);
        canvas.picture(&RgbImage::from_pixel(3, 3, Rgb([9, 8, 7])), [2, 3]);
        let picture = canvas.into_picture();
        let drawn = picture.pixels().filter(|pixel| pixel.0 == [9, 8, 7]);
        assert_eq!(drawn.count(), 2);
    }
}
