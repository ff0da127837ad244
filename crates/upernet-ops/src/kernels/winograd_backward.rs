//! Gradient of a 3 x 3 convolution's weights, by the same minimal filtering as the convolution.
//!
//! The convolution is `y = A^T (U . V) A` tile by tile, with `U = G g G^T` and `V = B^T x B`. So the
//! gradient of `U` at each of the 36 points is `V^T M` with `M = A dy A^T`, a product summed over all
//! tiles; and that of the weights is `G^T dU G`. It costs 4 times fewer multiplications than the
//! definition. The gradient of the input is a convolution again ([`WinogradWeights::backward`]).
//!
//! [`WinogradWeights::backward`]: super::winograd::WinogradWeights::backward

use rayon::{
    iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{
    conv_weights::TAPS,
    map::MapSize,
    rows::RowsMut,
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, prefetch, store},
    transposed::AddTransposedProduct,
    winograd::{AHEAD, IN, OUT, POINTS, Planes, TileGrid, transform_block},
};

/// Values that the transforms of a block of tiles may take: more tiles mean fewer passes over the
/// gradients at the points.
const BLOCK_VALUES: usize = 16 << 20;
/// Fewest tiles of a block, however many channels there are.
const MIN_TILES: usize = 64;
/// Outputs whose weights are transformed back together: a vector of the widest instruction set.
const LANES: usize = 16;

/// Computes the gradient of weights `[out, in, 3, 3]`, given the input `x`, `[N, H, W, in]`, and the
/// gradient of the output, `[N, H, W, out]`.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn weight_gradient(
    x: &[f32],
    size: MapSize,
    gradient: &[f32],
    [outputs, inputs]: [usize; 2],
    weights: &mut [f32],
) {
    assert_eq!(x.len(), size.pixels() * inputs, "input of another size");
    assert_eq!(
        gradient.len(),
        size.pixels() * outputs,
        "gradient of another size"
    );
    assert_eq!(
        weights.len(),
        outputs * inputs * TAPS,
        "not the weights of a 3 x 3 convolution"
    );
    let grid = TileGrid::new(size);
    let tiles = grid.len();
    let most = BLOCK_VALUES / (POINTS * (inputs + outputs).max(1));
    let blocks = tiles.div_ceil(most.max(MIN_TILES)).max(1);
    let most = tiles.div_ceil(blocks);
    let (planes, gradient_planes) = (Planes::new(most, inputs), Planes::new(most, outputs));
    let points = POINTS * inputs * outputs;
    with_scratch(points + planes.len() + gradient_planes.len(), |scratch| {
        let (points, scratch) = scratch.split_at_mut(points);
        let (transformed, gradients) = scratch.split_at_mut(planes.len());
        points
            .par_chunks_mut(inputs.max(1) * outputs.max(1))
            .for_each(|point| point.fill(0.0));
        for block in 0..blocks {
            let start = block * tiles / blocks;
            let count = (block + 1) * tiles / blocks - start;
            transform_block(x, grid, start, count, inputs, planes, transformed);
            transform_gradients(
                gradient,
                grid,
                start..start + count,
                outputs,
                gradient_planes,
                gradients,
            );
            let work = points
                .par_chunks_mut(inputs.max(1) * outputs.max(1))
                .enumerate();
            work.for_each(|(point, sums)| {
                simd::dispatch(AddTransposedProduct {
                    a: planes.rows(transformed, point, count),
                    b: gradient_planes.rows(gradients, point, count),
                    out: RowsMut::dense(sums, outputs),
                });
            });
        }
        let rows = weights.par_chunks_mut((LANES * inputs * TAPS).max(1));
        rows.enumerate().for_each(|(index, weights)| {
            simd::dispatch(TransformBack {
                points,
                channels: [outputs, inputs],
                first: index * LANES,
                weights,
            });
        });
    });
}

fn transform_gradients(
    gradient: &[f32],
    grid: TileGrid,
    tiles: std::ops::Range<usize>,
    channels: usize,
    planes: Planes,
    transformed: &mut [f32],
) {
    let parts =
        RowsMut::new(transformed, planes.plane, POINTS, planes.plane).split_columns(planes.row);
    let parts = parts.into_par_iter().take(tiles.len()).enumerate();
    parts.for_each(|(tile, out)| {
        simd::dispatch(TransformGradient {
            gradient,
            pixels: grid.outputs(tiles.start + tile),
            channels,
            out,
        });
    });
}

/// A dy A^T of one tile, for all channels.
struct TransformGradient<'a> {
    gradient: &'a [f32],
    pixels: [Option<usize>; OUT * OUT],
    channels: usize,
    /// One row a point.
    out: RowsMut<'a>,
}

impl WithSimd for TransformGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut channel = 0;
        while channel < self.channels {
            let length = S::F32_LANES.min(self.channels - channel);
            let [c0, c1, c2, c3] = [
                self.column(simd, channel, length, 0),
                self.column(simd, channel, length, 1),
                self.column(simd, channel, length, 2),
                self.column(simd, channel, length, 3),
            ];
            for row in 0..IN {
                let values = [c0[row], c1[row], c2[row], c3[row]];
                for (column, value) in gradient_points(simd, values).into_iter().enumerate() {
                    let out = self.out.row(row * IN + column, channel, length);
                    store(simd, out, value);
                }
            }
            channel += length;
        }
    }
}

