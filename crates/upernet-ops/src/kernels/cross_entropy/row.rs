//! A row of logits between two source rows, and the softmax of its pixels.

use super::Labelled;
use crate::kernels::{
    math::exp_f32s,
    resize::Tap,
    simd::{Simd, load, store},
};

/// Below every logit, so that a lane that is no class has the probability 0.
const NO_CLASS: f32 = -1e30;

/// Working memory for one row.
pub(super) struct LogitRow<'a> {
    classes: usize,
    /// Classes, filled up to whole vectors.
    padded: usize,
    /// `[w, padded]`.
    logits: &'a mut [f32],
    /// The logits of one pixel, then their exponentials.
    pixel: &'a mut [f32],
}

/// The probability of a class is `exp(own) / sum`.
pub(super) struct Softmax {
    /// The logit of the label, beside the largest.
    pub(super) own: f32,
    /// The largest logit.
    pub(super) most: f32,
    /// Of the exponentials, beside the largest.
    pub(super) sum: f32,
}

impl<'a> LogitRow<'a> {
    /// How much memory [`new`](Self::new) wants, and how much `[w, padded]` is.
    pub(super) fn lengths(given: Labelled<'_>) -> (usize, usize) {
        let padded = given.classes.next_multiple_of(16);
        let length = given.from.width * padded;
        (length + padded, length)
    }

    pub(super) fn new(given: Labelled<'_>, memory: &'a mut [f32]) -> Self {
        let (length, line) = Self::lengths(given);
        let (logits, pixel) = memory[..length].split_at_mut(line);
        Self {
            classes: given.classes,
            padded: pixel.len(),
            logits,
            pixel,
        }
    }

    /// After [`softmax`](Self::softmax): the exponentials, `[padded]`, 0 past the classes.
    pub(super) fn pixel(&self) -> &[f32] {
        self.pixel
    }

    /// Interpolates between two rows of an image, `[h, w, classes]`.
    #[inline(always)]
    pub(super) fn mix(&mut self, image: &[f32], tap: Tap) {
        let line = self.logits.len() / self.padded * self.classes;
        let (low, high) = (
            &image[tap.low * line..][..line],
            &image[tap.high * line..][..line],
        );
        let pixels = low
            .chunks_exact(self.classes)
            .zip(high.chunks_exact(self.classes));
        for ((low, high), cells) in pixels.zip(self.logits.chunks_exact_mut(self.padded)) {
            let (cells, rest) = cells.split_at_mut(self.classes);
            for ((low, high), cell) in low.iter().zip(high).zip(cells) {
                *cell = low + (high - low) * tap.fraction;
            }
            rest.fill(NO_CLASS);
        }
    }

    /// The softmax of one pixel.
    #[inline(always)]
    pub(super) fn softmax<S: Simd>(&mut self, simd: S, tap: Tap, label: usize) -> Softmax {
        let (padded, lanes) = (self.padded, S::F32_LANES);
        let fraction = simd.splat_f32s(tap.fraction);
        let low = &self.logits[tap.low * padded..][..padded];
        let high = &self.logits[tap.high * padded..][..padded];
        let mut most = simd.splat_f32s(NO_CLASS);
        for start in (0..padded).step_by(lanes) {
            let (low, high) = (load(simd, &low[start..]), load(simd, &high[start..]));
            let value = simd.mul_add_e_f32s(simd.sub_f32s(high, low), fraction, low);
            store(simd, &mut self.pixel[start..], value);
            most = simd.max_f32s(most, value);
        }
        let most = simd.reduce_max_f32s(most);
        let own = self.pixel[label] - most;
        let mut sum = simd.splat_f32s(0.0);
        for start in (0..padded).step_by(lanes) {
            let value = simd.sub_f32s(load(simd, &self.pixel[start..]), simd.splat_f32s(most));
            let value = exp_f32s(simd, value);
            store(simd, &mut self.pixel[start..], value);
            sum = simd.add_f32s(sum, value);
        }
        let sum = simd.reduce_sum_f32s(sum);
        Softmax { own, most, sum }
    }
}
