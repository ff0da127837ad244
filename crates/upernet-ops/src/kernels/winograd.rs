//! 3 x 3 convolution by Winograd's minimal filtering, F(4 x 4, 3 x 3).
//!
//! Source: Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks* (2016), section 4.
//! A tile of 4 x 4 outputs costs 36 products for each pair of channels where the definition has 144.
//! Stride 1, zero padding 1; maps of any size: tiles that reach past the border read zeros there, and
//! what they compute past it is dropped.

use rayon::{
    iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

use super::{
    conv_weights::{ConvWeights, TAPS},
    gemm::{Epilogue, matmul_tile},
    map::MapSize,
    packed::{PackedMatrix, panel_width},
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, prefetch, store},
    transposed::odd_lines,
};

/// Outputs of a tile along one axis.
pub(super) const OUT: usize = 4;
/// Inputs of a tile along one axis.
pub(super) const IN: usize = 6;
/// Products of a tile for a pair of channels.
pub(super) const POINTS: usize = IN * IN;
/// Tiles that are transformed before they are multiplied: their transforms stay in the last-level
/// cache, and the weights are read once for all of them.
const BLOCK_TILES: usize = 128;

/// How many values before their use they are fetched: 36 streams are more than the hardware follows.
pub(super) const AHEAD: usize = 32;

/// The weights of a 3 x 3 convolution at the 36 points, 4 times their original size.
#[derive(Clone, Debug)]
pub(crate) struct WinogradWeights {
    /// One matrix `[in, out]` a point.
    points: Vec<PackedMatrix>,
}

impl WinogradWeights {
    /// Transforms weights `[out, in, 3, 3]`.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` of them.
    pub(crate) fn new(weights: &[f32], channels: [usize; 2]) -> Self {
        Self::transform(ConvWeights::forward(weights, channels))
    }

    /// Transforms weights `[out, in, 3, 3]` for the convolution that turns the gradient of the output
    /// into that of the input: channels exchanged, kernel rotated by half a turn.
    ///
    /// # Panics
    ///
    /// Panics if there are not `out * in * 9` of them.
    pub(crate) fn backward(weights: &[f32], channels: [usize; 2]) -> Self {
        Self::transform(ConvWeights::backward(weights, channels))
    }

    fn transform(weights: ConvWeights<'_>) -> Self {
        let (inputs, outputs) = (weights.inputs(), weights.outputs());
        let points = (0..POINTS).into_par_iter();
        let mut points: Vec<_> = points
            .map(|_| PackedMatrix::zeros(inputs, outputs))
            .collect();
        let mut panels = points.iter_mut().map(|point| point.panels_mut(1));
        let mut panels: [_; POINTS] = std::array::from_fn(|_| {
            let panels = panels.next().expect("there are 36 points");
            panels.into_iter()
        });
        let jobs: Vec<[&mut [f32]; POINTS]> = (0..outputs.div_ceil(panel_width()))
            .map(|_| {
                let panels = panels.each_mut();
                panels.map(|panel| panel.next().expect("every point has as many panels"))
            })
            .collect();
        jobs.into_par_iter()
            .enumerate()
            .for_each(|(panel, points)| {
                let width = panel_width();
                let first = panel * width;
                with_scratch(TAPS * width, |taps| {
                    simd::dispatch(TransformWeights {
                        weights,
                        first,
                        taps,
                        points,
                    });
                });
            });
        Self { points }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.points[0].k()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.points[0].n()
    }

    /// Bytes of the transformed weights.
    pub(crate) fn bytes(&self) -> usize {
        self.points.iter().map(PackedMatrix::bytes).sum()
    }
}

/// G g G^T for one panel of outputs and all inputs.
struct TransformWeights<'a> {
    weights: ConvWeights<'a>,
    /// The first output of the panel.
    first: usize,
    /// `[9, panel width]`.
    taps: &'a mut [f32],
    /// The panel at each point, `[inputs, panel width]`.
    points: [&'a mut [f32]; POINTS],
}

impl WithSimd for TransformWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let width = panel_width();
        for input in 0..self.weights.inputs() {
            self.weights.gather(input, self.first, width, self.taps);
            let mut start = 0;
            while start < width {
                self.vector(simd, start, input * width + start);
                start += S::F32_LANES;
            }
        }
    }
}

