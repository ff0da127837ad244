//! Gradients of a 3 x 3 convolution of a resized map, computed at the size before.
//!
//! The convolution is `y = sum over the taps of shift(U(W_tap x))`. Shifting and interpolating are
//! linear and separable, so what they do backwards is too: the gradient of the output is gathered to
//! the gradient of the products `W_tap x`, first along the rows, then along the columns, for a panel
//! of channels at a time. Two matrix products at the small size do the rest: with the weights for the
//! gradient of `x`, with `x` for the gradient of the weights.

use rayon::{
    iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{
    conv_weights::{ConvWeights, TAPS},
    gemm::{Epilogue, matmul},
    linear_backward::pad_rows,
    map::MapSize,
    packed::{PackedMatrix, panel_width},
    resize::{Tap, taps},
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, store},
    transposed::{add_transposed_product, odd_lines},
};

/// Source pixels whose products are there at once, about: enough that a matrix product pays for the
/// weights' way into the cache, few enough that they stay in the last-level cache.
const GROUP_PIXELS: usize = 1024;

/// The map that a convolution of a resized map read, and the gradient of what came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpsampleGradient<'a> {
    /// `[N, h, w, in]`.
    pub(crate) x: &'a [f32],
    pub(crate) from: MapSize,
    /// `[N, H, W, out]`.
    pub(crate) gradient: &'a [f32],
    pub(crate) to: [usize; 2],
    /// Outputs and inputs.
    pub(crate) channels: [usize; 2],
}

/// The weights, and where their gradient and that of the input go; what is absent is not computed.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Weights `[out, in, 3, 3]`, and the gradient of the input, `[N, h, w, in]`.
    pub(crate) input: Option<(&'a [f32], &'a mut [f32])>,
    /// The gradient of the weights, `[out, in, 3, 3]`.
    pub(crate) weights: Option<&'a mut [f32]>,
}

/// Computes the gradients of [`upsample_conv3x3`](super::upsample_taps::upsample_conv3x3).
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn gradients(given: UpsampleGradient<'_>, mut wanted: Wanted<'_>) {
    let ([outputs, inputs], from) = (given.channels, given.from);
    let to = MapSize::new(from.batch, given.to);
    assert_eq!(
        given.x.len(),
        from.pixels() * inputs,
        "input of another size"
    );
    assert_eq!(
        given.gradient.len(),
        to.pixels() * outputs,
        "gradient of another size"
    );
    let width = panel_width();
    let columns = outputs.next_multiple_of(width) * TAPS;
    let weights = wanted
        .input
        .as_ref()
        .map(|(weights, _)| pack(ConvWeights::backward(weights, given.channels)));
    if let Some((_, x)) = &wanted.input {
        assert_eq!(
            x.len(),
            given.x.len(),
            "gradient of the input of another size"
        );
    }
    let sums = if wanted.weights.is_some() {
        inputs * columns
    } else {
        0
    };
    let plan = &Plan::new(given);
    let (stride, x_stride) = (odd_lines(columns), odd_lines(inputs));
    let most = plan.group * from.width;
    with_scratch(sums + most * (stride + x_stride), |scratch| {
        let (sums, scratch) = scratch.split_at_mut(sums);
        let (products, padded) = scratch.split_at_mut(most * stride);
        sums.fill(0.0);
        for image in 0..from.batch {
            let mut row = 0;
            while row < from.height {
                let count = plan.group.min(from.height - row);
                let pixels = count * from.width;
                let first = (image * from.height + row) * from.width;
                let out = RowsMut::new(products, stride, pixels, columns);
                gather(given, plan, image, row..row + count, out);
                let products = Rows {
                    values: &*products,
                    stride,
                    count: pixels,
                };
                if let (Some(weights), Some((_, x))) = (&weights, &mut wanted.input) {
                    let x = &mut x[first * inputs..][..pixels * inputs];
                    let out = RowsMut::dense(x, inputs);
                    matmul(products, weights, Epilogue::default(), out);
                }
                if wanted.weights.is_some() {
                    let x = &given.x[first * inputs..][..pixels * inputs];
                    let x = pad_rows(x, inputs, x_stride, padded);
                    let out = RowsMut::dense(sums, columns);
                    add_transposed_product(x, products, out);
                }
                row += count;
            }
        }
        if let Some(weights) = wanted.weights {
            unpack(sums, given.channels, weights);
        }
    });
}

/// The weights `[9 * out, in]`, in the order of the gathered products.
fn pack(weights: ConvWeights<'_>) -> PackedMatrix {
    let (outputs, inputs, width) = (weights.inputs(), weights.outputs(), panel_width());
    let mut matrix = PackedMatrix::zeros(outputs.next_multiple_of(width) * TAPS, inputs);
    let panels = matrix.panels_mut(1).into_par_iter().enumerate();
    panels.for_each(|(panel, cells)| {
        with_scratch(TAPS * width, |taps| {
            for output in 0..outputs {
                weights.gather(output, panel * width, width, taps);
                let (group, lane) = (output / width, output % width);
                for (tap, values) in taps.chunks_exact(width).enumerate() {
                    let row = (group * TAPS + tap) * width + lane;
                    cells[row * width..][..width].copy_from_slice(values);
                }
            }
        });
    });
    matrix
}

