//! The rows of one band, pixel by pixel.

use super::{
    Band, IGNORED,
    row::{LogitRow, Softmax},
    spread::SpreadRow,
};
use crate::kernels::{
    resize::Tap,
    simd::{Simd, WithSimd, load, store},
};

/// Working memory and result of a band.
pub(super) struct BandRows<'a, 'b> {
    pub(super) band: &'b Band<'a>,
    /// The first source row of the band.
    pub(super) first: usize,
    /// The row at work.
    pub(super) row: LogitRow<'b>,
    /// Its gradient, `[w, padded]`.
    pub(super) slopes: &'b mut [f32],
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
        let source = self.band.given.image(self.band.image);
        for row in self.band.labelled.clone() {
            let tap = self.band.rows[row];
            self.row.mix(source, tap);
            self.slopes.fill(0.0);
            if let Some(spread) = &mut self.spread {
                spread.begin(self.row.logits());
            }
            let labels = (self.band.image * height + row) * width;
            let labels = &self.band.given.labels[labels..][..width];
            for (column, &label) in labels.iter().enumerate() {
                if label != IGNORED {
                    loss += self.pixel(simd, column, label as usize);
                }
            }
            if let Some(spread) = &self.spread {
                spread.finish(self.band.scale, self.slopes);
            }
            self.give_back(tap);
        }
        loss
    }
}

impl BandRows<'_, '_> {
    /// The loss of one pixel; its gradient is added to the row's.
    #[inline(always)]
    fn pixel<S: Simd>(&mut self, simd: S, column: usize, label: usize) -> f64 {
        let tap = self.band.columns[column];
        let Softmax { own, most, sum } = self.row.softmax(simd, tap, label);

        let target = self.band.targets.own(label);
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
        let exponentials = self.row.pixel();
        let (padded, lanes) = (exponentials.len(), S::F32_LANES);
        let (to_high, to_low) = (tap.fraction, 1.0 - tap.fraction);
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
            for (gradient, slopes) in pixels.zip(self.slopes.chunks_exact(self.row.pixel().len())) {
                for (sum, slope) in gradient.iter_mut().zip(slopes) {
                    *sum += share * slope;
                }
            }
        }
    }
}
