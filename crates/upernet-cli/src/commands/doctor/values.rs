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

/// Returns `length` class ids below `classes`.
pub(super) fn labels(seed: u64, length: usize, classes: usize) -> Vec<i64> {
    let share = |value: f32| f64::midpoint(f64::from(value), 1.0);
    #[expect(clippy::cast_possible_truncation, reason = "a class id is small")]
    let label = |value: f32| (share(value) * classes as f64) as i64;
    values(seed, length).into_iter().map(label).collect()
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
        let labels = labels(3, 1000, 5);
        assert!(
            (0..5).all(|label| labels.contains(&label)),
            "a class is missing"
        );
        assert!(labels.iter().all(|label| (0..5).contains(label)));
    }

    #[test]
    fn nan_is_never_close() {
        assert_eq!(difference(&[1.0, 20.5], &[1.0, 20.0]), 0.025);
        assert_eq!(difference(&[f32::NAN, 1.0], &[0.0, 1.0]), f64::INFINITY);
        assert_eq!(difference(&[1.0], &[]), f64::INFINITY);
    }
}
