//! Filled outlines on the samples of a canvas.

use std::ops::Range;

use super::{
    canvas::{Point, position},
    noise,
};

/// The tangents `t` of half of every 15 degrees: `(1 - t^2, 2 t) / (1 + t^2)` is a circle without a sine.
const ARC: [f32; 6] = [0.0, 0.1317, 0.2679, 0.4142, 0.5774, 0.7673];

/// A closed outline in pixels; even-odd inside.
#[derive(Clone, Debug, Default)]
pub(super) struct Polygon {
    points: Vec<Point>,
}

impl Polygon {
    pub(super) fn new(points: Vec<Point>) -> Self {
        Self { points }
    }

    /// An ellipse with the given half axes.
    pub(super) fn ellipse([x, y]: Point, [across, up]: [f32; 2]) -> Self {
        let points = unit_circle().map(|[right, down]| [x + across * right, y + up * down]);
        Self::new(points.collect())
    }

    /// An ellipse with a wavy outline, by up to `waves` of its half axes.
    pub(super) fn blob([x, y]: Point, [across, up]: [f32; 2], waves: f32, salt: u32) -> Self {
        let shift = (salt >> 20) as f32;
        let points = unit_circle().map(|[right, down]| {
            let wave = noise::smooth(2.3 * right + shift, 2.3 * down + 0.37 * shift);
            let radius = 1.0 + waves * (2.0 * wave - 1.0);
            [x + across * radius * right, y + up * radius * down]
        });
        Self::new(points.collect())
    }

    /// A line of the given width from point to point.
    pub(super) fn line([x, y]: Point, [to_x, to_y]: Point, width: f32) -> Self {
        let (right, down) = (to_x - x, to_y - y);
        let length = (right * right + down * down).sqrt().max(1e-3);
        let (across, along) = (-down / length * width * 0.5, right / length * width * 0.5);
        Self::new(vec![
            [x + across, y + along],
            [to_x + across, to_y + along],
            [to_x - across, to_y - along],
            [x - across, y - along],
        ])
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        self.points.len() < 3
    }

    /// `[left, top, right, bottom]`, if there are any points.
    pub(super) fn bounds(&self) -> Option<[f32; 4]> {
        let first = self.points.first()?;
        let start = [first[0], first[1], first[0], first[1]];
        Some(self.points.iter().fold(start, |bounds, &[x, y]| {
            [
                bounds[0].min(x),
                bounds[1].min(y),
                bounds[2].max(x),
                bounds[3].max(y),
            ]
        }))
    }

    /// Calls `span(row, columns)` for each run of samples inside, on a canvas with so many rows of
    /// samples and so many samples in a row.
    pub(super) fn for_each_span(
        &self,
        [height, width]: [usize; 2],
        mut span: impl FnMut(usize, Range<usize>),
    ) {
        let Some([_, top, _, bottom]) = self.bounds() else {
            return;
        };
        let mut crossings: Vec<f32> = Vec::with_capacity(8);
        for row in sample_range(2.0 * top, 2.0 * bottom, height) {
            crossings.clear();
            let [first, y] = position(row, 0);
            let next = self.points.iter().cycle().skip(1);
            for (&[x, from], &[to_x, to]) in self.points.iter().zip(next) {
                if (from <= y) != (to <= y) {
                    crossings.push(x + (y - from) / (to - from) * (to_x - x));
                }
            }
            crossings.sort_unstable_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let columns = sample_range(pair[0] - first, pair[1] - first, width);
                if !columns.is_empty() {
                    span(row, columns);
                }
            }
        }
    }
}

/// The samples at `from <= sample < to`, of `count`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the samples that are there"
)]
fn sample_range(from: f32, to: f32, count: usize) -> Range<usize> {
    let clamp = |value: f32| value.ceil().clamp(0.0, count as f32) as usize;
    clamp(from)..clamp(to)
}

/// Points around the unit circle, every 15 degrees.
fn unit_circle() -> impl Iterator<Item = Point> {
    (0..4).flat_map(|quarter| {
        let turn = move |[right, down]: Point| match quarter {
            0 => [right, down],
            1 => [-down, right],
            2 => [-right, -down],
            _ => [down, -right],
        };
        let first = ARC.into_iter().map(|tangent| {
            let square = tangent * tangent;
            [
                (1.0 - square) / (1.0 + square),
                2.0 * tangent / (1.0 + square),
            ]
        });
        first.map(turn)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each sample is inside, on a canvas for 20 x 20 pixels.
    fn coverage(polygons: &[Polygon]) -> Vec<u32> {
        let size = [41, 21];
        let mut counts = vec![0; 41 * 21];
        for polygon in polygons {
            polygon.for_each_span(size, |row, columns| {
                for column in columns {
                    counts[row * 21 + column] += 1;
                }
            });
        }
        counts
    }

    #[test]
    fn polygons_that_share_an_edge_cover_each_sample_once() {
        let (top, bottom) = ([9.3, -4.0], [6.1, 31.7]);
        let left = Polygon::new(vec![[-5.0, -4.0], top, bottom, [-5.0, 31.7]]);
        let right = Polygon::new(vec![top, [33.0, -4.0], [33.0, 31.7], bottom]);
        let counts = coverage(&[left, right]);
        // The last place of a row of centres is no sample.
        let samples = counts
            .iter()
            .enumerate()
            .filter(|(index, _)| index % 42 != 41);
        assert!(samples.into_iter().all(|(_, &count)| count == 1));
    }

    #[test]
    fn an_ellipse_has_its_area() {
        let inside: u32 = coverage(&[Polygon::ellipse([10.0, 10.0], [8.0, 5.0])])
            .iter()
            .sum();
        // Two samples for each pixel; a polygon of 24 corners has 0.9886 of the circle's area.
        let expected = 2.0 * 0.9886 * std::f64::consts::PI * 8.0 * 5.0;
        assert!(
            (f64::from(inside) - expected).abs() < 0.03 * expected,
            "{inside}"
        );
    }

    #[test]
    fn what_is_outside_or_empty_covers_nothing() {
        let far = Polygon::ellipse([-500.0, 1e7], [30.0, 30.0]);
        let counts = coverage(&[
            far,
            Polygon::default(),
            Polygon::new(vec![[1.0, 1.0], [9.0, 9.0]]),
        ]);
        assert_eq!(counts.iter().sum::<u32>(), 0);
    }
}
