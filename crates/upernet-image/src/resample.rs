//! Resizing, bit for bit as Pillow does it.
//!
//! Hugging Face's reference processor resizes 8-bit pixels with Pillow, so parity starts here. The
//! `fast_image_resize` crate has the same filters but 16-bit weights: measured against Pillow 13 it
//! agrees on 5 of 64 bilinear sizes (see `resize.json` in the test data), hence this one.

mod convolve;
mod nearest;
mod weights;

use image::RgbImage;

use crate::{Error, LabelMap};
use convolve::convolve;
use nearest::nearest;
use weights::AxisWeights;

/// How to weigh source pixels, by the numbers that `preprocessor_config.json` holds under `resample`.
///
/// All but [`Resample::Nearest`] are antialiased: the filter widens with the scale when shrinking.
///
/// ```
/// use upernet_image::Resample;
///
/// assert_eq!(Resample::try_from(2)?, Resample::Bilinear);
/// assert!(Resample::try_from(9).is_err());
/// # Ok::<(), upernet_image::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Resample {
    /// 0: the pixel under the centre.
    Nearest,
    /// 1: windowed sinc over three pixels to each side.
    Lanczos,
    /// 2: triangle over one pixel to each side.
    #[default]
    Bilinear,
    /// 3: cubic (a = -0.5) over two pixels to each side.
    Bicubic,
    /// 4: plain average.
    Box,
    /// 5: windowed sinc over one pixel to each side.
    Hamming,
}

impl TryFrom<u64> for Resample {
    type Error = Error;

    /// Looks up a number of Pillow's `Image.Resampling`.
    fn try_from(number: u64) -> Result<Self, Error> {
        match number {
            0 => Ok(Self::Nearest),
            1 => Ok(Self::Lanczos),
            2 => Ok(Self::Bilinear),
            3 => Ok(Self::Bicubic),
            4 => Ok(Self::Box),
            5 => Ok(Self::Hamming),
            _ => Err(Error::BadSetting {
                name: "resample",
                found: number.to_string(),
                expected: "use 0 (nearest), 1 (lanczos), 2 (bilinear), 3 (bicubic), 4 (box) or \
                           5 (hamming)",
            }),
        }
    }
}

/// Resizes a photo to `[height, width]`, equal to Pillow's `Image.resize` in every bit.
///
/// # Errors
///
/// [`Error::BadSize`] if a side of the photo or of the target is zero, or too large to address.
///
/// ```
/// use upernet_image::{Resample, resize_photo, image::RgbImage};
///
/// let photo = RgbImage::from_raw(2, 1, vec![0, 0, 0, 100, 200, 50]).unwrap();
/// let wider = resize_photo(&photo, [1, 4], Resample::Bilinear)?;
/// assert_eq!(wider.into_raw(), [0, 0, 0, 25, 50, 13, 75, 150, 38, 100, 200, 50]);
/// # Ok::<(), upernet_image::Error>(())
/// ```
pub fn resize_photo(
    photo: &RgbImage,
    target: [usize; 2],
    resample: Resample,
) -> Result<RgbImage, Error> {
    let source = [photo.height() as usize, photo.width() as usize];
    check_size("photo to resize", source, 3)?;
    let [height, width] = check_size("size to resize a photo to", target, 3)?;
    if source == target {
        return Ok(photo.clone());
    }
    let (pixels, _) = photo.as_chunks::<3>();
    let resized = if resample == Resample::Nearest {
        nearest(pixels, source, target)
    } else {
        let rows = AxisWeights::new(source[0], target[0], resample);
        let columns = AxisWeights::new(source[1], target[1], resample);
        convolve(pixels, source, &rows, &columns)
    };
    RgbImage::from_raw(width, height, resized.into_flattened()).ok_or(Error::BadSize {
        what: "resized photo",
        size: target.to_vec(),
    })
}

/// Resizes a label map to `[height, width]` by taking the label under each pixel's centre.
///
/// Equal to Pillow's nearest and to torch's `nearest-exact`; never invents a label.
///
/// # Errors
///
/// [`Error::BadSize`] if a side of the map or of the target is zero, or too large to address.
///
/// ```
/// use upernet_image::{LabelMap, resize_labels};
///
/// let labels = LabelMap::new([1, 2], vec![3, 255])?;
/// assert_eq!(resize_labels(&labels, [1, 4])?.labels(), [3, 3, 255, 255]);
/// # Ok::<(), upernet_image::Error>(())
/// ```
pub fn resize_labels(labels: &LabelMap, target: [usize; 2]) -> Result<LabelMap, Error> {
    check_size("label map to resize", labels.size(), 2)?;
    check_size("size to resize a label map to", target, 2)?;
    LabelMap::new(target, nearest(labels.labels(), labels.size(), target))
}

/// Refuses sizes with a zero and sizes whose bytes could not be addressed.
fn check_size(
    what: &'static str,
    size: [usize; 2],
    bytes_per_pixel: usize,
) -> Result<[u32; 2], Error> {
    let bad = || Error::BadSize {
        what,
        size: size.to_vec(),
    };
    let bytes = size[0]
        .checked_mul(size[1])
        .and_then(|n| n.checked_mul(bytes_per_pixel));
    match (u32::try_from(size[0]), u32::try_from(size[1]), bytes) {
        (Ok(height), Ok(width), Some(1..=MOST_BYTES)) => Ok([height, width]),
        _ => Err(bad()),
    }
}

/// What one allocation may hold at most.
const MOST_BYTES: usize = isize::MAX as usize;

#[cfg(test)]
mod tests {
    use image::Rgb;
    use rstest::rstest;

    use super::*;

    const ALL: [Resample; 6] = [
        Resample::Nearest,
        Resample::Lanczos,
        Resample::Bilinear,
        Resample::Bicubic,
        Resample::Box,
        Resample::Hamming,
    ];

    #[test]
    fn a_plain_photo_stays_plain() {
        let photo = RgbImage::from_pixel(13, 7, Rgb([0, 200, 255]));
        for resample in ALL {
            for target in [[3, 5], [20, 40], [7, 1], [1, 13]] {
                let resized = resize_photo(&photo, target, resample).unwrap();
                assert!(
                    resized.pixels().all(|p| p.0 == [0, 200, 255]),
                    "{resample:?} {target:?}"
                );
            }
        }
    }

    #[rstest]
    #[case::no_rows([0, 4])]
    #[case::no_columns([4, 0])]
    #[case::unaddressable([usize::MAX, 2])]
    #[case::beyond_memory([u32::MAX as usize, u32::MAX as usize])]
    fn impossible_targets_are_refused(#[case] target: [usize; 2]) {
        let photo = RgbImage::new(2, 2);
        let error = resize_photo(&photo, target, Resample::Bilinear).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("size to resize a photo to: size ["),
            "{error}"
        );
        let labels = LabelMap::new([1, 1], vec![0]).unwrap();
        assert!(resize_labels(&labels, target).is_err());
    }

    #[test]
    fn empty_photos_are_refused() {
        assert!(resize_photo(&RgbImage::new(0, 3), [1, 1], Resample::Box).is_err());
        let empty = LabelMap::new([0, 3], vec![]).unwrap();
        assert!(resize_labels(&empty, [1, 1]).is_err());
    }
}
