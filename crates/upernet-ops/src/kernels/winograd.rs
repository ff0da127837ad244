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
    gemm::{Epilogue, matmul_tile},
    map::MapSize,
    packed::PackedMatrix,
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd::{self, Simd, WithSimd, load, prefetch, store},
};

mod grid;
mod weights;

pub(crate) use grid::{Planes, TileGrid};
pub(crate) use weights::WinogradWeights;

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
