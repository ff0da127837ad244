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
    assert!(
        a.holds(depth) && first + Q <= a.count,
        "a row of the left-hand side is too short"
    );
    assert!(
        b.holds(column + V * S::F32_LANES),
        "a row of the right-hand side is too short"
    );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{
        simd::WithSimd,
        test_support::{max_difference, noise, on_every_arch},
    };

    const DEPTH: usize = 5;
    const QUERIES: usize = 3;
    const VECTORS: usize = 2;

    /// Three rows from the second on, two vectors from column 1 on; slices end where the last value
    /// that may be read ends, less `missing`.
    struct Product {
        missing: [usize; 2],
    }

    impl WithSimd for Product {
        type Output = [Vec<f32>; 2];

        fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 2] {
            let (stride_a, columns) = (DEPTH + 2, VECTORS * S::F32_LANES);
            let stride_b = columns + 3;
            let [missing_a, missing_b] = self.missing;
            let a = noise(QUERIES * stride_a + DEPTH - missing_a, 1);
            let b = noise((DEPTH - 1) * stride_b + 1 + columns - missing_b, 2);
            let left = Rows {
                values: &a,
                stride: stride_a,
                count: QUERIES + 1,
            };
            let right = Rows {
                values: &b,
                stride: stride_b,
                count: DEPTH,
            };
            let ones = [[simd.splat_f32s(1.0); VECTORS]; QUERIES];
            let sums = add_product::<S, QUERIES, VECTORS>(simd, (left, 1), (right, 1), ones);
            let sums = sums
                .iter()
                .flat_map(|row| bytemuck::cast_slice(row).to_vec())
                .collect();
            let mut expected = Vec::new();
            for q in 1..=QUERIES {
                for column in 1..=columns {
                    let terms = (0..DEPTH).map(|k| a[q * stride_a + k] * b[k * stride_b + column]);
                    expected.push(1.0 + terms.sum::<f32>());
                }
            }
            [sums, expected]
        }
    }

    #[test]
    fn equals_its_twin() {
        on_every_arch(|arch| {
            let [sums, expected] = arch.dispatch(Product { missing: [0, 0] });
            let difference = max_difference(&sums, &expected);
            assert!(difference < 1e-6, "{difference} on {arch:?}");
        });
    }

    #[test]
    #[should_panic(expected = "a row of the left-hand side is too short")]
    fn refuses_a_short_left_hand_side() {
        let _ = pulp::Arch::Scalar.dispatch(Product { missing: [1, 0] });
    }

    #[test]
    #[should_panic(expected = "a row of the right-hand side is too short")]
    fn refuses_a_short_right_hand_side() {
        let _ = pulp::Arch::Scalar.dispatch(Product { missing: [0, 1] });
    }

    #[test]
    fn parts_are_even_and_complete() {
        let parts: Vec<_> = even_parts(49, 6).map(|part| part.len()).collect();
        assert_eq!(parts, [5, 5, 6, 5, 6, 5, 6, 5, 6]);
        assert!(even_parts(4, 4).eq(std::iter::once(0..4)));
        assert_eq!(even_parts(0, 4).count(), 0);
    }
}