impl TransformWeights<'_> {
    /// The outputs from `start` on, to position `to` of every point.
    #[inline(always)]
    fn vector<S: Simd>(&mut self, simd: S, start: usize, to: usize) {
        let [c0, c1, c2] = [
            self.column(simd, start, 0),
            self.column(simd, start, 1),
            self.column(simd, start, 2),
        ];
        for row in 0..IN {
            let values = weight_points(simd, [c0[row], c1[row], c2[row]]);
            for (column, value) in values.into_iter().enumerate() {
                store(simd, &mut self.points[row * IN + column][to..], value);
            }
        }
    }

    /// G of one column of the kernel.
    #[inline(always)]
    fn column<S: Simd>(&self, simd: S, start: usize, x: usize) -> [S::f32s; IN] {
        let width = panel_width();
        let mut values = [simd.splat_f32s(0.0); 3];
        for (y, value) in values.iter_mut().enumerate() {
            let tap = 3 * y + x;
            let tap = if self.weights.is_backward() {
                TAPS - 1 - tap
            } else {
                tap
            };
            *value = load(simd, &self.taps[tap * width + start..]);
        }
        weight_points(simd, values)
    }
}

/// G of one axis: the kernel at the six points 0, 1, -1, 2, -2 and infinity.
#[inline(always)]
fn weight_points<S: Simd>(simd: S, [g0, g1, g2]: [S::f32s; 3]) -> [S::f32s; IN] {
    let [quarter, sixth, twelfth] =
        [1.0 / 4.0, 1.0 / 6.0, 1.0 / 12.0].map(|value| simd.splat_f32s(value));
    let outer = simd.mul_f32s(simd.add_f32s(g0, g2), simd.splat_f32s(-1.0 / 6.0));
    let middle = simd.mul_f32s(sixth, g1);
    // g0 / 24 + g2 / 6, and g1 / 12.
    let even = simd.mul_f32s(sixth, simd.mul_add_e_f32s(quarter, g0, g2));
    let odd = simd.mul_f32s(twelfth, g1);
    [
        simd.mul_f32s(quarter, g0),
        simd.sub_f32s(outer, middle),
        simd.add_f32s(outer, middle),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        g2,
    ]
}

/// `out = epilogue(conv3x3(x))` for `x` of `[N, H, W, in]` and `out` of `[N, H, W, out]`.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn winograd(
    x: &[f32],
    size: MapSize,
    weights: &WinogradWeights,
    epilogue: Epilogue<'_>,
    out: &mut [f32],
) {
    let (inputs, outputs) = (weights.inputs(), weights.outputs());
    assert_eq!(x.len(), size.pixels() * inputs, "input of another size");
    assert_eq!(out.len(), size.pixels() * outputs, "output of another size");
    if out.is_empty() {
        return;
    }
    let grid = TileGrid::new(size);
    let tiles = grid.len();
    let blocks = tiles.div_ceil(BLOCK_TILES);
    let most = tiles.div_ceil(blocks);
    let (planes, product_planes) = (Planes::new(most, inputs), Planes::new(most, outputs));
    with_scratch(planes.len() + product_planes.len(), |scratch| {
        let (transformed, products) = scratch.split_at_mut(planes.len());
        for block in 0..blocks {
            let start = block * tiles / blocks;
            let count = (block + 1) * tiles / blocks - start;
            transform_block(x, grid, start, count, inputs, planes, transformed);
            multiply_block(
                transformed,
                count,
                planes,
                weights,
                products,
                product_planes,
            );
            let store = |first, epilogue, out| StoreTiles {
                grid,
                start,
                count,
                products,
                planes: product_planes,
                first,
                epilogue,
                out,
            };
            let columns = outputs
                .div_ceil(2 * rayon::current_num_threads())
                .next_multiple_of(16);
            let parts = RowsMut::dense(out, outputs).split_columns(columns);
            parts.into_par_iter().enumerate().for_each(|(index, out)| {
                let first = index * columns;
                simd::dispatch(store(first, epilogue.skip_columns(first), out));
            });
        }
    });
}

/// The tiles of a batch of maps, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileGrid {
    size: MapSize,
    rows: usize,
    columns: usize,
}

impl TileGrid {
    pub(crate) fn new(size: MapSize) -> Self {
        Self {
            size,
            rows: size.height.div_ceil(OUT),
            columns: size.width.div_ceil(OUT),
        }
    }

    pub(crate) fn len(self) -> usize {
        self.size.batch * self.rows * self.columns
    }

    /// Image, and row and column of the first output, of a tile.
    fn origin(self, tile: usize) -> [usize; 3] {
        let (tile, column) = (tile / self.columns, tile % self.columns);
        [tile / self.rows, tile % self.rows * OUT, column * OUT]
    }

