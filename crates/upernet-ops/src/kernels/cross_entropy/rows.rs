//! The rows of one band, pixel by pixel.

use super::{Band, IGNORED, spread::SpreadRow};
use crate::kernels::{
    math::exp_f32s,
    resize::Tap,
    simd::{Simd, WithSimd, load, store},
};

/// Below every logit, so that a lane that is no class has the probability 0.
const NO_CLASS: f32 = -1e30;

/// Working memory and result of a band.
pub(super) struct BandRows<'a, 'b> {
    pub(super) band: &'b Band<'a>,
    /// The first source row of the band.
    pub(super) first: usize,
    /// Classes, filled up to whole vectors.
    pub(super) padded: usize,
    /// A row between two source rows, `[w, padded]`.
    pub(super) logits: &'b mut [f32],
    /// Its gradient.
    pub(super) slopes: &'b mut [f32],
    /// The logits of one pixel, then their exponentials.
    pub(super) pixel: &'b mut [f32],
    /// What all classes of a row have in common, if labels are smoothed.
    pub(super) spread: Option<SpreadRow<'a>>,
    /// `[source rows, w, classes]`.
    pub(super) gradient: &'b mut [f32],
}

impl WithSimd for BandRows<'_, '_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> f64 {
        let mut loss = 0.0;
        let [height, width] = self.band.given.to;
        for row in self.band.labelled.clone() {
            let tap = self.band.rows[row];
            self.mix_rows(tap);
            self.slopes.fill(0.0);
            if let Some(spread) = &mut self.spread {
                spread.begin(self.logits, self.padded);
            }
            let labels = (self.band.image * height + row) * width;
            let labels = &self.band.given.labels[labels..][..width];
            for (column, &label) in labels.iter().enumerate() {
                if label != IGNORED {
                    loss += self.pixel(simd, column, label as usize);
                }
            }
            if let Some(spread) = &self.spread {
                spread.finish(self.band.scale, self.slopes, self.padded);
            }
            self.give_back(tap);
        }
        loss
    }
}

impl BandRows<'_, '_> {
    /// Interpolates a row of logits between two source rows.
    #[inline(always)]
    fn mix_rows(&mut self, tap: Tap) {
        let given = self.band.given;
        let line = given.from.width * given.classes;
        let start = self.band.image * given.from.height * line;
        let low = &given.logits[start + tap.low * line..][..line];
        let high = &given.logits[start + tap.high * line..][..line];
        let pixels = low
            .chunks_exact(given.classes)
            .zip(high.chunks_exact(given.classes));
        for ((low, high), cells) in pixels.zip(self.logits.chunks_exact_mut(self.padded)) {
            let (cells, rest) = cells.split_at_mut(given.classes);
            for ((low, high), cell) in low.iter().zip(high).zip(cells) {
                *cell = low + (high - low) * tap.fraction;
            }
            rest.fill(NO_CLASS);
        }
    }

    /// The loss of one pixel; its gradient is added to the row's.
    #[inline(always)]
    fn pixel<S: Simd>(&mut self, simd: S, column: usize, label: usize) -> f64 {
        let (tap, padded) = (self.band.columns[column], self.padded);
        let lanes = S::F32_LANES;
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

        let target = self.band.given.targets.own(label);
        let mut loss = f64::from(target * (sum.ln() - own));
        let mut asked = target;
        if let Some(spread) = &mut self.spread {
            loss += spread.pixel(tap, f64::from(most) + f64::from(sum.ln()));
            asked += spread.total();
        }

        // (probability * what is asked in all - what is asked of the label) * scale, shared out
        // between the two source columns.
        let (weight, scale) = (target * self.band.scale, asked * self.band.scale);
        let factor = simd.splat_f32s(scale / sum);
        let (to_high, to_low) = (tap.fraction, 1.0 - tap.fraction);
        for (column, share) in [(tap.low, to_low), (tap.high, to_high)] {
            let share_of = simd.mul_f32s(factor, simd.splat_f32s(share));
            let slopes = &mut self.slopes[column * padded..][..padded];
            for start in (0..padded).step_by(lanes) {
                let own = &mut slopes[start..];
                let value = load(simd, &self.pixel[start..]);
                store(
                    simd,
                    own,
                    simd.mul_add_e_f32s(value, share_of, load(simd, own)),
                );
            }
            slopes[label] -= weight * share;
        }
        loss
    }

    /// Shares a row's gradient out between its two source rows.
    #[inline(always)]
    fn give_back(&mut self, tap: Tap) {
        let (classes, line) = (
            self.band.given.classes,
            self.band.given.from.width * self.band.given.classes,
        );
        for (row, share) in [(tap.low, 1.0 - tap.fraction), (tap.high, tap.fraction)] {
            let gradient = &mut self.gradient[(row - self.first) * line..][..line];
            let pixels = gradient.chunks_exact_mut(classes);
            for (gradient, slopes) in pixels.zip(self.slopes.chunks_exact(self.padded)) {
                for (sum, slope) in gradient.iter_mut().zip(slopes) {
                    *sum += share * slope;
                }
            }
        }
    }
}
