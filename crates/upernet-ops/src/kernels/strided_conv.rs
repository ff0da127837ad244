//! Convolution of any odd size and any stride: patches of the map times packed weights.
//!
//! The patches of a tile of outputs are written next to each other by the thread that multiplies them,
//! so that they are in its cache still, and never all at once in memory. Zero padding of half the size.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{
    gemm::{Epilogue, matmul, matmul_tile, tile_rows},
    map::MapSize,
    packed::PackedMatrix,
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd},
};
use crate::bytes::Bytes;

/// What a convolution sees of the map at once, and how far it moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its side, odd.
    pub(crate) size: usize,
    pub(crate) stride: usize,
}

/// The weights of a convolution as one matrix: taps row by row, the inputs of each together.
#[derive(Clone, Debug)]
pub(crate) struct StridedConvWeights {
    inputs: usize,
    window: Window,
    matrix: PackedMatrix,
}

impl StridedConvWeights {
    /// Packs weights `[out, in, size, size]`.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * size * size` of them.
    pub(crate) fn new(weights: &[f32], [outputs, inputs]: [usize; 2], window: Window) -> Self {
        let taps = window.size * window.size;
        assert_eq!(
            weights.len(),
            outputs * inputs * taps,
            "not the weights of a convolution of size {}",
            window.size
        );
        let matrix = PackedMatrix::from_fn(taps * inputs, outputs, |row, output| {
            let (tap, input) = (row / inputs, row % inputs);
            weights[(output * inputs + input) * taps + tap]
        });
        Self {
            inputs,
            window,
            matrix,
        }
    }

    /// The same weights rounded to bfloat16.
    ///
    /// # Panics
    ///
    /// Panics if the processor has no products of bfloat16.
    pub(crate) fn into_bf16(self) -> Self {
        Self {
            matrix: self.matrix.into_bf16(),
            ..self
        }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.matrix.n()
    }

    /// How many outputs a line of `length` pixels gives.
    pub(crate) fn positions(&self, length: usize) -> usize {
        length.div_ceil(self.window.stride)
    }
}

impl Bytes for StridedConvWeights {
    fn bytes(&self) -> usize {
        self.matrix.bytes()
    }
}

/// `out = epilogue(conv(x))` for `x` of `[N, h, w, in]` and `out` of `[N, H, W, out]`.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn strided_conv(
    x: &[f32],
    from: MapSize,
    weights: &StridedConvWeights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let size = [from.height, from.width].map(|length| weights.positions(length));
    let to = MapSize::new(from.batch, size);
    assert_eq!(
        x.len(),
        from.pixels() * weights.inputs(),
        "input of another size"
    );
    assert_eq!(
        out.len(),
        to.pixels() * weights.outputs(),
        "output of another size"
    );
    if out.is_empty() {
        return;
    }
    let patches = Patches {
        x,
        from,
        to,
        inputs: weights.inputs(),
        window: weights.window,
    };
    let (matrix, depth) = (&weights.matrix, weights.matrix.k());
    let threads = rayon::current_num_threads();
    let tile = tile_rows(to.pixels(), threads);
    let out = RowsMut::dense(out, weights.outputs());
    if to.pixels().div_ceil(tile) < threads {
        // Few outputs: the product shares out their channels instead.
        with_scratch(to.pixels() * depth, |rows| {
            patches.gather(0, rows);
            matmul(Rows::dense(rows, depth), matrix, epilogue, out);
        });
        return;
    }
    let parts = out.split_rows(tile).into_par_iter();
    parts.enumerate().for_each(|(index, out)| {
        let (start, count) = (index * tile, out.count());
        with_scratch(count * depth, |rows| {
            patches.gather(start, rows);
            simd::dispatch(Tile {
                rows: Rows::dense(rows, depth),
                matrix,
                epilogue: epilogue.skip_rows(start, count),
                out,
            });
        });
    });
}

/// The product of one tile's patches.
struct Tile<'a> {
    rows: Rows<'a>,
    matrix: &'a PackedMatrix,
    epilogue: Epilogue<'a>,
    out: RowsMut<'a>,
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            rows,
            matrix,
            epilogue,
            out,
        } = self;
        matmul_tile(simd, rows, matrix, 0..matrix.num_panels(), epilogue, out);
    }
}

/// What each output sees.
#[derive(Clone, Copy)]
struct Patches<'a> {
    x: &'a [f32],
    from: MapSize,
    to: MapSize,
    inputs: usize,
    window: Window,
}

