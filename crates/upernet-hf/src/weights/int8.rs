//! Weights of eight bits: whole numbers, and a scale for each output channel.
//!
//! A tensor `X` is two in a file: `X_int8`, I8 of its shape, and `X_scale`, F32 with one value for each
//! index of the first axis, the output channels. The value at an index is the product of the two. The
//! names are such that a reader that knows nothing of this finds `X` missing, instead of taking whole
//! numbers for weights.

use crate::weights::{Dtype, TensorInfo};

/// What the names of the whole numbers end with.
pub(crate) const NUMBERS: &str = "_int8";
/// What the names of the scales end with.
pub(crate) const SCALES: &str = "_scale";

/// The largest whole number; the least is its negative, so that zero stays zero.
const LARGEST: f32 = 127.0;

/// Whether two tensors of a file are the numbers and the scales of one.
pub(crate) fn is_pair(numbers: &TensorInfo, scales: &TensorInfo) -> bool {
    numbers.dtype() == Dtype::I8
        && scales.dtype() == Dtype::F32
        && numbers.shape().len() >= 2
        && scales.shape() == &numbers.shape()[..1]
}

/// The nearest weights of eight bits: numbers, as bytes of a file, and a scale for each of `rows` equal
/// parts.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a quotient by the scale is between -127 and 127"
)]
pub(crate) fn rounded(values: &[f32], rows: usize) -> (Vec<u8>, Vec<f32>) {
    let row = (values.len() / rows.max(1)).max(1);
    let mut numbers = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(rows);
    for values in values.chunks(row) {
        let largest = values
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        let scale = largest / LARGEST;
        // Below the least normal number the quotient would be no number between the bounds.
        let inverse = if scale >= f32::MIN_POSITIVE {
            scale.recip()
        } else {
            0.0
        };
        scales.push(scale);
        let rounded = values.iter().map(|value| (value * inverse).round() as i8);
        numbers.extend(rounded.flat_map(i8::to_le_bytes));
    }
    (numbers, scales)
}

/// The values that numbers, as bytes of a file, and scales stand for.
pub(crate) fn restored(numbers: &[u8], scales: &[f32]) -> Vec<f32> {
    let row = (numbers.len() / scales.len().max(1)).max(1);
    let mut values = Vec::with_capacity(numbers.len());
    for (numbers, scale) in numbers.chunks(row).zip(scales) {
        let numbers = numbers.iter();
        values.extend(numbers.map(|&number| f32::from(i8::from_le_bytes([number])) * scale));
    }
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_off_by_half_a_step_of_its_row_at_most(
            values in prop::collection::vec(-1e3_f32..1e3, 12), factor in 0..4_i32,
        ) {
            let factor = 10.0_f32.powi(-12 * factor);
            let values: Vec<f32> = values.iter().map(|value| value * factor).collect();
            let (numbers, scales) = rounded(&values, 3);
            let found = restored(&numbers, &scales);
            for (index, (found, expected)) in found.iter().zip(&values).enumerate() {
                let step = scales[index / 4].max(f32::MIN_POSITIVE * LARGEST);
                prop_assert!((found - expected).abs() <= 0.5001 * step);
            }
        }
    }

    #[test]
    fn a_row_of_zeros_stays_one_and_the_largest_value_is_kept() {
        let (numbers, scales) = rounded(&[0.0, 0.0, -254.0, 127.0], 2);
        assert_eq!(numbers, [0, 0, 0x81, 64]);
        let expected = [0.0, 0.0, -254.0, 128.0];
        let found = restored(&numbers, &scales);
        let same = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(same, "{found:?}");
    }
}