impl TransformGradient<'_> {
    /// A of one column of the tile.
    #[inline(always)]
    fn column<S: Simd>(&self, simd: S, channel: usize, length: usize, x: usize) -> [S::f32s; IN] {
        let mut values = [simd.splat_f32s(0.0); OUT];
        for (y, value) in values.iter_mut().enumerate() {
            if let Some(pixel) = self.pixels[y * OUT + x] {
                let cells = &self.gradient[pixel * self.channels + channel..];
                prefetch(cells.as_ptr().wrapping_add(AHEAD));
                *value = load(simd, &cells[..length]);
            }
        }
        gradient_points(simd, values)
    }
}

/// A of one axis: the transpose of what makes outputs of the points.
#[inline(always)]
fn gradient_points<S: Simd>(simd: S, [y0, y1, y2, y3]: [S::f32s; OUT]) -> [S::f32s; IN] {
    let [two, four] = [2.0, 4.0].map(|value| simd.splat_f32s(value));
    let (even, odd) = (simd.add_f32s(y0, y2), simd.add_f32s(y1, y3));
    // y0 + 4 y2, and 2 y1 + 8 y3.
    let wide_even = simd.mul_add_e_f32s(four, y2, y0);
    let wide_odd = simd.mul_f32s(two, simd.mul_add_e_f32s(four, y3, y1));
    [
        y0,
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        simd.add_f32s(wide_even, wide_odd),
        simd.sub_f32s(wide_even, wide_odd),
        y3,
    ]
}

/// G^T dU G for up to [`LANES`] outputs and all inputs.
struct TransformBack<'a> {
    /// `[36, inputs, outputs]`.
    points: &'a [f32],
    /// Outputs and inputs.
    channels: [usize; 2],
    /// The first of the outputs.
    first: usize,
    /// `[LANES, inputs, 3, 3]`, or fewer outputs.
    weights: &'a mut [f32],
}

impl WithSimd for TransformBack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [outputs, inputs] = self.channels;
        let count = LANES.min(outputs - self.first);
        for input in 0..inputs {
            let mut start = 0;
            while start < count {
                let length = S::F32_LANES.min(count - start);
                let from = input * outputs + self.first + start;
                let mut taps = [[0.0_f32; LANES]; TAPS];
                let [c0, c1, c2, c3, c4, c5] = [
                    self.column(simd, from, length, 0),
                    self.column(simd, from, length, 1),
                    self.column(simd, from, length, 2),
                    self.column(simd, from, length, 3),
                    self.column(simd, from, length, 4),
                    self.column(simd, from, length, 5),
                ];
                for row in 0..3 {
                    let values = [c0[row], c1[row], c2[row], c3[row], c4[row], c5[row]];
                    for (column, value) in weight_taps(simd, values).into_iter().enumerate() {
                        store(simd, &mut taps[3 * row + column][..length], value);
                    }
                }
                for lane in 0..length {
                    let at = ((start + lane) * inputs + input) * TAPS;
                    for (weight, tap) in self.weights[at..][..TAPS].iter_mut().zip(&taps) {
                        *weight = tap[lane];
                    }
                }
                start += length;
            }
        }
    }
}

impl TransformBack<'_> {
    /// G^T of one column of the points.
    #[inline(always)]
    fn column<S: Simd>(&self, simd: S, from: usize, length: usize, x: usize) -> [S::f32s; 3] {
        let [outputs, inputs] = self.channels;
        let mut values = [simd.splat_f32s(0.0); IN];
        for (y, value) in values.iter_mut().enumerate() {
            let point = (y * IN + x) * inputs * outputs;
            *value = load(simd, &self.points[point + from..][..length]);
        }
        weight_taps(simd, values)
    }
}

/// G^T of one axis: the transpose of what makes points of the weights.
#[inline(always)]
fn weight_taps<S: Simd>(simd: S, [p0, p1, p2, p3, p4, p5]: [S::f32s; IN]) -> [S::f32s; 3] {
    let [quarter, sixth, twelfth] =
        [1.0 / 4.0, 1.0 / 6.0, 1.0 / 12.0].map(|value| simd.splat_f32s(value));
    let (near, far) = (simd.add_f32s(p1, p2), simd.add_f32s(p3, p4));
    let (near_odd, far_odd) = (simd.sub_f32s(p2, p1), simd.sub_f32s(p3, p4));
    // (far / 4 - near) / 6 + p0 / 4.
    let first = simd.sub_f32s(simd.mul_f32s(quarter, far), near);
    let last = simd.sub_f32s(far, near);
    [
        simd.mul_add_e_f32s(sixth, first, simd.mul_f32s(quarter, p0)),
        simd.mul_add_e_f32s(sixth, near_odd, simd.mul_f32s(twelfth, far_odd)),
        simd.mul_add_e_f32s(sixth, last, p5),
    ]
}
