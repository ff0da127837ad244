//! Gradients of a layer normalisation.

use super::{
    layer_norm::LayerNorm,
    simd::{self, Simd, WithSimd, load, store},
    sum_rows::sum_rows,
};

/// Computes the gradient of `x`, `[rows, channels]`, into `of_x`, given that of the output; returns
/// those of scale and shift.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn layer_norm_backward(
    x: &[f32],
    norm: LayerNorm<'_>,
    gradient: &[f32],
    of_x: &mut [f32],
) -> [Vec<f32>; 2] {
    let channels = norm.scale.len();
    assert_eq!(
        [gradient.len(), of_x.len()],
        [x.len(); 2],
        "gradients of another size"
    );
    let rows = x.len() / channels;
    let mut sums = sum_rows(rows, 2 * channels, of_x, |range, of_x, sums| {
        let range = range.start * channels..range.end * channels;
        simd::dispatch(Backward {
            x: &x[range.clone()],
            norm,
            gradient: &gradient[range],
            of_x,
            sums,
        });
    });
    let of_shift = sums.split_off(channels);
    [sums, of_shift]
}

struct Backward<'a> {
    x: &'a [f32],
    norm: LayerNorm<'a>,
    gradient: &'a [f32],
    of_x: &'a mut [f32],
    /// Of scales, then of shifts.
    sums: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.norm.scale.len();
        let (of_scale, of_shift) = self.sums.split_at_mut(channels);
        let rows = self.x.chunks_exact(channels);
        let rows = rows.zip(self.gradient.chunks_exact(channels));
        for ((x, gradient), of_x) in rows.zip(self.of_x.chunks_exact_mut(channels)) {
            row(
                simd,
                x,
                self.norm,
                gradient,
                of_x,
                [&mut *of_scale, &mut *of_shift],
            );
        }
    }
}

/// One row: `(g - mean(g) - y * mean(g * y)) / deviation` for `g = gradient * scale` and the
/// normalised row `y`.
#[inline(always)]
fn row<S: Simd>(
    simd: S,
    x: &[f32],
    norm: LayerNorm<'_>,
    gradient: &[f32],
    of_x: &mut [f32],
    [of_scale, of_shift]: [&mut [f32]; 2],
) {
    let (channels, lanes) = (x.len(), S::F32_LANES);
    let zero = simd.splat_f32s(0.0);
    let mut sum = zero;
    for x in x.chunks(lanes) {
        sum = simd.add_f32s(sum, load(simd, x));
    }
    let count = channels as f32;
    let mean = simd.reduce_sum_f32s(sum) / count;
    let mut squares = 0.0;
    let whole = channels / lanes * lanes;
    let mut sum = zero;
    for x in x[..whole].chunks(lanes) {
        let centred = simd.sub_f32s(load(simd, x), simd.splat_f32s(mean));
        sum = simd.mul_add_e_f32s(centred, centred, sum);
    }
    for x in &x[whole..] {
        squares += (x - mean) * (x - mean);
    }
    let variance = (simd.reduce_sum_f32s(sum) + squares) / count;
    let inverse = 1.0 / (variance + norm.epsilon).sqrt();

    let (centre, scale) = (simd.splat_f32s(mean), simd.splat_f32s(inverse));
    let (mut plain, mut along) = (zero, zero);
    for start in (0..channels).step_by(lanes) {
        let length = lanes.min(channels - start);
        let given = load(simd, &gradient[start..][..length]);
        let y = simd.mul_f32s(
            simd.sub_f32s(load(simd, &x[start..][..length]), centre),
            scale,
        );
        let own = &mut of_shift[start..][..length];
        store(simd, own, simd.add_f32s(load(simd, own), given));
        let own = &mut of_scale[start..][..length];
        store(simd, own, simd.mul_add_e_f32s(given, y, load(simd, own)));
        // Lanes past the end have a gradient of 0.
        let given = simd.mul_f32s(given, load(simd, &norm.scale[start..][..length]));
        plain = simd.add_f32s(plain, given);
        along = simd.mul_add_e_f32s(given, y, along);
    }
    let plain = simd.splat_f32s(simd.reduce_sum_f32s(plain) / count);
    let along = simd.splat_f32s(simd.reduce_sum_f32s(along) / count);
    for start in (0..channels).step_by(lanes) {
        let length = lanes.min(channels - start);
        let given = load(simd, &gradient[start..][..length]);
        let given = simd.mul_f32s(given, load(simd, &norm.scale[start..][..length]));
        let y = simd.mul_f32s(
            simd.sub_f32s(load(simd, &x[start..][..length]), centre),
            scale,
        );
        let value = simd.sub_f32s(simd.sub_f32s(given, plain), simd.mul_f32s(along, y));
        store(
            simd,
            &mut of_x[start..][..length],
            simd.mul_f32s(value, scale),
        );
    }
}
