//! Batch normalisation by the statistics of the batch, forward and backward, with a ReLU if wanted.
//!
//! Source: Ioffe and Szegedy, *Batch Normalization* (2015), section 3,
//! <https://arxiv.org/abs/1502.03167>.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

use super::{simd, sum_rows::sum_rows};

/// Values that a thread writes at once.
const CHUNK: usize = 1 << 14;

/// Mean and biased variance of each channel of `x`, `[rows, channels]`.
///
/// In two passes: the mean of the squares minus the square of the mean would lose every digit of a
/// channel whose mean is large.
pub(crate) fn statistics(x: &[f32], channels: usize) -> [Vec<f32>; 2] {
    let rows = x.len() / channels;
    let count = rows as f32;
    let average = |mut sums: Vec<f32>| {
        for sum in &mut sums {
            *sum /= count;
        }
        sums
    };
    let mean = average(sum_rows(rows, channels, &mut [], |range, _, sums| {
        let x = &x[range.start * channels..range.end * channels];
        simd::arch().dispatch(
            #[inline(always)]
            || {
                for row in x.chunks_exact(channels) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            },
        );
    }));
    let variance = average(sum_rows(rows, channels, &mut [], |range, _, sums| {
        let x = &x[range.start * channels..range.end * channels];
        simd::arch().dispatch(
            #[inline(always)]
            || {
                for row in x.chunks_exact(channels) {
                    for ((sum, value), mean) in sums.iter_mut().zip(row).zip(&mean) {
                        let centred = value - mean;
                        *sum += centred * centred;
                    }
                }
            },
        );
    }));
    [mean, variance]
}

/// The normalisation of a batch: `(x - mean) * inverse_deviation * scale + shift` in each channel,
/// and then a ReLU or nothing.
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm {
    pub(crate) mean: Vec<f32>,
    /// `1 / sqrt(variance + epsilon)`.
    pub(crate) inverse_deviation: Vec<f32>,
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) relu: bool,
}

impl BatchNorm {
    /// One factor and one summand for each channel.
    fn factors(&self) -> [Vec<f32>; 2] {
        let factors = self.scale.iter().zip(&self.inverse_deviation);
        let factors: Vec<f32> = factors.map(|(scale, inverse)| scale * inverse).collect();
        let summands = self.shift.iter().zip(&self.mean).zip(&factors);
        let summands = summands.map(|((shift, mean), factor)| shift - mean * factor);
        let summands = summands.collect();
        [factors, summands]
    }

    /// Normalises `x`, `[rows, channels]`.
    ///
    /// # Panics
    ///
    /// Panics if `out` has another length.
    pub(crate) fn forward(&self, x: &[f32], out: &mut [f32]) {
        assert_eq!(x.len(), out.len(), "the output has another size");
        let channels = self.scale.len();
        let [factors, summands] = &self.factors();
        let lowest = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let chunk = CHUNK.next_multiple_of(channels);
        let chunks = x.par_chunks(chunk).zip(out.par_chunks_mut(chunk));
        chunks.for_each(|(x, out)| {
            simd::arch().dispatch(
                #[inline(always)]
                || {
                    let rows = x.chunks_exact(channels).zip(out.chunks_exact_mut(channels));
                    for (x, out) in rows {
                        let values = x.iter().zip(out).zip(factors).zip(summands);
                        for (((x, out), factor), summand) in values {
                            let value = x * factor + summand;
                            *out = if value < lowest { lowest } else { value };
                        }
                    }
                },
            );
        });
    }

    /// Computes the gradient of `x` into `of_x`, given that of the output; returns those of scale and
    /// shift.
    ///
    /// # Panics
    ///
    /// Panics if a length does not fit.
    pub(crate) fn backward(&self, x: &[f32], gradient: &[f32], of_x: &mut [f32]) -> [Vec<f32>; 2] {
        assert_eq!(
            [gradient.len(), of_x.len()],
            [x.len(); 2],
            "gradients of another size"
        );
        let channels = self.scale.len();
        let rows = x.len() / channels;
        let [factors, summands] = &self.factors();
        let lowest = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let sums = sum_rows(rows, 2 * channels, &mut [], |range, _, sums| {
            let range = range.start * channels..range.end * channels;
            let (x, gradient) = (&x[range.clone()], &gradient[range]);
            let (of_shift, of_scale) = sums.split_at_mut(channels);
            simd::arch().dispatch(
                #[inline(always)]
                || {
                    let rows = x
                        .chunks_exact(channels)
                        .zip(gradient.chunks_exact(channels));
                    for (x, gradient) in rows {
                        for channel in 0..channels {
                            let x = x[channel];
                            let passed = x * factors[channel] + summands[channel] > lowest;
                            let gradient = if passed { gradient[channel] } else { 0.0 };
                            of_shift[channel] += gradient;
                            of_scale[channel] += gradient * (x - self.mean[channel]);
                        }
                    }
                },
            );
        });
        let (of_shift, of_scale) = sums.split_at(channels);
        let of_scale = of_scale.iter().zip(&self.inverse_deviation);
        let of_scale: Vec<f32> = of_scale.map(|(sum, inverse)| sum * inverse).collect();

        // factor * (gradient - mean of gradients - normalised * mean of gradient * normalised).
        let count = rows as f32;
        let slopes: Vec<f32> = (0..channels)
            .map(|channel| of_scale[channel] / count * self.inverse_deviation[channel])
            .collect();
        let chunk = CHUNK.next_multiple_of(channels);
        let chunks = x.par_chunks(chunk).zip(gradient.par_chunks(chunk));
        chunks
            .zip(of_x.par_chunks_mut(chunk))
            .for_each(|((x, gradient), of_x)| {
                simd::arch().dispatch(
                    #[inline(always)]
                    || {
                        let rows = x
                            .chunks_exact(channels)
                            .zip(gradient.chunks_exact(channels));
                        for ((x, gradient), of_x) in rows.zip(of_x.chunks_exact_mut(channels)) {
                            for channel in 0..channels {
                                let (x, factor) = (x[channel], factors[channel]);
                                let passed = x * factor + summands[channel] > lowest;
                                let gradient = if passed { gradient[channel] } else { 0.0 };
                                let along = (x - self.mean[channel]) * slopes[channel];
                                of_x[channel] =
                                    factor * (gradient - of_shift[channel] / count - along);
                            }
                        }
                    },
                );
            });
        [of_scale, of_shift.to_vec()]
    }
}