impl Patches<'_> {
    /// Writes the patches of the outputs from number `first` on, `[size * size * in]` each; zeros where
    /// they reach past the border.
    fn gather(&self, first: usize, rows: &mut [f32]) {
        let Window { size, .. } = self.window;
        for (index, patch) in rows.chunks_exact_mut(size * size * self.inputs).enumerate() {
            let output = first + index;
            let (line, column) = (output / self.to.width, output % self.to.width);
            let (image, row) = (line / self.to.height, line % self.to.height);
            self.gather_one(image, [row, column], patch);
        }
    }

    #[inline(always)]
    fn gather_one(&self, image: usize, [row, column]: [usize; 2], patch: &mut [f32]) {
        let Self {
            from,
            inputs,
            window: Window { size, stride },
            ..
        } = *self;
        let padding = size / 2;
        // The middle of the window lies in the map, so the part inside is never empty.
        let (middle_y, middle_x) = (row * stride, column * stride);
        let before = padding.saturating_sub(middle_x);
        let end = size.min(from.width + padding - middle_x);
        for (tap, line) in patch.chunks_exact_mut(size * inputs).enumerate() {
            let y = (middle_y + tap).wrapping_sub(padding);
            if y >= from.height {
                line.fill(0.0);
                continue;
            }
            let left = (image * from.height + y) * from.width + middle_x + before - padding;
            line[..before * inputs].fill(0.0);
            line[before * inputs..end * inputs]
                .copy_from_slice(&self.x[left * inputs..][..(end - before) * inputs]);
            line[end * inputs..].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{
        gemm::{Activation, Residual},
        test_support::noise,
    };

    /// The convolution by its definition, in 64 bits.
    fn definition(
        x: &[f32],
        from: MapSize,
        weights: &[f32],
        [outputs, inputs]: [usize; 2],
        Window { size, stride }: Window,
    ) -> Vec<f64> {
        let mut out = Vec::new();
        for image in 0..from.batch {
            for row in (0..from.height).step_by(stride) {
                for column in (0..from.width).step_by(stride) {
                    for output in 0..outputs {
                        let mut sum = 0.0;
                        for (y, x0) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
                            let y_in = (row + y).wrapping_sub(size / 2);
                            let x_in = (column + x0).wrapping_sub(size / 2);
                            let Some(pixel) = from.pixel(image, y_in, x_in) else {
                                continue;
                            };
                            for input in 0..inputs {
                                let place = ((output * inputs + input) * size + y) * size + x0;
                                sum += f64::from(x[pixel * inputs + input])
                                    * f64::from(weights[place]);
                            }
                        }
                        out.push(sum);
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn equals_its_definition(
            batch in 1..3_usize,
            sides in [1..17_usize, 1..17_usize],
            channels in [1..40_usize, 1..9_usize],
            half in 0..4_usize,
            stride in 1..4_usize,
            threads in 1..20_usize,
            relu: bool,
            added in 0..3_usize,
        ) {
            let [outputs, inputs] = channels;
            let window = Window { size: 2 * half + 1, stride };
            let from = MapSize::new(batch, sides);
            let x = noise(from.pixels() * inputs, 1);
            let weights = noise(outputs * inputs * window.size * window.size, 2);
            let expected = definition(&x, from, &weights, channels, window);
            let (bias, residual) = (noise(outputs, 3), noise(expected.len(), 4));
            let mut out = residual.clone();
            let epilogue = Epilogue {
                bias: Some(&bias),
                residual: match added {
                    0 => Residual::None,
                    1 => Residual::Output,
                    _ => Residual::Rows(Rows::dense(&residual, outputs)),
                },
                activation: if relu { Activation::Relu } else { Activation::None },
            };
            let packed = StridedConvWeights::new(&weights, channels, window);
            // Many threads share the channels of few outputs, few threads the outputs.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| {
                strided_conv(&x, from, &packed, epilogue, &mut out);
            });
            for (index, (&actual, sum)) in out.iter().zip(expected).enumerate() {
                let added = if added > 0 { f64::from(residual[index]) } else { 0.0 };
                let sum = sum + f64::from(bias[index % outputs]) + added;
                let expected = if relu { sum.max(0.0) } else { sum };
                prop_assert!(
                    (f64::from(actual) - expected).abs() < 1e-4 * expected.abs().max(1.0),
                    "{} instead of {} at {}", actual, expected, index
                );
            }
        }
    }

    #[test]
    fn an_empty_batch_is_fine() {
        let window = Window { size: 3, stride: 2 };
        let weights = StridedConvWeights::new(&[0.0; 18], [2, 1], window);
        let from = MapSize::new(0, [4, 4]);
        strided_conv(&[], from, &weights, Epilogue::default(), &mut []);
    }

    #[test]
    #[should_panic(expected = "not the weights of a convolution of size 3")]
    fn refuses_weights_of_another_size() {
        let window = Window { size: 3, stride: 2 };
        let _ = StridedConvWeights::new(&[0.0; 4], [2, 2], window);
    }
}
