//! Depthwise convolution: every channel with a kernel of its own.
//!
//! Stride 1, zeros beyond the border, output of the input's size. Vectors run over channels. A
//! strip of output pixels of one row is summed in registers, so that a loaded pixel serves all the
//! outputs that it touches: with a 7 x 7 kernel and strips of 16, 112 multiply-adds for 29 loads.
#![expect(unsafe_code, reason = "the inner loop loads vectors through pointers")]

use std::ops::Range;

use super::{
    map::MapSize,
    packed::AlignedBuffer,
    simd::{Simd, load, store},
};
use crate::bytes::Bytes;

/// The weights of a depthwise convolution, tap by tap.
#[derive(Clone, Debug)]
pub(crate) struct DepthwiseWeights {
    kernel: usize,
    channels: usize,
    /// `[kernel * kernel, channels]`.
    taps: AlignedBuffer,
    /// `[channels]`.
    bias: Vec<f32>,
}

impl DepthwiseWeights {
    /// Lays out `weight`, `[channels, 1, kernel, kernel]` as PyTorch has it, and `bias`,
    /// `[channels]`.
    ///
    /// # Panics
    ///
    /// Panics if the kernel is even or the sizes do not fit each other.
    pub(crate) fn new(kernel: usize, weight: &[f32], bias: Vec<f32>) -> Self {
        assert!(
            kernel % 2 == 1,
            "the kernel is {kernel} wide, but only odd kernels have a centre"
        );
        let (area, channels) = (kernel * kernel, bias.len());
        assert_eq!(
            weight.len(),
            area * channels,
            "weights and bias differ in channels"
        );
        let mut taps = AlignedBuffer::zeros(weight.len());
        for (tap, cells) in taps
            .values_mut()
            .chunks_exact_mut(channels.max(1))
            .enumerate()
        {
            for (channel, cell) in cells.iter_mut().enumerate() {
                *cell = weight[channel * area + tap];
            }
        }
        Self {
            kernel,
            channels,
            taps,
            bias,
        }
    }

    /// Channels of the map.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// The weights of the vector at `channel` for one tap.
    #[inline(always)]
    fn tap(&self, row: usize, column: usize, channel: usize, width: usize) -> &[f32] {
        let start = (row * self.kernel + column) * self.channels + channel;
        &self.taps.values()[start..start + width]
    }
}

impl Bytes for DepthwiseWeights {
    fn bytes(&self) -> usize {
        size_of_val(self.taps.values()) + size_of_val(&self.bias[..])
    }
}

/// Convolves the pixels that fill `out`, from number `first` of all maps on, across the ends of
/// rows and maps; on the calling thread.
///
/// # Panics
///
/// Panics if `x` is not of size `size` or does not have as many pixels.
#[inline(always)]
pub(crate) fn depthwise_pixels<S: Simd>(
    simd: S,
    x: &[f32],
    size: MapSize,
    weights: &DepthwiseWeights,
    first: usize,
    out: &mut [f32],
) {
    let image_length = size.height * size.width * weights.channels;
    let (mut pixel, mut out) = (first, out);
    while !out.is_empty() {
        let (row, column) = (pixel / size.width, pixel % size.width);
        let count = (out.len() / weights.channels).min(size.width - column);
        let (run, rest) = out.split_at_mut(count * weights.channels);
        let row_of = Row {
            image: &x[row / size.height * image_length..][..image_length],
            width: size.width,
            y: row % size.height,
            weights,
        };
        row_of.convolve(simd, column..column + count, run);
        (pixel, out) = (pixel + count, rest);
    }
}

/// Repeats a block for every offset of a strip of 16 and a kernel of 7, each time with a constant:
/// sums stay in registers only if every index is known, and the compiler does not unroll that much.
macro_rules! unrolled {
    ($offset:ident, $block:block) => {
        unrolled!($offset, $block, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21)
    };
    ($offset:ident, $block:block, $($value:literal)+) => {
        $({
            let $offset: usize = $value;
            $block
        })+
    };
}

/// One row of output pixels.
#[derive(Clone, Copy)]
struct Row<'a> {
    /// `[H, W, C]`.
    image: &'a [f32],
    width: usize,
    y: usize,
    weights: &'a DepthwiseWeights,
}

