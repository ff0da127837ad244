//! The rows of one band, pixel by pixel.

use super::{
    Band, IGNORED,
    row::{LogitRow, Softmax},
    spread::Common,
    targets::Slope,
};
use crate::kernels::{
    resize::Tap,
    simd::{Simd, WithSimd, load, store},
};

/// Working memory and result of a band.
pub(super) struct BandRows<'a, 'b, C> {
    pub(super) band: &'b Band<'a>,
    /// The first source row of the band.
    pub(super) first: usize,
    /// The row at work.
    pub(super) row: LogitRow<'b>,
    /// Its gradient, `[w, padded]`.
    pub(super) slopes: &'b mut [f32],
    pub(super) common: C,
    /// `[source rows, w, classes]`.
    pub(super) gradient: &'b mut [f32],
}

impl<C: Common> WithSimd for BandRows<'_, '_, C> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> f64 {
        let mut loss = 0.0;
        let [height, width] = self.band.given.to;
        let source = self.band.given.image(self.band.image);
        let asked = self.band.targets.own();
        for row in self.band.labelled.clone() {
            let tap = self.band.rows[row];
            self.row.mix(source, tap);
            self.slopes.fill(0.0);
            let labels = (self.band.image * height + row) * width;
            let labels = &self.band.given.labels[labels..][..width];
            for (column, &label) in labels.iter().enumerate() {
                if label == IGNORED {
                    continue;
                }
                let column = self.band.columns[column];
                let Softmax { own, most, sum } = self.pixel(simd, column, label as usize);
                let log = sum.ln();
                loss += f64::from(asked[label as usize] * (log - own));
                let normaliser = f64::from(most) + f64::from(log);
                loss += self.common.pixel(tap, column, normaliser);
            }
            self.give_back(tap);
        }
        self.common.finish(self.band.scale, self.gradient);
        loss
    }
}

impl<C> BandRows<'_, '_, C> {
    /// The softmax of one pixel; the gradient of its loss is added to the row's, but for what labels have
    /// in common.
    #[inline(always)]
    fn pixel<S: Simd>(&mut self, simd: S, tap: Tap, label: usize) -> Softmax {
        let softmax = self.row.softmax(simd, tap, label);
        let Slope {
            label: at_label,
            all,
        } = self.band.slopes[label];
        let factor = simd.splat_f32s(all / softmax.sum);
        let (to_high, to_low) = (tap.fraction, 1.0 - tap.fraction);
        let exponentials = self.row.pixel();
        let (padded, lanes) = (exponentials.len(), S::F32_LANES);
        for (column, share) in [(tap.low, to_low), (tap.high, to_high)] {
            let share_of = simd.mul_f32s(factor, simd.splat_f32s(share));
            let slopes = &mut self.slopes[column * padded..][..padded];
            for start in (0..padded).step_by(lanes) {
                let own = &mut slopes[start..];
                let value = load(simd, &exponentials[start..]);
                store(
                    simd,
                    own,
                    simd.mul_add_e_f32s(value, share_of, load(simd, own)),
                );
            }
            slopes[label] -= at_label * share;
        }
        softmax
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
            for (gradient, slopes) in pixels.zip(self.slopes.chunks_exact(self.row.pixel().len())) {
                for (sum, slope) in gradient.iter_mut().zip(slopes) {
                    *sum += share * slope;
                }
            }
        }
    }
}
