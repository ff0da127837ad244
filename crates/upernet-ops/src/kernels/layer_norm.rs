//! Layer normalisation of rows, over their channels.
//!
//! Source: Ba et al., *Layer Normalization* (2016), <https://arxiv.org/abs/1607.06450>.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

use super::simd::{self, Simd, WithSimd, load, store};

/// Values of the rows that one task normalises: enough that handing it over costs nothing.
const TASK_VALUES: usize = 1 << 14;

/// The weights of a normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerNorm<'a> {
    /// One value for each channel.
    pub(crate) scale: &'a [f32],
    /// One value for each channel.
    pub(crate) shift: &'a [f32],
    /// Added to the variance.
    pub(crate) epsilon: f32,
}

/// Normalises every row of `x`, as many values as there are scales, on all threads of the pool.
///
/// # Panics
///
/// Panics if the sizes do not fit each other.
pub(crate) fn layer_norm(x: &[f32], norm: LayerNorm<'_>, out: &mut [f32]) {
    let channels = norm.scale.len();
    if channels == 0 {
        assert!(
            x.is_empty() && out.is_empty(),
            "rows of no channels hold no values"
        );
        return;
    }
    assert_eq!(x.len(), out.len(), "the result has another size");
    let task = TASK_VALUES.div_ceil(channels) * channels;
    let tasks = x.par_chunks(task).zip(out.par_chunks_mut(task));
    tasks.for_each(|(x, out)| simd::dispatch(Rows { x, norm, out }));
}

/// Normalises one row.
///
/// # Panics
///
/// Panics if the row, the weights and the result have different lengths.
#[inline(always)]
pub(crate) fn layer_norm_row<S: Simd>(simd: S, x: &[f32], norm: LayerNorm<'_>, out: &mut [f32]) {
    assert_eq!(
        [norm.scale.len(), norm.shift.len(), out.len()],
        [x.len(); 3]
    );
    let moments = Moments::of_row(simd, x, norm.epsilon);
    for start in (0..x.len()).step_by(S::F32_LANES) {
        let value = moments.normalise(simd, load(simd, &x[start..]), norm, start);
        store(simd, &mut out[start..], value);
    }
}

/// Normalises one row where it lies.
///
/// # Panics
///
/// Panics if the row and the weights have different lengths.
#[inline(always)]
pub(crate) fn layer_norm_row_in_place<S: Simd>(simd: S, row: &mut [f32], norm: LayerNorm<'_>) {
    assert_eq!([norm.scale.len(), norm.shift.len()], [row.len(); 2]);
    let moments = Moments::of_row(simd, row, norm.epsilon);
    for start in (0..row.len()).step_by(S::F32_LANES) {
        let value = moments.normalise(simd, load(simd, &row[start..]), norm, start);
        store(simd, &mut row[start..], value);
    }
}

/// Adds one row, normalised, to another: `to += norm(x)`.
///
/// # Panics
///
/// Panics if the rows and the weights have different lengths.
#[inline(always)]
pub(crate) fn add_layer_norm_row<S: Simd>(simd: S, x: &[f32], norm: LayerNorm<'_>, to: &mut [f32]) {
    assert_eq!([norm.scale.len(), norm.shift.len(), to.len()], [x.len(); 3]);
    let moments = Moments::of_row(simd, x, norm.epsilon);
    for start in (0..x.len()).step_by(S::F32_LANES) {
        let value = moments.normalise(simd, load(simd, &x[start..]), norm, start);
        let sum = simd.add_f32s(load(simd, &to[start..]), value);
        store(simd, &mut to[start..], sum);
    }
}

/// Some rows as a kernel of its own.
struct Rows<'a> {
    x: &'a [f32],
    norm: LayerNorm<'a>,
    out: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.norm.scale.len();
        let rows = self
            .x
            .chunks_exact(channels)
            .zip(self.out.chunks_exact_mut(channels));
        rows.for_each(|(x, out)| layer_norm_row(simd, x, self.norm, out));
    }
}

/// What a row is normalised by, in every lane.
#[derive(Clone, Copy)]
struct Moments<S: Simd> {
    mean: S::f32s,
    /// One over the standard deviation.
    inverse_deviation: S::f32s,
}

impl<S: Simd> Moments<S> {
    /// In two passes: the mean of the squares minus the square of the mean would lose every digit
    /// of a row whose mean is large.
    #[inline(always)]
    fn of_row(simd: S, row: &[f32], epsilon: f32) -> Self {
        let count = row.len() as f32;
        let zero = simd.splat_f32s(0.0);
        let sum = sum_over(simd, row, |x, sum| simd.add_f32s(x, sum), zero);
        let mean = simd.splat_f32s(sum / count);
        let square = |x, sum| {
            let difference = simd.sub_f32s(x, mean);
            simd.mul_add_e_f32s(difference, difference, sum)
        };
        // Filled with the mean, the lanes past the end of the row add nothing.
        let variance = sum_over(simd, row, square, mean) / count;
        let inverse_deviation = simd.splat_f32s(1.0 / (variance + epsilon).sqrt());
        Self {
            mean,
            inverse_deviation,
        }
    }

    #[inline(always)]
    fn normalise(self, simd: S, x: S::f32s, norm: LayerNorm<'_>, start: usize) -> S::f32s {
        let centred = simd.sub_f32s(x, self.mean);
        let normal = simd.mul_f32s(centred, self.inverse_deviation);
        let scale = load(simd, &norm.scale[start..]);
        simd.mul_add_e_f32s(normal, scale, load(simd, &norm.shift[start..]))
    }
}

