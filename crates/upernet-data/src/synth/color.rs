//! Colours as amounts of light.

use std::ops::{Add, Mul};

/// Red, green and blue light, where 1 is as much as a photo can show at an exposure of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color(pub(super) [f32; 3]);

/// The colour that a screen shows for these values of 0 to 255 (with the transfer curve taken as a
/// square, which is exact on every machine).
pub(super) fn screen(red: f32, green: f32, blue: f32) -> Color {
    Color([red, green, blue].map(|value| (value / 255.0) * (value / 255.0)))
}

/// A grey, as in [`screen`].
pub(super) fn grey(value: f32) -> Color {
    screen(value, value, value)
}

impl Color {
    /// This colour, and `share` of the other instead of it.
    pub(super) fn mix(self, other: Self, share: f32) -> Self {
        self * (1.0 - share) + other * share
    }

    /// How bright it is (Rec. 709).
    pub(super) fn luminance(self) -> f32 {
        let [red, green, blue] = self.0;
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl Mul<f32> for Color {
    type Output = Self;

    fn mul(self, factor: f32) -> Self {
        Self(self.0.map(|value| value * factor))
    }
}

impl Mul for Color {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self([0, 1, 2].map(|channel| self.0[channel] * other.0[channel]))
    }
}

impl Add for Color {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self([0, 1, 2].map(|channel| self.0[channel] + other.0[channel]))
    }
}
