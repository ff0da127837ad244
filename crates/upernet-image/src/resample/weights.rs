//! The filters, and the fixed-point weights that one axis of a resize needs.
//!
//! Source: Pillow, `src/libImaging/Resample.c` (`precompute_coeffs`, `normalize_coeffs_8bpc`).

use std::f64::consts::PI;

use super::Resample;

/// Weights are multiples of `2^-WEIGHT_BITS`: eight bits are left for the pixel and two for the sum.
pub(super) const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// For each output position of one axis, which source positions count and how much.
#[derive(Debug)]
pub(super) struct AxisWeights {
    windows: Vec<Window>,
    weights: Vec<i32>,
}

/// Source positions `first..first + count`, whose weights start at `offset`.
#[derive(Clone, Copy, Debug)]
struct Window {
    first: usize,
    count: usize,
    offset: usize,
}

impl AxisWeights {
    /// Computes the weights of an axis that goes from `source` to `target` positions.
    pub(super) fn new(source: usize, target: usize, resample: Resample) -> Self {
        let scale = source as f64 / target as f64;
        let widening = scale.max(1.0);
        let support = resample.support() * widening;
        let mut axis = Self {
            windows: Vec::with_capacity(target),
            weights: Vec::new(),
        };
        let mut exact = Vec::new();
        for position in 0..target {
            let center = (position as f64 + 0.5) * scale;
            let first = truncate(center - support + 0.5, source);
            let count = truncate(center + support + 0.5, source) - first;
            exact.clear();
            exact
                .extend((first..first + count).map(|place| {
                    resample.weight((place as f64 - center + 0.5) * (1.0 / widening))
                }));
            let sum: f64 = exact.iter().sum();
            let offset = axis.weights.len();
            axis.weights.extend(
                exact
                    .iter()
                    .map(|weight| to_fixed_point(if sum == 0.0 { *weight } else { weight / sum })),
            );
            axis.windows.push(Window {
                first,
                count,
                offset,
            });
        }
        axis
    }

    /// Number of output positions.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    /// Returns the first source position and the weights from there on.
    pub(super) fn window(&self, position: usize) -> (usize, &[i32]) {
        let Window {
            first,
            count,
            offset,
        } = self.windows[position];
        (first, &self.weights[offset..offset + count])
    }
}

impl Resample {
    /// Half the width of the filter, in pixels at equal size.
    fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// Height of the filter at `x` pixels from its centre.
    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Self::Nearest | Self::Box => f64::from(x > -0.5 && x <= 0.5),
            Self::Bilinear => (1.0 - distance).max(0.0),
            Self::Hamming if distance < 1.0 => {
                // Pillow writes these two constants in single precision.
                let window = f64::from(0.54_f32) + f64::from(0.46_f32) * (PI * distance).cos();
                sinc(distance) * window
            }
            Self::Bicubic => bicubic(distance),
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Hamming | Self::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (x * PI).sin() / (x * PI)
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// A C cast to integer, held inside of the axis.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "truncation is the rule being followed, and the value is clamped"
)]
fn truncate(value: f64, source: usize) -> usize {
    value.clamp(0.0, source as f64) as usize
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "filters stay below 2, so the product fits"
)]
fn to_fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << WEIGHT_BITS);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_takes_quarters() {
        let axis = AxisWeights::new(2, 4, Resample::Bilinear);
        let one = 1 << WEIGHT_BITS;
        assert_eq!(axis.window(0), (0, &[one][..]));
        assert_eq!(axis.window(1), (0, &[one / 4 * 3, one / 4][..]));
    }

    #[test]
    fn weights_sum_to_one_within_their_precision() {
        for resample in [
            Resample::Bilinear,
            Resample::Lanczos,
            Resample::Bicubic,
            Resample::Box,
        ] {
            for (source, target) in [(1, 9), (9, 1), (100, 37), (37, 100), (1000, 3)] {
                let axis = AxisWeights::new(source, target, resample);
                for position in 0..target {
                    let (first, weights) = axis.window(position);
                    assert!(first + weights.len() <= source);
                    let error = weights.iter().sum::<i32>() - (1 << WEIGHT_BITS);
                    let most = i32::try_from(weights.len()).unwrap();
                    assert!(
                        error.abs() <= most,
                        "{resample:?} {source}->{target} at {position}"
                    );
                }
            }
        }
    }
}
