//! The exponentials of a softmax.

use super::{math::exp_f32s, simd::Simd};

/// Logit of a key that is not there: its weight is zero beside any other.
pub(crate) const PADDING: f32 = -1e30;

/// Replaces logits by `exp(logit - largest)` and returns the sum; `row` is whole vectors.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(simd: S, row: &mut [f32]) -> f32 {
    let (vectors, _) = S::as_mut_simd_f32s(row);
    let mut largest = simd.splat_f32s(f32::MIN);
    for &vector in vectors.iter() {
        largest = simd.max_f32s(largest, vector);
    }
    let largest = simd.splat_f32s(simd.reduce_max_f32s(largest));
    let mut sum = simd.splat_f32s(0.0);
    for vector in vectors {
        *vector = exp_f32s(simd, simd.sub_f32s(*vector, largest));
        sum = simd.add_f32s(sum, *vector);
    }
    simd.reduce_sum_f32s(sum)
}
