//! The part of a smoothed label that is the same for all labels.
//!
//! It is linear in the logits apart from their normaliser, as interpolation is: so the logits are summed
//! once for each source pixel, and a pixel takes its shares of four sums instead of visiting its
//! classes again. Likewise its gradient.

use std::ops::RangeInclusive;

use super::{Labelled, Targets};
use crate::kernels::resize::Tap;

/// What all labels of a band have in common.
pub(super) trait Common {
    /// The loss of one pixel, given the logarithm of the sum of its exponentials.
    fn pixel(&mut self, row: Tap, column: Tap, normaliser: f64) -> f64;

    /// Adds its part to the gradient of the band's source rows, `[rows, w, classes]`.
    fn finish(&self, scale: f32, gradient: &mut [f32]);
}

/// Labels that are not smoothed have nothing in common. Their loop is compiled by itself: with a branch
/// in it, few classes would take a tenth longer.
pub(super) struct Nothing;

impl Common for Nothing {
    fn pixel(&mut self, _: Tap, _: Tap, _: f64) -> f64 {
        0.0
    }

    fn finish(&self, _: f32, _: &mut [f32]) {}
}

/// The source rows of a band, `[rows, w]`.
pub(super) struct Spread<'a> {
    targets: &'a Targets,
    first: usize,
    width: usize,
    /// Of each source pixel, the logits weighted by what is asked of their classes.
    sums: Vec<f64>,
    /// How many pixels read each source pixel, in shares.
    shares: Vec<f32>,
}

impl<'a> Spread<'a> {
    /// Takes up some source rows of an image.
    pub(super) fn new(
        given: Labelled<'_>,
        targets: &'a Targets,
        image: usize,
        rows: RangeInclusive<usize>,
    ) -> Self {
        let width = given.from.width;
        let (first, pixels) = (*rows.start(), rows.count() * width);
        let logits = &given.image(image)[first * width * given.classes..];
        let logits = logits.chunks_exact(given.classes).take(pixels);
        Self {
            targets,
            first,
            width,
            sums: logits.map(|logits| dot(logits, targets.spread())).collect(),
            shares: vec![0.0; pixels],
        }
    }
}

impl Common for Spread<'_> {
    fn pixel(&mut self, row: Tap, column: Tap, normaliser: f64) -> f64 {
        let mut sum = 0.0;
        for (row, height) in [(row.low, 1.0 - row.fraction), (row.high, row.fraction)] {
            let line = (row - self.first) * self.width;
            for (column, width) in [
                (column.low, 1.0 - column.fraction),
                (column.high, column.fraction),
            ] {
                let share = height * width;
                self.shares[line + column] += share;
                sum += f64::from(share) * self.sums[line + column];
            }
        }
        f64::from(self.targets.spread_total()) * normaliser - sum
    }

    fn finish(&self, scale: f32, gradient: &mut [f32]) {
        let asked = self.targets.spread();
        let pixels = gradient.chunks_exact_mut(asked.len());
        for (share, slopes) in self.shares.iter().zip(pixels) {
            let share = share * scale;
            for (slope, asked) in slopes.iter_mut().zip(asked) {
                *slope -= share * asked;
            }
        }
    }
}

/// In `f64`: large logits cancel against their normaliser. In lanes, for vectors.
fn dot(logits: &[f32], asked: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0_f64; LANES];
    for (logits, asked) in logits.chunks(LANES).zip(asked.chunks(LANES)) {
        for ((sum, &logit), &asked) in sums.iter_mut().zip(logits).zip(asked) {
            *sum += f64::from(logit) * f64::from(asked);
        }
    }
    sums.iter().sum()
}
