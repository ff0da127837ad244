//! Many measurements in three numbers.

use serde::Serialize;

/// Median, least and greatest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Sums up; there must be a number.
    pub(super) fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let lower = sorted[(count - 1) / 2];
        let upper = sorted[count / 2];
        Self {
            median: f64::midpoint(lower, upper),
            min: sorted[0],
            max: sorted[count - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        let expected = Spread {
            median: 2.5,
            min: 1.0,
            max: 4.0,
        };
        assert_eq!(spread, expected);
        assert!((Spread::of([5.0, 9.0, 7.0]).median - 7.0).abs() < f64::EPSILON);
    }
}
