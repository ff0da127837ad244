//! Global response normalisation of maps, forward and backward.
//!
//! A channel of an image is strong or weak beside the image's other channels; that is what it is
//! multiplied by. For `x` of one image and channel `k`, summed over its pixels `p`:
//!
//! ```text
//! g_k = sqrt(sum over p of x_pk^2)
//! n_k = g_k / (mean over k of g_k + epsilon)
//! y_pk = x_pk * (1 + weight_k * n_k) + bias_k
//! ```
//!
//! Source: Woo et al., *ConvNeXt V2* (2023), section 3.2, <https://arxiv.org/abs/2301.00808>.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

use super::{simd, sum_rows::sum_rows};

/// Added to the mean response, fixed upstream.
pub(crate) const EPSILON: f32 = 1e-6;

/// Values that a thread writes at once.
const CHUNK: usize = 1 << 14;

/// The weights of a normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseNorm<'a> {
    /// One value for each channel.
    pub(crate) weight: &'a [f32],
    /// One value for each channel.
    pub(crate) bias: &'a [f32],
}

/// How strong the channels of one image are.
#[derive(Clone, Debug)]
struct Responses {
    /// `g`.
    norms: Vec<f32>,
    /// What the norms are divided by.
    divisor: f32,
}

impl Responses {
    fn of_squares(squares: &[f32]) -> Self {
        let norms: Vec<f32> = squares.iter().map(|sum| sum.sqrt()).collect();
        let sum: f64 = norms.iter().copied().map(f64::from).sum();
        Self {
            divisor: rounded(sum / norms.len() as f64) + EPSILON,
            norms,
        }
    }

    /// `1 + weight * n`.
    fn factors(&self, weight: &[f32]) -> Vec<f32> {
        let responses = self.norms.iter().map(|norm| norm / self.divisor);
        let factors = responses.zip(weight);
        factors
            .map(|(response, weight)| 1.0 + weight * response)
            .collect()
    }
}

/// What the channels of one image are multiplied by, given the sum of each channel's squares.
pub(crate) fn factors(squares: &[f32], weight: &[f32]) -> Vec<f32> {
    Responses::of_squares(squares).factors(weight)
}