/// Brings sums `[in, 9 * out]` in the order of the gathered products to `[out, in, 3, 3]`.
fn unpack(sums: &[f32], [outputs, inputs]: [usize; 2], weights: &mut [f32]) {
    assert_eq!(
        weights.len(),
        outputs * inputs * TAPS,
        "not the weights of a 3 x 3 convolution"
    );
    let width = panel_width();
    let columns = outputs.next_multiple_of(width) * TAPS;
    let groups = weights.par_chunks_mut((width * inputs * TAPS).max(1));
    groups.enumerate().for_each(|(group, weights)| {
        for input in 0..inputs {
            let taps = &sums[input * columns + group * TAPS * width..][..TAPS * width];
            let kernels = weights.chunks_exact_mut(inputs * TAPS).enumerate();
            for (lane, kernels) in kernels {
                let kernel = &mut kernels[input * TAPS..][..TAPS];
                for (tap, weight) in kernel.iter_mut().enumerate() {
                    *weight = taps[tap * width + lane];
                }
            }
        }
    });
}

/// A position and its weight.
type Share = (usize, f32);

/// What the two axes have to do with each other backwards, the same for all channels.
struct Plan {
    /// For each source row, and each of three kernel rows, the output rows that read it.
    rows: Vec<[Vec<Share>; 3]>,
    /// The same for columns.
    columns: Vec<[Vec<Share>; 3]>,
    /// Source rows that are gathered at once.
    group: usize,
}

impl Plan {
    fn new(given: UpsampleGradient<'_>) -> Self {
        let (from, [height, width]) = (given.from, given.to);
        let readers = |source, out| readers(source, &taps(source, out));
        Self {
            rows: readers(from.height, height),
            columns: readers(from.width, width),
            group: GROUP_PIXELS.div_ceil(from.width.max(1)).min(from.height),
        }
    }
}

/// Turns the reading of an axis around: who reads each source position through each kernel position.
fn readers(source: usize, taps: &[Tap]) -> Vec<[Vec<Share>; 3]> {
    let mut readers = vec![<[Vec<Share>; 3]>::default(); source];
    for (position, tap) in taps.iter().enumerate() {
        // What lies at a position is read by the outputs below, at and above it.
        for (kernel, output) in (0..3).map(|kernel| (kernel, (position + 1).wrapping_sub(kernel))) {
            if output < taps.len() {
                readers[tap.low][kernel].push((output, 1.0 - tap.fraction));
                if tap.fraction > 0.0 {
                    readers[tap.high][kernel].push((output, tap.fraction));
                }
            }
        }
    }
    readers
}

/// Gathers the gradients of the products of some source rows, for all channels.
fn gather(
    given: UpsampleGradient<'_>,
    plan: &Plan,
    image: usize,
    rows: std::ops::Range<usize>,
    products: RowsMut<'_>,
) {
    let width = panel_width();
    let parts = products.split_columns(TAPS * width).into_par_iter();
    parts.enumerate().for_each(|(panel, out)| {
        with_scratch(3 * given.to[1] * width, |line| {
            simd::dispatch(GatherPanel {
                given,
                plan,
                image,
                rows: rows.clone(),
                first: panel * width,
                line,
                out,
            });
        });
    });
}

/// One panel of channels of some source rows.
struct GatherPanel<'a> {
    given: UpsampleGradient<'a>,
    plan: &'a Plan,
    image: usize,
    rows: std::ops::Range<usize>,
    /// The first of the channels.
    first: usize,
    /// `[3 kernel rows, W, panel width]`.
    line: &'a mut [f32],
    /// `[pixels, 9, panel width]`.
    out: RowsMut<'a>,
}

impl WithSimd for GatherPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for (index, row) in self.rows.clone().enumerate() {
            for kernel in 0..3 {
                self.gather_rows(simd, row, kernel);
            }
            self.gather_columns(simd, index);
        }
    }
}

impl GatherPanel<'_> {
    /// What the output rows give back to a source row through one kernel row.
    #[inline(always)]
    fn gather_rows<S: Simd>(&mut self, simd: S, row: usize, kernel: usize) {
        let ([outputs, _], [height, columns]) = (self.given.channels, self.given.to);
        let width = panel_width();
        let shares = &self.plan.rows[row][kernel];
        let count = width.min(outputs - self.first);
        for x in 0..columns {
            let pixel = self.image * height * columns + x;
            let mut start = 0;
            while start < width {
                let length = S::F32_LANES.min(count.saturating_sub(start));
                let mut sum = simd.splat_f32s(0.0);
                if length > 0 {
                    for &(output, weight) in shares {
                        let at = (pixel + output * columns) * outputs + self.first + start;
                        let value = load(simd, &self.given.gradient[at..][..length]);
                        sum = simd.mul_add_e_f32s(simd.splat_f32s(weight), value, sum);
                    }
                }
                let at = (kernel * columns + x) * width + start;
                store(simd, &mut self.line[at..], sum);
                start += S::F32_LANES;
            }
        }
    }

    /// What the columns of those lines give back to the source columns.
    #[inline(always)]
    fn gather_columns<S: Simd>(&mut self, simd: S, index: usize) {
        let (columns, width) = (self.given.to[1], panel_width());
        for (x, readers) in self.plan.columns.iter().enumerate() {
            let pixel = index * self.plan.columns.len() + x;
            for kernel_row in 0..3 {
                let line = &self.line[kernel_row * columns * width..][..columns * width];
                for (kernel, shares) in readers.iter().enumerate() {
                    let out = self
                        .out
                        .row(pixel, (3 * kernel_row + kernel) * width, width);
                    let mut start = 0;
                    while start < width {
                        let mut sum = simd.splat_f32s(0.0);
                        for &(output, weight) in shares {
                            let value = load(simd, &line[output * width + start..]);
                            sum = simd.mul_add_e_f32s(simd.splat_f32s(weight), value, sum);
                        }
                        store(simd, &mut out[start..], sum);
                        start += S::F32_LANES;
                    }
                }
            }
        }
    }
}
