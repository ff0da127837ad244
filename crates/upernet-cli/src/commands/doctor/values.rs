//! Numbers for checks: the same on every machine and in every process.

/// Returns `length` numbers spread evenly over -1 to 1.
pub(super) fn values(seed: u64, length: usize) -> Vec<f32> {
    // splitmix64, by Sebastiano Vigna (public domain description).
    let mut state = seed.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    // The upper 24 bits are exact in f32.
    (0..length)
        .map(|_| (next() >> 40) as f32 / 8_388_608.0 - 1.0)
        .collect()
}

/// Returns `length` whole numbers below `bound`.
pub(super) fn indices(seed: u64, length: usize, bound: usize) -> Vec<usize> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to bound"
    )]
    let index = |value: f32| (f64::midpoint(f64::from(value), 1.0) * bound as f64) as usize;
    values(seed, length).into_iter().map(index).collect()
}

/// As burn's integer tensors hold them.
pub(super) fn to_i64(indices: Vec<usize>) -> Vec<i64> {
    let signed = |index| i64::try_from(index).expect("indices of checks are small");
    indices.into_iter().map(signed).collect()
}

/// The largest difference, relative to the largest expected magnitude or to 1 if that is less.
///
/// NaN on either side, or another length, is infinitely far off.
pub(super) fn difference(actual: &[f32], expected: &[f64]) -> f64 {
    if actual.len() != expected.len() {
        return f64::INFINITY;
    }
    let largest = expected
        .iter()
        .fold(1.0_f64, |largest, value| largest.max(value.abs()));
    let differences = actual
        .iter()
        .zip(expected)
        .map(|(&a, &e)| (f64::from(a) - e).abs());
    let worst = differences.fold(0.0_f64, |worst, difference| {
        if difference.is_nan() {
            f64::INFINITY
        } else {
            worst.max(difference)
        }
    });
    worst / largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spread_and_repeatable() {
        let first = values(1, 10_000);
        assert_eq!(first, values(1, 10_000));
        assert_ne!(first, values(2, 10_000));
        assert!(first.iter().all(|value| (-1.0..1.0).contains(value)));
        let mean = first.iter().sum::<f32>() / 10_000.0;
        assert!(mean.abs() < 0.03, "{mean}");
        let indices = indices(3, 1000, 5);
        assert!(
            (0..5).all(|index| indices.contains(&index)),
            "one is missing"
        );
        assert!(indices.iter().all(|index| (0..5).contains(index)));
    }

    #[test]
    fn nan_is_never_close() {
        assert!(difference(&[f32::NAN, 1.0], &[0.0, 1.0]).is_infinite());
        assert!(difference(&[1.0], &[]).is_infinite());
        assert!((difference(&[1.0, 20.5], &[1.0, 20.0]) - 0.025).abs() < 1e-12);
    }
}