    /// Where the `IN * IN` input pixels of a tile are; none past the border.
    fn inputs(self, tile: usize) -> [Option<usize>; POINTS] {
        let [image, row, column] = self.origin(tile);
        std::array::from_fn(|point| {
            // One pixel of padding: unsigned wrap-around makes a row above the map too large.
            let y = (row + point / IN).wrapping_sub(1);
            let x = (column + point % IN).wrapping_sub(1);
            self.size.pixel(image, y, x)
        })
    }

    /// Where the `OUT * OUT` outputs of a tile are; none past the border.
    pub(super) fn outputs(self, tile: usize) -> [Option<usize>; OUT * OUT] {
        let [image, row, column] = self.origin(tile);
        std::array::from_fn(|cell| {
            self.size
                .pixel(image, row + cell / OUT, column + cell % OUT)
        })
    }
}

/// How the transforms of a block of tiles lie in memory: 36 planes of `[tile, channel]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes {
    pub(super) row: usize,
    pub(super) plane: usize,
}

impl Planes {
    /// Rows and planes are an odd number of cache lines apart, or they would compete for the same
    /// few places of the cache.
    pub(super) fn new(tiles: usize, channels: usize) -> Self {
        let row = odd_lines(channels);
        Self {
            row,
            plane: odd_lines(tiles * row),
        }
    }

    pub(super) fn len(self) -> usize {
        POINTS * self.plane
    }

    /// The transforms of `count` tiles at one point.
    pub(super) fn rows(self, planes: &[f32], point: usize, count: usize) -> Rows<'_> {
        Rows {
            values: &planes[point * self.plane..][..self.plane],
            stride: self.row,
            count,
        }
    }
}

pub(super) fn transform_block(
    x: &[f32],
    grid: TileGrid,
    start: usize,
    count: usize,
    channels: usize,
    planes: Planes,
    transformed: &mut [f32],
) {
    let parts =
        RowsMut::new(transformed, planes.plane, POINTS, planes.plane).split_columns(planes.row);
    parts
        .into_par_iter()
        .take(count)
        .enumerate()
        .for_each(|(tile, out)| {
            let pixels = grid.inputs(start + tile);
            simd::dispatch(TransformTile {
                x,
                pixels,
                channels,
                out,
            });
        });
}

/// B^T d B of one tile, for all channels.
struct TransformTile<'a> {
    x: &'a [f32],
    pixels: [Option<usize>; POINTS],
    channels: usize,
    /// One row a point.
    out: RowsMut<'a>,
}

impl WithSimd for TransformTile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut channel = 0;
        while channel < self.channels {
            let length = S::F32_LANES.min(self.channels - channel);
            let [c0, c1, c2, c3, c4, c5] = [
                self.column(simd, channel, length, 0),
                self.column(simd, channel, length, 1),
                self.column(simd, channel, length, 2),
                self.column(simd, channel, length, 3),
                self.column(simd, channel, length, 4),
                self.column(simd, channel, length, 5),
            ];
            for row in 0..IN {
                let values = [c0[row], c1[row], c2[row], c3[row], c4[row], c5[row]];
                for (column, value) in input_points(simd, values).into_iter().enumerate() {
                    store(
                        simd,
                        self.out.row(row * IN + column, channel, length),
                        value,
                    );
                }
            }
            channel += length;
        }
    }
}

impl TransformTile<'_> {
    /// B^T of one column of the tile.
    #[inline(always)]
    fn column<S: Simd>(&self, simd: S, channel: usize, length: usize, x: usize) -> [S::f32s; IN] {
        let mut values = [simd.splat_f32s(0.0); IN];
        for (y, value) in values.iter_mut().enumerate() {
            if let Some(pixel) = self.pixels[y * IN + x] {
                let cells = &self.x[pixel * self.channels + channel..];
                prefetch(cells.as_ptr().wrapping_add(AHEAD));
                *value = load(simd, &cells[..length]);
            }
        }
        input_points(simd, values)
    }
}

/// B^T of one axis.
#[inline(always)]
fn input_points<S: Simd>(simd: S, [d0, d1, d2, d3, d4, d5]: [S::f32s; IN]) -> [S::f32s; IN] {
    let [two, four, five] = [2.0, 4.0, 5.0].map(|value| simd.splat_f32s(value));
    let fused = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let add = |a, b| simd.add_f32s(a, b);
    let sub = |a, b| simd.sub_f32s(a, b);
    let even = sub(d4, simd.mul_f32s(four, d2));
    let odd = sub(d3, simd.mul_f32s(four, d1));
    let difference = sub(d4, d2);
    let twice = simd.mul_f32s(two, sub(d3, d1));
    [
        fused(four, d0, sub(d4, simd.mul_f32s(five, d2))),
        add(even, odd),
        sub(even, odd),
        add(difference, twice),
        sub(difference, twice),
        fused(four, d1, sub(d5, simd.mul_f32s(five, d3))),
    ]
}