impl ResponseNorm<'_> {
    /// Normalises `x`, images of `pixels` rows, on all threads of the pool.
    ///
    /// # Panics
    ///
    /// Panics if a length does not fit.
    pub(crate) fn forward(&self, x: &[f32], pixels: usize, out: &mut [f32]) {
        let channels = self.check(x, pixels);
        assert_eq!(x.len(), out.len(), "the output has another size");
        if x.is_empty() {
            return;
        }
        let chunk = CHUNK.next_multiple_of(channels);
        let images = x.chunks_exact(pixels * channels);
        for (x, out) in images.zip(out.chunks_exact_mut(pixels * channels)) {
            let factors = &factors(&squares(x, channels), self.weight);
            let chunks = x.par_chunks(chunk).zip(out.par_chunks_mut(chunk));
            chunks.for_each(|(x, out)| {
                simd::arch().dispatch(
                    #[inline(always)]
                    || {
                        let rows = x.chunks_exact(channels).zip(out.chunks_exact_mut(channels));
                        for (x, out) in rows {
                            let values = x.iter().zip(out).zip(factors).zip(self.bias);
                            for (((x, out), factor), bias) in values {
                                *out = x * factor + bias;
                            }
                        }
                    },
                );
            });
        }
    }

    /// Computes the gradient of `x` into `of_x`, given that of the output; returns those of weight
    /// and bias.
    ///
    /// A channel that is zero in every pixel of an image has no slope of its norm there; like
    /// upstream, its gradient comes from the factor alone.
    ///
    /// # Panics
    ///
    /// Panics if a length does not fit.
    pub(crate) fn backward(
        &self,
        x: &[f32],
        pixels: usize,
        gradient: &[f32],
        of_x: &mut [f32],
    ) -> [Vec<f32>; 2] {
        let channels = self.check(x, pixels);
        assert_eq!(
            [gradient.len(), of_x.len()],
            [x.len(); 2],
            "gradients of another size"
        );
        let mut of_weights = [vec![0.0; channels], vec![0.0; channels]];
        if x.is_empty() {
            return of_weights;
        }
        let length = pixels * channels;
        let images = x.chunks_exact(length).zip(gradient.chunks_exact(length));
        for ((x, gradient), of_x) in images.zip(of_x.chunks_exact_mut(length)) {
            self.backward_of_image(x, gradient, of_x, &mut of_weights);
        }
        of_weights
    }

    /// The same for one image; adds to the gradients of weight and bias.
    fn backward_of_image(
        &self,
        x: &[f32],
        gradient: &[f32],
        of_x: &mut [f32],
        [of_weight, of_bias]: &mut [Vec<f32>; 2],
    ) {
        let channels = self.weight.len();
        let sums = sums(x, gradient, channels);
        let [squares, products, totals] =
            [0, 1, 2].map(|index| &sums[index * channels..][..channels]);
        let responses = Responses::of_squares(squares);
        let Responses { norms, divisor } = &responses;
        for channel in 0..channels {
            of_weight[channel] += products[channel] * norms[channel] / divisor;
            of_bias[channel] += totals[channel];
        }
        // A norm pulls on its own response, and through the mean on all others.
        let pulls: Vec<f32> = products
            .iter()
            .zip(self.weight)
            .map(|(product, weight)| product * weight / divisor)
            .collect();
        let pairs = pulls.iter().zip(norms);
        let shared: f64 = pairs
            .map(|(&pull, &norm)| f64::from(pull) * f64::from(norm))
            .sum();
        let shared = rounded(shared / channels as f64) / divisor;
        let slopes = pulls.iter().zip(norms).map(|(pull, &norm)| {
            let is_zero = norm == 0.0;
            if is_zero { 0.0 } else { (pull - shared) / norm }
        });
        let slopes: &Vec<f32> = &slopes.collect();
        let factors = &responses.factors(self.weight);

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
                            let values = x.iter().zip(gradient).zip(of_x);
                            let values = values.zip(factors).zip(slopes);
                            for ((((x, gradient), of_x), factor), slope) in values {
                                *of_x = gradient * factor + x * slope;
                            }
                        }
                    },
                );
            });
    }

    /// Checks lengths; returns the number of channels.
    fn check(&self, x: &[f32], pixels: usize) -> usize {
        let channels = self.weight.len();
        assert_eq!(
            self.bias.len(),
            channels,
            "weight and bias differ in length"
        );
        assert!(
            x.is_empty() || x.len().is_multiple_of(pixels * channels),
            "the map is not images of {pixels} rows of {channels} values"
        );
        channels
    }
}

/// The sum of each channel's squares.
fn squares(x: &[f32], channels: usize) -> Vec<f32> {
    sum_rows(x.len() / channels, channels, &mut [], |range, _, sums| {
        let x = &x[range.start * channels..range.end * channels];
        simd::arch().dispatch(
            #[inline(always)]
            || {
                for row in x.chunks_exact(channels) {
                    for (sum, x) in sums.iter_mut().zip(row) {
                        *sum += x * x;
                    }
                }
            },
        );
    })
}

/// The sums of each channel's squares, of its products with the gradient, and of the gradient.
fn sums(x: &[f32], gradient: &[f32], channels: usize) -> Vec<f32> {
    sum_rows(
        x.len() / channels,
        3 * channels,
        &mut [],
        |range, _, sums| {
            let range = range.start * channels..range.end * channels;
            let (x, gradient) = (&x[range.clone()], &gradient[range]);
            let (squares, rest) = sums.split_at_mut(channels);
            let (products, totals) = rest.split_at_mut(channels);
            simd::arch().dispatch(
                #[inline(always)]
                || {
                    let rows = x
                        .chunks_exact(channels)
                        .zip(gradient.chunks_exact(channels));
                    for (x, gradient) in rows {
                        for channel in 0..channels {
                            let (x, gradient) = (x[channel], gradient[channel]);
                            squares[channel] += x * x;
                            products[channel] += x * gradient;
                            totals[channel] += gradient;
                        }
                    }
                },
            );
        },
    )
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded to f32 once, at the end"
)]
fn rounded(value: f64) -> f32 {
    value as f32
}
