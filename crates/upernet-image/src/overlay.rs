//! A label map laid over its photo.

use image::RgbImage;
use rayon::prelude::*;

use crate::{Error, LabelMap, Palette};

/// Blends the colour of each pixel's class into the photo.
///
/// `opacity` is the share of the class colour: 0 gives the photo, 1 the plain colours. Labels without a
/// colour, such as [`IGNORE_LABEL`](crate::IGNORE_LABEL), leave the photo as it is.
///
/// # Errors
///
/// [`Error::SizeMismatch`] if photo and map differ in size, [`Error::BadSetting`] for an opacity outside
/// of 0 to 1.
///
/// ```
/// use upernet_image::{LabelMap, Palette, overlay, image::{Rgb, RgbImage}};
///
/// let photo = RgbImage::from_pixel(2, 1, Rgb([100, 100, 100]));
/// let labels = LabelMap::new([1, 2], vec![0, 255])?;
/// let picture = overlay(&photo, &labels, &Palette::new(vec![[200, 0, 100]]), 0.5)?;
/// assert_eq!(picture.into_raw(), [150, 50, 100, 100, 100, 100]);
/// # Ok::<(), upernet_image::Error>(())
/// ```
pub fn overlay(
    photo: &RgbImage,
    labels: &LabelMap,
    palette: &Palette,
    opacity: f32,
) -> Result<RgbImage, Error> {
    let size = [photo.height() as usize, photo.width() as usize];
    if size != labels.size() {
        return Err(Error::SizeMismatch {
            what: "label map over a photo",
            expected: size.to_vec(),
            found: labels.size().to_vec(),
        });
    }
    if !(0.0..=1.0).contains(&opacity) {
        return Err(Error::BadSetting {
            name: "opacity",
            found: opacity.to_string(),
            expected: "use a number from 0 to 1",
        });
    }
    let mut picture = photo.clone();
    let (pixels, _) = picture.as_chunks_mut::<3>();
    let width = size[1].max(1);
    pixels
        .par_chunks_mut(width)
        .zip(labels.labels().par_chunks(width))
        .for_each(|(row, labels)| {
            for (pixel, &label) in row.iter_mut().zip(labels) {
                if let Some(color) = palette.color(label) {
                    *pixel = blend(*pixel, color, opacity);
                }
            }
        });
    Ok(picture)
}

fn blend(below: [u8; 3], above: [u8; 3], opacity: f32) -> [u8; 3] {
    std::array::from_fn(|channel| {
        let (below, above) = (f32::from(below[channel]), f32::from(above[channel]));
        to_byte((above - below).mul_add(opacity, below))
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the blend of two bytes is a byte, and rounding is wanted"
)]
fn to_byte(value: f32) -> u8 {
    (value + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn photo() -> RgbImage {
        RgbImage::from_fn(5, 3, |x, y| {
            Rgb([x, y, x * y].map(|v| u8::try_from(v * 9).expect("small")))
        })
    }

    #[test]
    fn ends_of_the_range_are_exact() {
        let labels = LabelMap::new([3, 5], (0..15).map(|i| i % 4).collect()).unwrap();
        let palette = Palette::generated(4);
        assert_eq!(overlay(&photo(), &labels, &palette, 0.0).unwrap(), photo());
        let plain = overlay(&photo(), &labels, &palette, 1.0).unwrap();
        for (pixel, &label) in plain.pixels().zip(labels.labels()) {
            assert_eq!(Some(pixel.0), palette.color(label));
        }
    }

    #[test]
    fn mismatch_and_bad_opacity_are_refused() {
        let labels = LabelMap::new([5, 3], vec![0; 15]).unwrap();
        let error = overlay(&photo(), &labels, &Palette::generated(1), 0.5).unwrap_err();
        assert_eq!(
            error.to_string(),
            "label map over a photo: expected [3, 5], found [5, 3]"
        );
        let labels = LabelMap::new([3, 5], vec![0; 15]).unwrap();
        for opacity in [-0.1, 1.5, f32::NAN] {
            assert!(overlay(&photo(), &labels, &Palette::generated(1), opacity).is_err());
        }
    }

    #[test]
    fn an_empty_photo_stays_empty() {
        let labels = LabelMap::new([4, 0], vec![]).unwrap();
        let picture = overlay(&RgbImage::new(0, 4), &labels, &Palette::generated(1), 0.5).unwrap();
        assert_eq!(picture.dimensions(), (0, 4));
    }
}
