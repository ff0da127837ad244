//! The matrix product: rows of a map times packed weights.
//!
//! Source of the blocking: Goto and van de Geijn, *Anatomy of High-Performance Matrix
//! Multiplication* (2008). A block of the result, `MR` rows by one panel, stays in registers while
//! the sum runs over `KC` rows of the panel; the panel's block stays in the second-level cache while
//! it meets all rows of the tile.
#![expect(unsafe_code, reason = "the inner loop loads vectors through pointers")]

use std::ops::Range;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{
    bf16,
    packed::PackedMatrix,
    rows::{Rows, RowsMut},
    simd::{self, Simd, WithSimd, load, prefetch, store},
};

/// How much of the sum is done before the partial result goes back to memory.
const KC: usize = 512;
/// Most rows of a tile: with `KC`, what is read of the left-hand side fits the second-level cache.
const MAX_TILE_ROWS: usize = 112;

/// What is done to a sum before it is stored: `activation(sum + bias + residual)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Epilogue<'a> {
    /// One value for each column.
    pub(crate) bias: Option<&'a [f32]>,
    /// A matrix of the result's size.
    pub(crate) residual: Residual<'a>,
    pub(crate) activation: Activation,
}

/// What is added to the result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Residual<'a> {
    #[default]
    None,
    /// Another matrix.
    Rows(Rows<'a>),
    /// What the output holds already.
    Output,
}

