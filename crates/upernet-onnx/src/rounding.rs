//! From what is computed here to what a file holds.

/// The nearest number of 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the file holds f32: rounding to it is what is asked for"
)]
pub(crate) fn rounded(value: f64) -> f32 {
    value as f32
}