/// The products at all points: 36 independent ones, shared out over the threads.
fn multiply_block(
    transformed: &[f32],
    count: usize,
    planes: Planes,
    weights: &WinogradWeights,
    products: &mut [f32],
    product_planes: Planes,
) {
    let outputs = weights.outputs();
    let work = products
        .par_chunks_exact_mut(product_planes.plane)
        .zip(&weights.points);
    work.enumerate().for_each(|(point, (products, weights))| {
        simd::dispatch(PointProduct {
            tiles: planes.rows(transformed, point, count),
            weights,
            out: RowsMut::new(products, product_planes.row, count, outputs),
        });
    });
}

/// The product at one point.
struct PointProduct<'a> {
    tiles: Rows<'a>,
    weights: &'a PackedMatrix,
    out: RowsMut<'a>,
}

impl WithSimd for PointProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let panels = 0..self.weights.num_panels();
        matmul_tile(
            simd,
            self.tiles,
            self.weights,
            panels,
            Epilogue::default(),
            self.out,
        );
    }
}

/// A^T m A of a block of tiles for some of the channels, and the epilogue.
struct StoreTiles<'a> {
    grid: TileGrid,
    start: usize,
    count: usize,
    products: &'a [f32],
    planes: Planes,
    /// The first of the channels.
    first: usize,
    epilogue: Epilogue<'a>,
    out: RowsMut<'a>,
}

impl WithSimd for StoreTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for tile in 0..self.count {
            let pixels = self.grid.outputs(self.start + tile);
            let mut column = 0;
            while column < self.out.width() {
                self.store(simd, tile, &pixels, column);
                column += S::F32_LANES;
            }
        }
    }
}

impl StoreTiles<'_> {
    /// A^T of one column of a tile.
    #[inline(always)]
    fn column<S: Simd>(
        &self,
        simd: S,
        products: &[f32],
        length: usize,
        x: usize,
    ) -> [S::f32s; OUT] {
        let mut values = [simd.splat_f32s(0.0); IN];
        for (y, value) in values.iter_mut().enumerate() {
            let products = &products[(y * IN + x) * self.planes.plane..];
            prefetch(products.as_ptr().wrapping_add(AHEAD));
            *value = load(simd, &products[..length]);
        }
        output_points(simd, values)
    }

    /// One vector of channels of one tile.
    #[inline(always)]
    fn store<S: Simd>(
        &mut self,
        simd: S,
        tile: usize,
        pixels: &[Option<usize>; OUT * OUT],
        column: usize,
    ) {
        let length = S::F32_LANES.min(self.out.width() - column);
        let products = &self.products[tile * self.planes.row + self.first + column..];
        let [c0, c1, c2, c3, c4, c5] = [
            self.column(simd, products, length, 0),
            self.column(simd, products, length, 1),
            self.column(simd, products, length, 2),
            self.column(simd, products, length, 3),
            self.column(simd, products, length, 4),
            self.column(simd, products, length, 5),
        ];
        for y in 0..OUT {
            let cells = [c0[y], c1[y], c2[y], c3[y], c4[y], c5[y]];
            for (x, value) in output_points(simd, cells).into_iter().enumerate() {
                if let Some(pixel) = pixels[y * OUT + x] {
                    let out = self.out.row(pixel, column, length);
                    store(
                        simd,
                        out,
                        self.epilogue.apply(simd, value, pixel, column, out),
                    );
                }
            }
        }
    }
}

/// A^T of one axis.
#[inline(always)]
fn output_points<S: Simd>(simd: S, [m0, m1, m2, m3, m4, m5]: [S::f32s; IN]) -> [S::f32s; OUT] {
    let [two, four, eight] = [2.0, 4.0, 8.0].map(|value| simd.splat_f32s(value));
    let (sum1, difference1) = (simd.add_f32s(m1, m2), simd.sub_f32s(m1, m2));
    let (sum2, difference2) = (simd.add_f32s(m3, m4), simd.sub_f32s(m3, m4));
    [
        simd.add_f32s(simd.add_f32s(m0, sum1), sum2),
        simd.mul_add_e_f32s(two, difference2, difference1),
        simd.mul_add_e_f32s(four, sum2, sum1),
        simd.add_f32s(simd.mul_add_e_f32s(eight, difference2, difference1), m5),
    ]
}
