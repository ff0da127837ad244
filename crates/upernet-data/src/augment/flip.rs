//! Mirroring left and right.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use upernet_image::{
    LabelMap,
    image::{RgbImage, imageops::flip_horizontal_in_place},
};

use super::setting::check_probability;
use crate::{Error, Random};

/// Mirrors a photo left and right.
///
/// Upstream: mmcv's `RandomFlip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flip {
    /// How often, 0 to 1.
    pub probability: f64,
}

impl Default for Flip {
    fn default() -> Self {
        Self { probability: 0.5 }
    }
}

impl Flip {
    pub(super) fn check(&self) -> Result<(), Error> {
        check_probability("flip.probability", self.probability)
    }

    pub(super) fn draw(&self, random: &mut Random) -> bool {
        random.random_bool(self.probability)
    }
}

pub(super) fn mirror_photo(mut photo: RgbImage) -> RgbImage {
    flip_horizontal_in_place(&mut photo);
    photo
}

pub(super) fn mirror_labels(labels: LabelMap) -> Result<LabelMap, Error> {
    let size = labels.size();
    let mut labels = labels.into_labels();
    labels.chunks_exact_mut(size[1]).for_each(<[u16]>::reverse);
    Ok(LabelMap::new(size, labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photo_and_labels_are_mirrored_alike() {
        let labels = LabelMap::new([2, 3], vec![1, 2, 3, 4, 5, 255]).unwrap();
        assert_eq!(
            mirror_labels(labels).unwrap().labels(),
            [3, 2, 1, 255, 5, 4]
        );
        let gray = |value: u8| [value, value + 100, value + 50];
        let photo = |values: [u8; 6]| {
            RgbImage::from_raw(3, 2, values.map(gray).as_flattened().to_vec()).unwrap()
        };
        assert_eq!(
            mirror_photo(photo([1, 2, 3, 4, 5, 6])),
            photo([3, 2, 1, 6, 5, 4])
        );
    }
}
