//! Patterns without an image behind them: value noise and hashes, from exact arithmetic alone.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are wrapped to the cells of the pattern on purpose"
)]

/// Cells along each axis until the noise repeats.
const PERIOD: usize = 128;

static LATTICE: [u8; PERIOD * PERIOD] = lattice();

const fn lattice() -> [u8; PERIOD * PERIOD] {
    let mut values = [0; PERIOD * PERIOD];
    let mut index = 0;
    while index < values.len() {
        values[index] = (scramble(index as u32) >> 24) as u8;
        index += 1;
    }
    values
}

/// The integer hash `lowbias32` (Wellons 2018, "Prospecting for Hash Functions").
pub(super) const fn scramble(value: u32) -> u32 {
    let value = (value ^ (value >> 16)).wrapping_mul(0x7feb_352d);
    let value = (value ^ (value >> 15)).wrapping_mul(0x846c_a68b);
    value ^ (value >> 16)
}

/// A number in `0..1` for a cell of a grid.
pub(super) fn hash(column: f32, row: f32, salt: u32) -> f32 {
    let column = scramble(column as i32 as u32 ^ salt);
    (scramble(column ^ (row as i32 as u32).wrapping_mul(0x9e37_79b9)) >> 8) as f32 / 16_777_216.0
}

/// Value noise: smooth, about one unit from hill to hill, in `0..=1` with mean one half.
pub(super) fn smooth(x: f32, y: f32) -> f32 {
    let (column, row) = (floor(x), floor(y));
    let (right, down) = (ease(x - column as f32), ease(y - row as f32));
    let wrap = PERIOD - 1;
    let (left, top) = (column as usize & wrap, row as usize & wrap);
    let (next, bottom) = ((left + 1) & wrap, (top + 1) & wrap);
    let value = |row: usize, column: usize| f32::from(LATTICE[row * PERIOD + column]);
    let upper = value(top, left) + right * (value(top, next) - value(top, left));
    let lower = value(bottom, left) + right * (value(bottom, next) - value(bottom, left));
    (upper + down * (lower - upper)) / 255.0
}

/// Noise of one, a half and a quarter unit, in `0..=1` with mean one half.
pub(super) fn rough(x: f32, y: f32) -> f32 {
    (4.0 * smooth(x, y)
        + 2.0 * smooth(2.0 * x + 17.3, 2.0 * y + 5.9)
        + smooth(4.0 * x + 41.7, 4.0 * y + 73.1))
        / 7.0
}

/// How much of a pattern is left when its features (metres) get as small as a pixel (metres).
pub(super) fn visible(feature: f32, pixel: f32) -> f32 {
    (feature / pixel - 0.75).clamp(0.0, 1.0)
}

/// From 0 below `low` to 1 above `high`, without corners.
pub(super) fn step(low: f32, high: f32, value: f32) -> f32 {
    ease(((value - low) / (high - low)).clamp(0.0, 1.0))
}

fn ease(value: f32) -> f32 {
    value * value * (3.0 - 2.0 * value)
}

/// `f32::floor` without a call into the mathematics library where the processor has no instruction for
/// it.
fn floor(value: f32) -> i32 {
    let whole = value as i32;
    whole - i32::from((whole as f32) > value)
}

/// The part after the point, in `0..1`.
pub(super) fn fraction(value: f32) -> f32 {
    value - floor(value) as f32
}

/// The number of the cell of length one in which a value lies.
pub(super) fn cell(value: f32) -> f32 {
    floor(value) as f32
}
