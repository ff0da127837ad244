//! Comparing whole tensors.

use std::fmt;

/// How far values may lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// The largest difference, relative to the largest expected magnitude or to 1 if that is less.
    Max(f64),
    /// The L2 norm of the difference, relative to the expected L2 norm.
    Norm {
        /// The share of the expected norm that is allowed.
        relative: f64,
        /// What is allowed however small the expected norm is: the reference's own rounding.
        noise: f64,
    },
}

/// The largest difference between two tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What was compared.
    pub name: String,
    /// The difference in the tolerance's own measure.
    pub found: f64,
    /// What was allowed.
    pub allowed: f64,
    /// Position of the worst value, row-major.
    pub worst_index: usize,
    /// Actual and expected value there.
    pub worst_values: [f32; 2],
}

impl Difference {
    /// Whether the tensors are as close as they have to be; NaN never is.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.found <= self.allowed
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [actual, expected] = self.worst_values;
        write!(
            formatter,
            "{}: {:.2e} (allowed {:.0e}), worst at {}: {actual} instead of {expected}",
            self.name, self.found, self.allowed, self.worst_index
        )
    }
}

/// Compares every value of two tensors.
///
/// # Panics
///
/// Panics if they differ in length.
///
/// # Example
///
/// ```
/// use upernet_golden::{Tolerance, compare};
///
/// let difference = compare("logits", &[1.0, 20.5], &[1.0, 20.0], Tolerance::Max(0.01));
/// assert_eq!((difference.worst_index, difference.is_within()), (1, false));
/// ```
#[must_use]
pub fn compare(name: &str, actual: &[f32], expected: &[f32], tolerance: Tolerance) -> Difference {
    assert_eq!(actual.len(), expected.len(), "{name}: lengths differ");
    let mut worst = (0, -1.0);
    let (mut largest, mut difference_squares, mut expected_squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let difference = (f64::from(a) - f64::from(e)).abs();
        if difference > worst.1 || difference.is_nan() {
            worst = (index, difference);
        }
        largest = largest.max(f64::from(e).abs());
        difference_squares += difference * difference;
        expected_squares += f64::from(e) * f64::from(e);
    }
    let (found, allowed) = match tolerance {
        Tolerance::Max(allowed) => (worst.1.max(0.0) / largest.max(1.0), allowed),
        Tolerance::Norm { relative, noise } => {
            let norm = expected_squares.sqrt().max(f64::MIN_POSITIVE);
            (difference_squares.sqrt() / norm, relative.max(noise / norm))
        }
    };
    // `max` drops a NaN, which must not pass.
    let found = if difference_squares.is_nan() {
        f64::NAN
    } else {
        found
    };
    let at = |values: &[f32]| values.get(worst.0).copied().unwrap_or_default();
    Difference {
        name: name.to_owned(),
        found,
        allowed,
        worst_index: worst.0,
        worst_values: [at(actual), at(expected)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_never_close() {
        let norm = Tolerance::Norm {
            relative: 1e9,
            noise: 1e9,
        };
        for tolerance in [Tolerance::Max(1e9), norm] {
            assert!(!compare("x", &[f32::NAN, 1.0], &[0.0, 1.0], tolerance).is_within());
        }
    }

    #[test]
    fn small_expectations_are_compared_absolutely() {
        assert!(compare("x", &[1e-5], &[0.0], Tolerance::Max(1e-4)).is_within());
        assert!(!compare("x", &[2e-4], &[0.0], Tolerance::Max(1e-4)).is_within());
    }

    #[test]
    fn norms_are_relative() {
        let tolerance = Tolerance::Norm {
            relative: 0.1,
            noise: 0.0,
        };
        let difference = compare("x", &[3.0, 4.4], &[3.0, 4.0], tolerance);
        assert!((difference.found - 0.08).abs() < 1e-6, "{difference}");
    }

    #[test]
    fn noise_is_allowed_where_little_is_expected() {
        let tolerance = |noise| Tolerance::Norm {
            relative: 0.1,
            noise,
        };
        assert!(!compare("x", &[3e-6], &[1e-6], tolerance(1e-6)).is_within());
        assert!(compare("x", &[3e-6], &[1e-6], tolerance(3e-6)).is_within());
    }
}
