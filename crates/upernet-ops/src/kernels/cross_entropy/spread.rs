//! The part of a smoothed label that is the same for all labels.
//!
//! It is linear in the logits apart from their normaliser, as interpolation is: so it is summed once
//! for each source column of a row, and a pixel takes its share of two sums instead of visiting its
//! classes again. Likewise its gradient.

use super::Targets;
use crate::kernels::resize::Tap;

/// The state of one row between two source rows.
pub(super) struct SpreadRow<'a> {
    targets: &'a Targets,
    /// Of each source column, the logits weighted by what is asked of their classes.
    sums: Vec<f64>,
    /// How many pixels read each source column, in shares.
    shares: Vec<f32>,
}

impl<'a> SpreadRow<'a> {
    /// Nothing if labels are not smoothed.
    pub(super) fn new(targets: &'a Targets, columns: usize) -> Option<Self> {
        (!targets.spread().is_empty()).then(|| Self {
            targets,
            sums: vec![0.0; columns],
            shares: vec![0.0; columns],
        })
    }

    /// What is asked of all classes together.
    pub(super) fn total(&self) -> f32 {
        self.targets.spread_total()
    }

    /// Takes up a row of logits, `[w, padded]`.
    pub(super) fn begin(&mut self, logits: &[f32]) {
        let padded = logits.len() / self.sums.len();
        self.shares.fill(0.0);
        for (sum, logits) in self.sums.iter_mut().zip(logits.chunks_exact(padded)) {
            *sum = dot(logits, self.targets.spread());
        }
    }

    /// The loss of one pixel, given the logarithm of the sum of its exponentials.
    pub(super) fn pixel(&mut self, tap: Tap, normaliser: f64) -> f64 {
        self.shares[tap.low] += 1.0 - tap.fraction;
        self.shares[tap.high] += tap.fraction;
        let (low, high) = (self.sums[tap.low], self.sums[tap.high]);
        let sum = low + (high - low) * f64::from(tap.fraction);
        f64::from(self.total()) * normaliser - sum
    }

    /// Adds to the gradient of the row, `[w, padded]`, what its pixels have in common.
    pub(super) fn finish(&self, scale: f32, slopes: &mut [f32]) {
        let padded = slopes.len() / self.shares.len();
        for (share, slopes) in self.shares.iter().zip(slopes.chunks_exact_mut(padded)) {
            for (slope, asked) in slopes.iter_mut().zip(self.targets.spread()) {
                *slope -= share * scale * asked;
            }
        }
    }
}

/// In `f64`: large logits cancel against their normaliser. In lanes, for vectors.
fn dot(logits: &[f32], asked: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0_f64; LANES];
    let logits = &logits[..asked.len()];
    for (logits, asked) in logits.chunks(LANES).zip(asked.chunks(LANES)) {
        for ((sum, &logit), &asked) in sums.iter_mut().zip(logits).zip(asked) {
            *sum += f64::from(logit) * f64::from(asked);
        }
    }
    sums.iter().sum()
}
