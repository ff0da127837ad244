//! The gradient of a depthwise convolution's weights.
//!
//! The gradient of the input is a depthwise convolution again, with every kernel turned by half a
//! turn.

use super::{
    map::MapSize,
    simd::{self, Simd, WithSimd, load, store},
    sum_rows::sum_rows,
};

/// The kernels that the gradient of the weights is there for.
pub(crate) const KERNELS: [usize; 3] = [3, 5, 7];

/// Weights `[channels, kernel * kernel]` with every kernel turned by half a turn.
pub(crate) fn turned(weights: &[f32], kernel: usize) -> Vec<f32> {
    let kernels = weights.chunks_exact(kernel * kernel);
    kernels
        .flat_map(|kernel| kernel.iter().rev().copied())
        .collect()
}

/// Computes the gradient of weights `[channels, kernel * kernel]`, given the input and the gradient
/// of the output, `[N, H, W, channels]`.
///
/// # Panics
///
/// Panics if the kernel is not one of [`KERNELS`] or a length does not fit.
pub(crate) fn weight_gradient(
    x: &[f32],
    size: MapSize,
    gradient: &[f32],
    [channels, kernel]: [usize; 2],
    weights: &mut [f32],
) {
    assert!(
        KERNELS.contains(&kernel),
        "no gradient for a kernel that is {kernel} wide"
    );
    let area = kernel * kernel;
    assert_eq!(
        [x.len(), gradient.len(), weights.len()],
        [
            size.pixels() * channels,
            size.pixels() * channels,
            channels * area
        ],
        "a map of another size"
    );
    let rows = size.batch * size.height;
    // [kernel * kernel, channels].
    let sums = sum_rows(rows, area * channels, &mut [], |rows, _, sums| {
        simd::dispatch(RowsOfMaps {
            x,
            size,
            gradient,
            channels,
            kernel,
            rows,
            sums,
        });
    });
    for (channel, weights) in weights.chunks_exact_mut(area).enumerate() {
        for (tap, weight) in weights.iter_mut().enumerate() {
            *weight = sums[tap * channels + channel];
        }
    }
}

/// Some rows of all maps.
struct RowsOfMaps<'a> {
    x: &'a [f32],
    size: MapSize,
    gradient: &'a [f32],
    channels: usize,
    kernel: usize,
    rows: std::ops::Range<usize>,
    /// `[kernel * kernel, channels]`.
    sums: &'a mut [f32],
}

impl WithSimd for RowsOfMaps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for row in self.rows.clone() {
            for kernel_row in 0..self.kernel {
                let y = (row % self.size.height + kernel_row).wrapping_sub(self.kernel / 2);
                if y < self.size.height {
                    let source = row / self.size.height * self.size.height + y;
                    let mut channel = 0;
                    while channel < self.channels {
                        match self.kernel {
                            3 => self.vector::<S, 3>(simd, row, source, kernel_row, channel),
                            5 => self.vector::<S, 5>(simd, row, source, kernel_row, channel),
                            _ => self.vector::<S, 7>(simd, row, source, kernel_row, channel),
                        }
                        channel += S::F32_LANES;
                    }
                }
            }
        }
    }
}

impl RowsOfMaps<'_> {
    /// The taps of one row of the kernel, for one row of the gradient and a vector of channels.
    #[inline(always)]
    fn vector<S: Simd, const K: usize>(
        &mut self,
        simd: S,
        row: usize,
        source: usize,
        kernel_row: usize,
        channel: usize,
    ) {
        let (width, channels) = (self.size.width, self.channels);
        let length = S::F32_LANES.min(channels - channel);
        let line = |row: usize| row * width * channels + channel;
        let (x, gradient) = (&self.x[line(source)..], &self.gradient[line(row)..]);
        let mut sums = [simd.splat_f32s(0.0); K];
        for column in 0..width {
            let given = load(simd, &gradient[column * channels..][..length]);
            for (tap, sum) in sums.iter_mut().enumerate() {
                let from = (column + tap).wrapping_sub(K / 2);
                if from < width {
                    let value = load(simd, &x[from * channels..][..length]);
                    *sum = simd.mul_add_e_f32s(given, value, *sum);
                }
            }
        }
        for (tap, sum) in sums.into_iter().enumerate() {
            let at = (kernel_row * K + tap) * channels + channel;
            let own = &mut self.sums[at..][..length];
            store(simd, own, simd.add_f32s(load(simd, own), sum));
        }
    }
}
