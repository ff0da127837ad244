//! The photo that is segmented: the caller's, or one that is made up.

use std::{borrow::Cow, path::Path};

use upernet::pixels::{
    DecodeLimits,
    image::{Rgb, RgbImage},
    read_image,
};

use crate::failure::Failure;

/// What is segmented.
#[derive(Debug)]
pub(super) enum Photo {
    Given(RgbImage),
    /// As large as the network's input.
    MadeUp,
}

impl Photo {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        Ok(Self::Given(read_image(path, &DecodeLimits::default())?))
    }

    /// The photo for an input of `size`, `[height, width]`.
    pub(super) fn at(&self, size: [usize; 2]) -> Cow<'_, RgbImage> {
        match self {
            Self::Given(photo) => Cow::Borrowed(photo),
            Self::MadeUp => Cow::Owned(made_up(size)),
        }
    }
}

/// Slopes with noise on them: neither constant, which some kernels might profit from, nor the same
/// for two sizes, nor different from one call to the next.
fn made_up([height, width]: [usize; 2]) -> RgbImage {
    let side = |side: usize| u32::try_from(side).expect("the command line bounds sizes");
    let (height, width) = (side(height), side(width));
    RgbImage::from_fn(width, height, |x, y| {
        let noise = noise(x, y);
        let slope = |at: u32, of: u32| 160 * at / of;
        let sample = |value: u32| u8::try_from(value).expect("160 and 64 are less than 256");
        Rgb([
            sample(slope(x, width) + noise % 64),
            sample(slope(y, height) + noise / 64 % 64),
            sample(slope(width - x - 1, width) + noise / 4096 % 64),
        ])
    })
}

/// A number that looks random, by Knuth's multiplicative hash and a final mix.
fn noise(x: u32, y: u32) -> u32 {
    let mixed = (x ^ y.rotate_left(16)).wrapping_mul(2_654_435_761);
    (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_photo_has_the_size_and_is_not_flat() {
        let photo = made_up([31, 47]);
        assert_eq!(photo.dimensions(), (47, 31));
        assert_eq!(photo, made_up([31, 47]));
        let mut reds: Vec<u8> = photo.pixels().map(|pixel| pixel[0]).collect();
        reds.sort_unstable();
        reds.dedup();
        assert!(reds.len() > 100, "{} values of red", reds.len());
    }
}
