//! The small products inside a head: a few rows in registers.
#![expect(unsafe_code, reason = "the inner loop loads vectors through pointers")]

use std::ops::Range;

use crate::kernels::{rows::Rows, simd::Simd};

/// Adds to `sums` the product of `Q` rows of `a`, from row `first` on, and of `V` vectors of every row
/// of `b`, from `column` on: `sums[q][v] += a[first + q][k] * b[k][v]`.
#[inline(always)]
pub(super) fn add_product<S: Simd, const Q: usize, const V: usize>(
    simd: S,
    (a, first): (Rows<'_>, usize),
    (b, column): (Rows<'_>, usize),
    mut sums: [[S::f32s; V]; Q],
) -> [[S::f32s; V]; Q] {
    let depth = b.count;
    assert!(a.holds(depth) && first + Q <= a.count);
    assert!(b.holds(column + V * S::F32_LANES));
    let mut left = a.values.as_ptr().wrapping_add(first * a.stride);
    let mut right = b.values.as_ptr().wrapping_add(column);
    for _ in 0..depth {
        // SAFETY: `left` runs over `depth` columns of `Q` rows of `a`, `right` over `depth` rows of
        // `b` with `V` vectors from `column` on: both are within their slices by the assertions above.
        // Vectors are read unaligned.
        unsafe {
            let mut vectors = [simd.splat_f32s(0.0); V];
            for (v, vector) in vectors.iter_mut().enumerate() {
                *vector = right
                    .add(v * S::F32_LANES)
                    .cast::<S::f32s>()
                    .read_unaligned();
            }
            for (q, sums) in sums.iter_mut().enumerate() {
                let value = simd.splat_f32s(*left.add(q * a.stride));
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = simd.mul_add_e_f32s(value, vector, *sum);
                }
            }
        }
        left = left.wrapping_add(1);
        right = right.wrapping_add(b.stride);
    }
    sums
}

/// Cuts `0..total` into the fewest parts of at most `most`, all of about one size.
#[inline(always)]
pub(super) fn even_parts(total: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = total.div_ceil(most);
    (0..parts).map(move |part| part * total / parts..(part + 1) * total / parts)
}
