//! Filling up to a size.

use serde::{Deserialize, Serialize};
use upernet_image::{
    IGNORE_LABEL, LabelMap,
    image::{Rgb, RgbImage},
};

use super::setting::check_size;
use crate::{Error, Sample};

/// Fills a photo up to a size, at the bottom and at the right.
///
/// Upstream: the `size` of mmsegmentation's `SegDataPreProcessor`, which pads where a batch is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pad {
    /// `[height, width]` in pixels; a longer side stays. Absent: the size of the crop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
}

impl Pad {
    pub(super) fn check(&self, crop: Option<[usize; 2]>) -> Result<(), Error> {
        match (self.size, crop) {
            (Some(size), _) => check_size("pad.size", size),
            (None, Some(_)) => Ok(()),
            (None, None) => Err(Error::Setting {
                name: "pad.size",
                problem: "is missing and there is no random_crop to take it from; give \
                          [height, width] in pixels"
                    .into(),
            }),
        }
    }

    /// Fills a sample with the colour `fill` and with labels that do not count.
    pub(super) fn apply(
        &self,
        sample: Sample,
        crop: Option<[usize; 2]>,
        fill: [u8; 3],
    ) -> Result<Sample, Error> {
        let found = sample.labels.size();
        let wanted = self.size.or(crop).unwrap_or(found);
        let [height, width] = [0, 1].map(|axis| wanted[axis].max(found[axis]));
        if [height, width] == found {
            return Ok(sample);
        }
        let mut labels = vec![IGNORE_LABEL; height * width];
        for (padded, row) in labels
            .chunks_exact_mut(width)
            .zip(sample.labels.labels().chunks_exact(found[1]))
        {
            padded[..row.len()].copy_from_slice(row);
        }
        let bad_size = || upernet_image::Error::BadSize {
            what: "padded photo",
            size: vec![height, width],
        };
        let [rows, columns] = [
            u32::try_from(height).map_err(|_| bad_size())?,
            u32::try_from(width).map_err(|_| bad_size())?,
        ];
        let mut image = RgbImage::from_pixel(columns, rows, Rgb(fill));
        for (padded, row) in image
            .chunks_exact_mut(3 * width)
            .zip(sample.image.chunks_exact(3 * found[1]))
        {
            padded[..row.len()].copy_from_slice(row);
        }
        Ok(Sample {
            image,
            labels: LabelMap::new([height, width], labels)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        Sample {
            image: RgbImage::from_pixel(2, 1, Rgb([9, 8, 7])),
            labels: LabelMap::new([1, 2], vec![3, 4]).unwrap(),
        }
    }

    #[test]
    fn bottom_and_right_are_filled() {
        let padded = Pad::default()
            .apply(sample(), Some([2, 3]), [1, 2, 3])
            .unwrap();
        assert_eq!(padded.labels.labels(), [3, 4, 255, 255, 255, 255]);
        assert_eq!(
            padded.image.into_raw(),
            [9, 8, 7, 9, 8, 7, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]
        );
    }

    #[test]
    fn longer_sides_stay() {
        let pad = Pad { size: Some([3, 1]) };
        let padded = pad.apply(sample(), None, [0; 3]).unwrap();
        assert_eq!(padded.labels.size(), [3, 2]);
        assert_eq!(padded.image.dimensions(), (2, 3));
    }

    #[test]
    fn a_size_is_needed_from_somewhere() {
        assert!(Pad::default().check(Some([4, 4])).is_ok());
        let error = Pad::default().check(None).unwrap_err().to_string();
        assert!(error.starts_with("pad.size: is missing"), "{error}");
    }
}