impl Row<'_> {
    #[inline(always)]
    fn convolve<S: Simd>(self, simd: S, columns: Range<usize>, out: &mut [f32]) {
        match self.weights.kernel {
            7 => self.convolve_with::<S, 7>(simd, columns, out),
            5 => self.convolve_with::<S, 5>(simd, columns, out),
            3 => self.convolve_with::<S, 3>(simd, columns, out),
            _ => self.convolve_with::<S, 0>(simd, columns, out),
        }
    }

    /// Strips as long as the registers allow, then shorter ones; `K` is the kernel, 0 if it is
    /// known only now.
    #[inline(always)]
    fn convolve_with<S: Simd, const K: usize>(
        self,
        simd: S,
        mut columns: Range<usize>,
        mut out: &mut [f32],
    ) {
        while !columns.is_empty() {
            let longest = if S::REGISTER_COUNT >= 32 { 16 } else { 8 };
            let count = [16, 8, 4, 2, 1]
                .into_iter()
                .find(|&count| count <= columns.len() && count <= longest)
                .expect("1 fits");
            let (strip, rest) = out.split_at_mut(count * self.weights.channels);
            match count {
                16 => self.strip::<S, K, 16>(simd, columns.start, strip),
                8 => self.strip::<S, K, 8>(simd, columns.start, strip),
                4 => self.strip::<S, K, 4>(simd, columns.start, strip),
                2 => self.strip::<S, K, 2>(simd, columns.start, strip),
                _ => self.strip::<S, K, 1>(simd, columns.start, strip),
            }
            (columns.start, out) = (columns.start + count, rest);
        }
    }

    /// `P` pixels, all channels.
    #[inline(always)]
    fn strip<S: Simd, const K: usize, const P: usize>(
        self,
        simd: S,
        column: usize,
        out: &mut [f32],
    ) {
        let channels = self.weights.channels;
        let width = S::F32_LANES.min(channels);
        for start in (0..channels).step_by(width) {
            // The last vector overlaps the one before rather than being shorter.
            let start = start.min(channels - width);
            let sums = if K == 0 {
                self.sums_of_any_kernel::<S, P>(simd, column, start, width)
            } else if width == S::F32_LANES {
                self.sums::<S, K, P>(simd, column, start, S::F32_LANES)
            } else {
                self.sums::<S, K, P>(simd, column, start, width)
            };
            for (pixel, sum) in sums.into_iter().enumerate() {
                store(simd, &mut out[pixel * channels + start..][..width], sum);
            }
        }
    }

    #[inline(always)]
    fn sums<S: Simd, const K: usize, const P: usize>(
        self,
        simd: S,
        column: usize,
        channel: usize,
        width: usize,
    ) -> [S::f32s; P] {
        let mut sums = [load(simd, &self.weights.bias[channel..][..width]); P];
        let channels = self.weights.channels;
        assert!(channel + width <= channels);
        // Which of the `P + K - 1` input pixels of a row exist, counted from the leftmost.
        let begin = (K / 2).saturating_sub(column);
        let end = (self.width + K / 2 - column).min(P + K - 1);
        let leftmost = (column * channels + channel).wrapping_sub(K / 2 * channels);
        for tap_row in 0..K {
            let Some(row) = self.input_row(tap_row) else {
                continue;
            };
            let mut taps = [simd.splat_f32s(0.0); K];
            for (tap_column, tap) in taps.iter_mut().enumerate() {
                *tap = load(simd, self.weights.tap(tap_row, tap_column, channel, width));
            }
            let mut pixel = row.as_ptr().wrapping_add(leftmost);
            unrolled!(offset, {
                if offset < P + K - 1 && offset >= begin && offset < end {
                    // SAFETY: `begin <= offset < end` puts the pixel's column,
                    // `column + offset - K / 2`, into `0..self.width`; `row` holds `self.width`
                    // pixels of `channels` values, and `channel + width <= channels`.
                    let x = load(simd, unsafe { std::slice::from_raw_parts(pixel, width) });
                    for (tap_column, tap) in taps.into_iter().enumerate() {
                        // The output to which this tap carries the input.
                        if let Some(sum) = sums.get_mut(offset.wrapping_sub(tap_column)) {
                            *sum = simd.mul_add_e_f32s(x, tap, *sum);
                        }
                    }
                }
                pixel = pixel.wrapping_add(channels);
            });
        }
        sums
    }

    #[inline(always)]
    fn sums_of_any_kernel<S: Simd, const P: usize>(
        self,
        simd: S,
        column: usize,
        channel: usize,
        width: usize,
    ) -> [S::f32s; P] {
        let kernel = self.weights.kernel;
        let mut sums = [load(simd, &self.weights.bias[channel..][..width]); P];
        for tap_row in 0..kernel {
            let Some(row) = self.input_row(tap_row) else {
                continue;
            };
            for tap_column in 0..kernel {
                let tap = load(simd, self.weights.tap(tap_row, tap_column, channel, width));
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    if let Some(x) = self.input(row, column + pixel + tap_column, channel, width) {
                        *sum = simd.mul_add_e_f32s(load(simd, x), tap, *sum);
                    }
                }
            }
        }
        sums
    }

    /// The input row under a row of the kernel; none beyond the border.
    #[inline(always)]
    fn input_row(&self, tap_row: usize) -> Option<&[f32]> {
        let y = (self.y + tap_row).checked_sub(self.weights.kernel / 2)?;
        let length = self.width * self.weights.channels;
        self.image.get(y * length..(y + 1) * length)
    }

    /// Some channels of the pixel half a kernel to the left of `column`; none beyond the border.
    #[inline(always)]
    fn input<'r>(
        &self,
        row: &'r [f32],
        column: usize,
        channel: usize,
        width: usize,
    ) -> Option<&'r [f32]> {
        let column = column.checked_sub(self.weights.kernel / 2)?;
        let start = column * self.weights.channels + channel;
        row.get(start..start + width)
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the reference is computed in f64"
)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{
        simd::WithSimd,
        test_support::{max_difference, noise, on_every_arch},
    };

    /// [`depthwise_pixels`] as a kernel of its own.
    pub(crate) struct Run<'a> {
        pub(crate) x: &'a [f32],
        pub(crate) size: MapSize,
        pub(crate) weights: &'a DepthwiseWeights,
        pub(crate) first: usize,
        pub(crate) out: &'a mut [f32],
    }

    impl WithSimd for Run<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            depthwise_pixels(simd, self.x, self.size, self.weights, self.first, self.out);
        }
    }

    /// Value by value, weights as PyTorch has them.
    fn reference(
        x: &[f32],
        size: MapSize,
        kernel: usize,
        weight: &[f32],
        bias: &[f32],
    ) -> Vec<f32> {
        let channels = bias.len();
        let mut out = Vec::with_capacity(x.len());
        for pixel in 0..size.pixels() {
            let (row, column) = (pixel / size.width, pixel % size.width);
            let (image, y) = (row / size.height, row % size.height);
            for (channel, &bias) in bias.iter().enumerate() {
                let mut sum = f64::from(bias);
                for tap in 0..kernel * kernel {
                    let y = (y + tap / kernel).wrapping_sub(kernel / 2);
                    let column = (column + tap % kernel).wrapping_sub(kernel / 2);
                    if let Some(pixel) = size.pixel(image, y, column) {
                        let weight = weight[channel * kernel * kernel + tap];
                        sum += f64::from(weight) * f64::from(x[pixel * channels + channel]);
                    }
                }
                out.push(sum as f32);
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn sums_are_those_of_the_definition(
            batch in 1_usize..3,
            height in 1_usize..10,
            width in prop_oneof![1_usize..4, 4_usize..40],
            channels in prop_oneof![1_usize..8, 8_usize..70],
            half_kernel in 0_usize..6,
            part in any::<proptest::sample::Index>(),
            seed in any::<u64>(),
        ) {
            let kernel = 2 * half_kernel + 1;
            let size = MapSize::new(batch, [height, width]);
            let x = noise(size.pixels() * channels, seed);
            let weight = noise(kernel * kernel * channels, seed ^ 1);
            let bias = noise(channels, seed ^ 2);
            let expected = reference(&x, size, kernel, &weight, &bias);
            let weights = DepthwiseWeights::new(kernel, &weight, bias);
            // At most 121 products of at most 1.
            let tolerance = 2e-5;
            // All pixels, and a run that begins anywhere and ends with the last map.
            let begins = [0, part.index(size.pixels())];
            on_every_arch(|arch| for first in begins {
                let mut out = vec![f32::NAN; x.len() - first * channels];
                let weights = &weights;
                arch.dispatch(Run { x: &x, size, weights, first, out: &mut out });
                let difference = max_difference(&out, &expected[first * channels..]);
                assert!(difference < tolerance, "{arch:?}: {difference:e}");
            });
        }
    }

    #[test]
    #[should_panic(expected = "only odd kernels have a centre")]
    fn even_kernels_are_refused() {
        let _ = DepthwiseWeights::new(2, &[0.0; 4], vec![0.0]);
    }
}
