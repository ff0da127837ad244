//! Queries and keys whose product is a cosine times a factor.

use crate::kernels::simd::{Simd, load, store};

/// Least length that a vector is divided by: torch's `normalize`.
const LEAST_LENGTH: f32 = 1e-12;

/// Brings the query of every head of a row `[query, key, value]` to the length of the head's factor, and
/// the key to length 1.
///
/// # Panics
///
/// Panics if the row is not three times as many channels as the heads share evenly.
#[inline(always)]
pub(super) fn to_cosines<S: Simd>(simd: S, row: &mut [f32], factors: &[f32]) {
    let channels = row.len() / 3;
    let head_dim = channels / factors.len();
    assert_eq!(
        3 * head_dim * factors.len(),
        row.len(),
        "heads do not share a row evenly"
    );
    let (queries, rest) = row.split_at_mut(channels);
    let queries = queries.chunks_exact_mut(head_dim).zip(factors);
    for (query, &factor) in queries {
        bring_to_length(simd, query, factor);
    }
    for key in rest[..channels].chunks_exact_mut(head_dim) {
        bring_to_length(simd, key, 1.0);
    }
}

#[inline(always)]
fn bring_to_length<S: Simd>(simd: S, vector: &mut [f32], length: f32) {
    let mut squares = simd.splat_f32s(0.0);
    for start in (0..vector.len()).step_by(S::F32_LANES) {
        let values = load(simd, &vector[start..]);
        squares = simd.mul_add_e_f32s(values, values, squares);
    }
    let found = simd.reduce_sum_f32s(squares).sqrt().max(LEAST_LENGTH);
    let factor = simd.splat_f32s(length / found);
    for start in (0..vector.len()).step_by(S::F32_LANES) {
        let values = load(simd, &vector[start..]);
        store(simd, &mut vector[start..], simd.mul_f32s(values, factor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{
        simd::WithSimd,
        test_support::{max_difference, noise, on_every_arch},
    };

    struct Row<'a>(&'a mut [f32], &'a [f32]);

    impl WithSimd for Row<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            to_cosines(simd, self.0, self.1);
        }
    }

    #[test]
    fn queries_have_the_factors_length_and_keys_one() {
        for head_dim in [1, 5, 16, 33] {
            let row = noise(3 * 2 * head_dim, 1);
            on_every_arch(|arch| {
                let mut found = row.clone();
                arch.dispatch(Row(&mut found, &[10.0, 0.5]));
                for (head, length) in [10.0, 0.5, 1.0, 1.0].into_iter().enumerate() {
                    let part = head * head_dim..(head + 1) * head_dim;
                    let square: f32 = row[part.clone()].iter().map(|v| v * v).sum();
                    let expected: Vec<f32> = row[part.clone()]
                        .iter()
                        .map(|v| v / square.sqrt() * length)
                        .collect();
                    let difference = max_difference(&found[part], &expected);
                    assert!(difference < 1e-5, "{difference} with {arch:?}");
                }
                assert_eq!(found[4 * head_dim..], row[4 * head_dim..], "values stay");
            });
        }
    }

    #[test]
    fn a_vector_of_zeros_stays_zeros() {
        on_every_arch(|arch| {
            let mut row = [0.0, 0.0, 0.0, 0.0, 3.0, 4.0];
            arch.dispatch(Row(&mut row, &[100.0]));
            assert!(row[..4].iter().all(|&value| value == 0.0), "{row:?}");
        });
    }

    #[test]
    #[should_panic(expected = "heads do not share a row evenly")]
    fn refuses_heads_of_uneven_size() {
        pulp::Arch::Scalar.dispatch(Row(&mut [1.0; 9], &[1.0, 1.0]));
    }
}
