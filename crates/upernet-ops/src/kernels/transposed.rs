//! The product of a transposed matrix with another: what the gradient of weights is made of.
//!
//! Both matrices lie as they came out of a layer, a row for every cell, and the sum runs over the
//! rows. So nothing is packed: a row of the one is broadcast value by value, a row of the other is
//! read as vectors. Rows should be an odd number of cache lines apart, see [`odd_lines`].
#![expect(unsafe_code, reason = "the inner loop loads vectors through pointers")]

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{
    packed::panel_width,
    rows::{Rows, RowsMut},
    simd::{self, Simd, WithSimd, load, store},
};

/// How many rows are summed before the partial result goes back to memory.
const KC: usize = 512;
/// Values in a cache line.
const LINE: usize = 16;

/// The least odd number of cache lines that holds `length` values, in values: rows so far apart do
/// not compete for the same few places of the cache.
pub(crate) fn odd_lines(length: usize) -> usize {
    (length.div_ceil(LINE) | 1) * LINE
}

/// `out += a^T * b` on all threads of the pool, for `a` of `[rows, m]`, `b` of `[rows, n]` and `out`
/// of `[m, n]`.
///
/// # Panics
///
/// Panics if the sizes do not fit each other.
pub(crate) fn add_transposed_product(a: Rows<'_>, b: Rows<'_>, out: RowsMut<'_>) {
    let width = panel_width();
    let parts = out.split_columns(width).into_par_iter().enumerate();
    parts.for_each(|(panel, out)| {
        let b = Rows {
            values: b.values.get(panel * width..).unwrap_or_default(),
            ..b
        };
        simd::dispatch(AddTransposedProduct { a, b, out });
    });
}

/// [`add_transposed_product`] on the calling thread.
pub(crate) struct AddTransposedProduct<'a> {
    pub(crate) a: Rows<'a>,
    pub(crate) b: Rows<'a>,
    pub(crate) out: RowsMut<'a>,
}

impl WithSimd for AddTransposedProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (m, n, width) = (self.out.count(), self.out.width(), panel_width());
        assert_eq!(self.a.count, self.b.count, "the sums have two lengths");
        assert!(
            self.a.holds(m) && self.b.holds(n),
            "the result is larger than {m} x {n}"
        );
        let rows = self.a.count;
        let blocks = rows.div_ceil(KC);
        for block in 0..blocks {
            let start = block * rows / blocks;
            let count = (block + 1) * rows / blocks - start;
            let (a, b) = (self.a.skip(start, count), self.b.skip(start, count));
            let mut column = 0;
            while column < n {
                let mut panel = Panel {
                    a,
                    b,
                    column,
                    columns: width.min(n - column),
                    out: &mut self.out,
                };
                panel.run(simd, m);
                column += width;
            }
        }
    }
}

/// All rows of the result, and one panel of its columns.
struct Panel<'a, 'o, 'r> {
    a: Rows<'a>,
    b: Rows<'a>,
    column: usize,
    columns: usize,
    out: &'r mut RowsMut<'o>,
}

impl Panel<'_, '_, '_> {
    /// Blocks of as even a height as can be: a short last one would starve the multipliers.
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, rows: usize) {
        // Columns past the last one may be read if the rows are long enough; they are not stored.
        if !self.b.holds(self.column + panel_width()) {
            for row in 0..rows {
                self.narrow_row(simd, row);
            }
            return;
        }
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
            match S::F32_LANES {
                16 | 8 => self.block_of::<S, 2>(simd, row, height),
                4 => self.block_of::<S, 3>(simd, row, height),
                _ => self.block_of::<S, 4>(simd, row, height),
            }
        }
    }

    /// One row of the last panel, which has room for fewer columns.
    #[inline(always)]
    fn narrow_row<S: Simd>(&mut self, simd: S, row: usize) {
        let mut start = 0;
        while start < self.columns {
            let length = S::F32_LANES.min(self.columns - start);
            let column = self.column + start;
            let out = self.out.row(row, column, length);
            let mut sum = load(simd, out);
            for index in 0..self.a.count {
                let value = simd.splat_f32s(self.a.values[index * self.a.stride + row]);
                let b = &self.b.values[index * self.b.stride + column..][..length];
                sum = simd.mul_add_e_f32s(value, load(simd, b), sum);
            }
            store(simd, out, sum);
            start += length;
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
        for (index, sums) in sums.into_iter().enumerate() {
            let out = self.out.row(row + index, self.column, self.columns);
            for (out, sum) in out.chunks_mut(S::F32_LANES).zip(sums) {
                let sum = simd.add_f32s(sum, load(simd, out));
                store(simd, out, sum);
            }
        }
    }

    /// The sums of `MR` rows and one panel, in registers.
    #[inline(always)]
    fn sums<S: Simd, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        row: usize,
    ) -> [[S::f32s; NV]; MR] {
        let (a, b) = (self.a, self.b);
        assert!(a.count == b.count && a.holds(row + MR));
        assert!(b.holds(self.column + NV * S::F32_LANES));
        let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
        let mut left = a.values.as_ptr().wrapping_add(row);
        let mut right = b.values.as_ptr().wrapping_add(self.column);
        for _ in 0..a.count {
            // SAFETY: the two assertions above bound every address: each of `count` rows holds
            // `MR` values from `row` on, and `NV` vectors from `column` on. Vectors are read
            // unaligned.
            unsafe {
                let mut vectors = [simd.splat_f32s(0.0); NV];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = right.cast::<S::f32s>().add(v).read_unaligned();
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = simd.splat_f32s(*left.add(r));
                    for (sum, vector) in sums.iter_mut().zip(vectors) {
                        *sum = simd.mul_add_e_f32s(value, vector, *sum);
                    }
                }
            }
            left = left.wrapping_add(a.stride);
            right = right.wrapping_add(b.stride);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::test_support::noise;

    proptest! {
        /// Sums of up to 1103 products of random values below 1, in size up to about 100: 1e-4 is 8
        /// units in the last place.
        #[test]
        fn equals_the_definition(
            rows in 1_usize..=3,
            m in 1_usize..=40,
            n in 1_usize..=70,
            long in proptest::bool::ANY,
        ) {
            let rows = if long { rows + 1100 } else { rows };
            let (left, right) = (odd_lines(m), n + 3);
            let (a, b) = (noise(rows * left, 1), noise(rows * right, 2));
            let mut out = noise(m * n, 3);
            let mut expected: Vec<f64> = out.iter().map(|&value| f64::from(value)).collect();
            for row in 0..rows {
                for i in 0..m {
                    for j in 0..n {
                        expected[i * n + j] +=
                            f64::from(a[row * left + i]) * f64::from(b[row * right + j]);
                    }
                }
            }
            let a = Rows { values: &a, stride: left, count: rows };
            let b = Rows { values: &b, stride: right, count: rows };
            add_transposed_product(a, b, RowsMut::dense(&mut out, n));
            for (actual, expected) in out.iter().zip(expected) {
                prop_assert!((f64::from(*actual) - expected).abs() < 1e-4);
            }
        }
    }
}