/// Adds up the vectors of a row, in four chains; the last one is completed by `fill`.
#[inline(always)]
fn sum_over<S: Simd>(
    simd: S,
    row: &[f32],
    add: impl Fn(S::f32s, S::f32s) -> S::f32s,
    fill: S::f32s,
) -> f32 {
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (vectors, tail) = S::as_simd_f32s(row);
    let quads = vectors.chunks_exact(4);
    for &x in quads.remainder() {
        sums[0] = add(x, sums[0]);
    }
    for quad in quads {
        for (sum, &x) in sums.iter_mut().zip(quad) {
            *sum = add(x, *sum);
        }
    }
    if !tail.is_empty() {
        #[expect(clippy::cast_possible_truncation, reason = "a vector has a few lanes")]
        let lanes = tail.len() as u32;
        let inside = simd.mask_between_m32s(0, lanes).mask();
        let x = simd.select_f32s(inside, simd.partial_load_f32s(tail), fill);
        sums[1] = add(x, sums[1]);
    }
    let low = simd.add_f32s(sums[0], sums[1]);
    let high = simd.add_f32s(sums[2], sums[3]);
    simd.reduce_sum_f32s(simd.add_f32s(low, high))
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the reference is computed in f64"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::test_support::{max_difference, noise, on_every_arch};

    /// In `f64`, value by value.
    fn reference(x: &[f32], norm: LayerNorm<'_>) -> Vec<f32> {
        let channels = norm.scale.len();
        let row = |row: &[f32]| {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let mean = row.iter().sum::<f64>() / channels as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels as f64;
            let deviation = (variance + f64::from(norm.epsilon)).sqrt();
            let affine = norm.scale.iter().zip(norm.shift);
            let value = |(&x, (&a, &b)): (&f64, (&f32, &f32))| {
                ((x - mean) / deviation * f64::from(a) + f64::from(b)) as f32
            };
            row.iter().zip(affine).map(value).collect::<Vec<f32>>()
        };
        x.chunks_exact(channels).flat_map(row).collect()
    }

    proptest! {
        #[test]
        fn rows_are_normalised(
            rows in 1_usize..9,
            channels in 2_usize..200,
            offset in -30.0_f32..30.0,
            seed in any::<u64>(),
        ) {
            let x: Vec<f32> = noise(rows * channels, seed).iter().map(|x| x + offset).collect();
            let scale = noise(channels, seed ^ 1);
            let shift = noise(channels, seed ^ 2);
            let norm = LayerNorm { scale: &scale, shift: &shift, epsilon: 1e-5 };
            let expected = reference(&x, norm);
            // The mean of 200 values near 30 is known to 30 * 2^-24 * a few; two values that are
            // close together magnify that by up to 1 / sqrt(epsilon), hence the tolerance.
            let tolerance = 1e-5 + offset.abs() * 3e-5;
            on_every_arch(|arch| {
                let mut out = vec![f32::NAN; x.len()];
                arch.dispatch(Rows { x: &x, norm, out: &mut out });
                let difference = max_difference(&out, &expected);
                assert!(difference < tolerance, "{arch:?}: {difference:e}");
            });
            let mut out = vec![f32::NAN; x.len()];
            layer_norm(&x, norm, &mut out);
            prop_assert!(max_difference(&out, &expected) < tolerance);
        }
    }

    #[test]
    fn large_mean_keeps_its_digits() {
        let x: Vec<f32> = (0..96_u8)
            .map(|index| 4096.0 + f32::from(index) / 4.0)
            .collect();
        let norm = LayerNorm {
            scale: &[1.0; 96],
            shift: &[0.0; 96],
            epsilon: 1e-6,
        };
        let mut out = vec![0.0; 96];
        layer_norm(&x, norm, &mut out);
        assert!(max_difference(&out, &reference(&x, norm)) < 1e-4, "{out:?}");
    }

    #[test]
    fn adding_is_normalising_and_adding() {
        struct Add<'a>(&'a [f32], LayerNorm<'a>, &'a mut [f32]);
        impl WithSimd for Add<'_> {
            type Output = ();
            fn with_simd<S: Simd>(self, simd: S) {
                add_layer_norm_row(simd, self.0, self.1, self.2);
            }
        }
        let (x, to) = (noise(37, 1), noise(37, 4));
        let (scale, shift) = (noise(37, 2), noise(37, 3));
        let norm = LayerNorm {
            scale: &scale,
            shift: &shift,
            epsilon: 1e-5,
        };
        let expected: Vec<f32> = reference(&x, norm)
            .iter()
            .zip(&to)
            .map(|(a, b)| a + b)
            .collect();
        on_every_arch(|arch| {
            let mut to = to.clone();
            arch.dispatch(Add(&x, norm, &mut to));
            assert!(max_difference(&to, &expected) < 1e-5, "{arch:?}");
        });
    }

    #[test]
    fn in_place_is_the_same() {
        struct InPlace<'a>(&'a mut [f32], LayerNorm<'a>);
        impl WithSimd for InPlace<'_> {
            type Output = ();
            fn with_simd<S: Simd>(self, simd: S) {
                layer_norm_row_in_place(simd, self.0, self.1);
            }
        }
        let (x, scale, shift) = (noise(37, 1), noise(37, 2), noise(37, 3));
        let norm = LayerNorm {
            scale: &scale,
            shift: &shift,
            epsilon: 1e-5,
        };
        let mut out = vec![0.0; 37];
        on_every_arch(|arch| {
            let mut row = x.clone();
            arch.dispatch(InPlace(&mut row, norm));
            assert!(
                max_difference(&row, &reference(&x, norm)) < 1e-5,
                "{arch:?}"
            );
        });
        layer_norm(&x, norm, &mut out);
        assert!(max_difference(&out, &reference(&x, norm)) < 1e-5);
    }
}