/// A function of every value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Activation {
    /// The value itself.
    #[default]
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` times the normal distribution's cumulative function, exact.
    Gelu,
}

/// `out = epilogue(a * b)`, on all threads of the pool.
///
/// # Panics
///
/// Panics if the sizes do not fit each other.
pub(crate) fn matmul(a: Rows<'_>, b: &PackedMatrix, epilogue: Epilogue<'_>, out: RowsMut<'_>) {
    let threads = rayon::current_num_threads();
    let rows = a.count;
    let tile = tile_rows(rows, threads);
    if rows.div_ceil(tile) >= threads {
        let parts = out.split_rows(tile).into_par_iter();
        parts.enumerate().for_each(|(index, part)| {
            let start = index * tile;
            let a = a.skip(start, part.count());
            let epilogue = epilogue.skip_rows(start, part.count());
            simd::dispatch(Tile {
                a,
                b,
                panels: 0..b.num_panels(),
                epilogue,
                out: part,
            });
        });
        return;
    }
    // Few rows: the threads share the columns instead.
    let panels = b.num_panels().div_ceil(2 * threads).max(1);
    let columns = panels * b.panel_width();
    let parts = out.split_columns(columns).into_par_iter();
    parts.enumerate().for_each(|(index, part)| {
        let start = index * panels;
        let panels = start..(start + panels).min(b.num_panels());
        let epilogue = epilogue.skip_columns(index * columns);
        simd::dispatch(Tile {
            a,
            b,
            panels,
            epilogue,
            out: part,
        });
    });
}

/// Rows of a tile so that every thread gets as many tiles as any other.
pub(crate) fn tile_rows(rows: usize, threads: usize) -> usize {
    let rounds = rows.div_ceil(threads * MAX_TILE_ROWS).max(1);
    rows.div_ceil(threads * rounds)
        .next_multiple_of(14)
        .min(MAX_TILE_ROWS)
}

/// One tile as a kernel of its own.
struct Tile<'a> {
    a: Rows<'a>,
    b: &'a PackedMatrix,
    panels: Range<usize>,
    epilogue: Epilogue<'a>,
    out: RowsMut<'a>,
}

impl WithSimd for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        multiply(simd, self);
    }
}

/// [`matmul`] on the calling thread and for some of the panels; column 0 of `out` and of the
/// epilogue is the first column of the first panel.
pub(crate) fn matmul_tile<S: Simd>(
    simd: S,
    a: Rows<'_>,
    b: &PackedMatrix,
    panels: Range<usize>,
    epilogue: Epilogue<'_>,
    out: RowsMut<'_>,
) {
    // A function of its own for each instruction set, not a copy in each of the kernels.
    simd.vectorize(Tile {
        a,
        b,
        panels,
        epilogue,
        out,
    });
}

#[inline(always)]
fn multiply<S: Simd>(simd: S, tile: Tile<'_>) {
    let Tile {
        a,
        b,
        panels,
        epilogue,
        mut out,
    } = tile;
    let width = b.panel_width();
    let columns = (panels.end * width).min(b.n()) - panels.start * width;
    assert!(
        a.holds(b.k()),
        "the left-hand side is too short for {} columns",
        b.k()
    );
    assert_eq!(
        [out.count(), out.width()],
        [a.count, columns],
        "the result has another size"
    );
    if let Some(rounded) = b.bf16() {
        return bf16::matmul_tile(a, rounded, panels, epilogue, out);
    }
    let (onto, epilogue) = epilogue.take_output();
    let blocks = b.k().div_ceil(KC).max(1);
    for block in 0..blocks {
        let depth = block * b.k() / blocks..(block + 1) * b.k() / blocks;
        let last = block + 1 == blocks;
        for panel in panels.clone() {
            let column = (panel - panels.start) * width;
            let mut job = Panel {
                a: &a.values[depth.start.min(a.values.len())..],
                stride: a.stride,
                b: &b.panel(panel)[depth.start * width..depth.end * width],
                next: if panel + 1 < b.num_panels() {
                    &b.panel(panel + 1)[depth.start * width..depth.end * width]
                } else {
                    &[]
                },
                ahead: &[],
                ahead_step: 0,
                depth: depth.len(),
                column,
                columns: width.min(columns - column),
                carry: block > 0 || onto,
                epilogue: last.then_some(epilogue),
                out: &mut out,
            };
            job.run(simd, a.count);
        }
    }
}

/// All rows of a tile against a block of one panel.
struct Panel<'a, 'o> {
    a: &'a [f32],
    stride: usize,
    b: &'a [f32],
    depth: usize,
    column: usize,
    columns: usize,
    /// The panel that comes next: it is fetched while this one is worked on, because the memory
    /// behind the second-level cache is slower than the multipliers.
    next: &'a [f32],
    /// Where in it the block in hand fetches, and how far it goes on with each step of the sum.
    ahead: &'a [f32],
    ahead_step: usize,
    /// The output holds the sum of the blocks before, or what is added to it.
    carry: bool,
    /// With the last block only.
    epilogue: Option<Epilogue<'a>>,
    out: &'a mut RowsMut<'o>,
}

impl Panel<'_, '_> {
    /// Blocks of as even a height as can be: a short last one would starve the multipliers.
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, rows: usize) {
        let most = match S::F32_LANES {
            16 => 14,
            8 => 6,
            4 => 8,
            _ => 4,
        };
        let blocks = rows.div_ceil(most);
        for block in 0..blocks {
            let row = block * rows / blocks;
            let height = (block + 1) * rows / blocks - row;
            let share = self.next.len() / blocks;
            self.ahead = &self.next[block * share..];
            self.ahead_step = share / self.depth.max(1);
            match S::F32_LANES {
                16 | 8 => self.block_of::<S, 2>(simd, row, height),
                4 => self.block_of::<S, 3>(simd, row, height),
                _ => self.block_of::<S, 4>(simd, row, height),
            }
        }
    }

    #[inline(always)]
    fn block_of<S: Simd, const NV: usize>(&mut self, simd: S, row: usize, height: usize) {
        match (height, S::F32_LANES) {
            (1, _) => self.block::<S, 1, NV>(simd, row),
            (2, _) => self.block::<S, 2, NV>(simd, row),
            (3, _) => self.block::<S, 3, NV>(simd, row),
            (4, _) => self.block::<S, 4, NV>(simd, row),
            (5, 4..) => self.block::<S, 5, NV>(simd, row),
            (6, 4..) => self.block::<S, 6, NV>(simd, row),
            (7, 4 | 16) => self.block::<S, 7, NV>(simd, row),
            (8, 4 | 16) => self.block::<S, 8, NV>(simd, row),
            (9, 16) => self.block::<S, 9, NV>(simd, row),
            (10, 16) => self.block::<S, 10, NV>(simd, row),
            (11, 16) => self.block::<S, 11, NV>(simd, row),
            (12, 16) => self.block::<S, 12, NV>(simd, row),
            (13, 16) => self.block::<S, 13, NV>(simd, row),
            (14, 16) => self.block::<S, 14, NV>(simd, row),
            _ => unreachable!("no block is {height} rows high"),
        }
    }

    #[inline(always)]
    fn block<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, row: usize) {
        let sums = self.sums::<S, MR, NV>(simd, row);
        let finish = Finish {
            column: self.column,
            columns: self.columns,
            carry: self.carry,
            epilogue: self.epilogue.as_ref(),
        };
        for (index, sums) in sums.into_iter().enumerate() {
            finish.store::<S, NV>(simd, row + index, sums, self.out);
        }
    }

    /// The sums of `MR` rows and one panel, in registers.
    #[inline(always)]
    fn sums<S: Simd, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        row: usize,
    ) -> [[S::f32s; NV]; MR] {
        let width = NV * S::F32_LANES;
        assert!(self.b.len() >= self.depth * width);
        assert!(self.depth == 0 || (row + MR - 1) * self.stride + self.depth <= self.a.len());
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        let mut b = self.b.as_ptr().cast::<S::f32s>();
        let mut a = self.a.as_ptr().wrapping_add(row * self.stride);
        let (mut ahead, step) = (self.ahead.as_ptr(), self.ahead_step);
        for _ in 0..self.depth {
            // SAFETY: the two assertions above bound every address: `b` runs over
            // `depth * NV` vectors, `a` over `depth` columns of `MR` rows. Vectors need no more
            // alignment than the buffer has, as they are read unaligned.
            unsafe {
                let mut weights = [simd.splat_f32s(0.0); NV];
                for (v, weight) in weights.iter_mut().enumerate() {
                    *weight = b.add(v).read_unaligned();
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = simd.splat_f32s(*a.add(r * self.stride));
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = simd.mul_add_e_f32s(value, weight, *sum);
                    }
                }
                b = b.add(NV);
                a = a.add(1);
                prefetch(ahead);
                ahead = ahead.wrapping_add(step);
            }
        }
        sums
    }
}

/// Where the sums of one row and one panel go.
pub(super) struct Finish<'a, 'e> {
    pub(super) column: usize,
    /// How many of the panel's columns there are.
    pub(super) columns: usize,
    /// The output holds the sum of the blocks before, or what is added to it.
    pub(super) carry: bool,
    /// With the last block only.
    pub(super) epilogue: Option<&'a Epilogue<'e>>,
}

impl Finish<'_, '_> {
    #[inline(always)]
    pub(super) fn store<S: Simd, const NV: usize>(
        &self,
        simd: S,
        row: usize,
        sums: [S::f32s; NV],
        out: &mut RowsMut<'_>,
    ) {
        for (v, mut sum) in sums.into_iter().enumerate() {
            let start = v * S::F32_LANES;
            if start >= self.columns {
                break;
            }
            let length = S::F32_LANES.min(self.columns - start);
            let column = self.column + start;
            let out = out.row(row, column, length);
            if self.carry {
                sum = simd.add_f32s(sum, load(simd, out));
            }
            if let Some(epilogue) = self.epilogue {
                sum = epilogue.apply(simd, sum, row, column, out);
            }
            store(simd, out, sum);
        }
    }
}

impl Epilogue<'_> {
    pub(crate) fn skip_rows(mut self, rows: usize, count: usize) -> Self {
        if let Residual::Rows(residual) = self.residual {
            self.residual = Residual::Rows(residual.skip(rows, count));
        }
        self
    }

    /// Whether the result is added to what the output holds, and what else there is to do: a sum that
    /// is built up in the output begins with what it holds.
    pub(super) fn take_output(mut self) -> (bool, Self) {
        let onto = matches!(self.residual, Residual::Output);
        if onto {
            self.residual = Residual::None;
        }
        (onto, self)
    }

    pub(crate) fn skip_columns(mut self, columns: usize) -> Self {
        self.bias = self.bias.map(|bias| &bias[columns..]);
        if let Residual::Rows(residual) = &mut self.residual {
            residual.values = &residual.values[columns..];
        }
        self
    }

    /// Of the vector at `row` and `column`, where `out` is what the output holds there.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(
        &self,
        simd: S,
        mut sum: S::f32s,
        row: usize,
        column: usize,
        out: &[f32],
    ) -> S::f32s {
        if let Some(bias) = self.bias {
            sum = simd.add_f32s(sum, load(simd, &bias[column..][..out.len()]));
        }
        match self.residual {
            Residual::None => {}
            Residual::Output => sum = simd.add_f32s(sum, load(simd, out)),
            Residual::Rows(residual) => {
                let values = &residual.values[row * residual.stride + column..][..out.len()];
                sum = simd.add_f32s(sum, load(simd, values));
            }
        }
        self.activation.apply(simd, sum)
    }
}

impl Activation {
    /// Of every lane.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        match self {
            Self::None => x,
            // A comparison, as the maximum of a NaN and 0 may be 0.
            Self::Relu => {
                let zero = simd.splat_f32s(0.0);
                simd.select_f32s(simd.less_than_f32s(x, zero), zero, x)
            }
            Self::Gelu => super::math::gelu_f32s(simd, x),
        }
    }
}
