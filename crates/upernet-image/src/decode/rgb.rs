//! Any decoded pixel to 8-bit RGB, by the rules that [`decode_image`](crate::decode_image) states.

use image::{DynamicImage, RgbImage};

use crate::Error;

/// Converts without ever scaling by alpha: alpha is dropped, 16-bit samples keep their high byte.
///
/// `image`'s own `into_rgb8` rounds 16-bit samples to the nearest of 257 steps; Pillow, which made the
/// reference numbers, takes the high byte.
pub(super) fn rgb_from_dynamic(decoded: DynamicImage, origin: &str) -> Result<RgbImage, Error> {
    let (width, height) = (decoded.width(), decoded.height());
    let samples = match decoded {
        DynamicImage::ImageRgb8(rgb) => return Ok(rgb),
        DynamicImage::ImageLuma8(grey) => rgb_samples::<1, false, _>(&grey, |v| v),
        DynamicImage::ImageLumaA8(grey) => rgb_samples::<2, false, _>(&grey, |v| v),
        DynamicImage::ImageRgba8(rgba) => rgb_samples::<4, true, _>(&rgba, |v| v),
        DynamicImage::ImageLuma16(grey) => rgb_samples::<1, false, _>(&grey, high_byte),
        DynamicImage::ImageLumaA16(grey) => rgb_samples::<2, false, _>(&grey, high_byte),
        DynamicImage::ImageRgb16(rgb) => rgb_samples::<3, true, _>(&rgb, high_byte),
        DynamicImage::ImageRgba16(rgba) => rgb_samples::<4, true, _>(&rgba, high_byte),
        other => {
            let found = format!("{:?}", other.color());
            return Err(Error::UnsupportedPixels {
                origin: origin.to_owned(),
                found,
            });
        }
    };
    Ok(RgbImage::from_raw(width, height, samples).expect("three samples were made of every pixel"))
}

fn high_byte(sample: u16) -> u8 {
    sample.to_be_bytes()[0]
}

/// Takes the first three samples of each pixel if it `IS_COLOR`, else its first one three times.
fn rgb_samples<const CHANNELS: usize, const IS_COLOR: bool, T: Copy>(
    samples: &[T],
    to_byte: fn(T) -> u8,
) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<CHANNELS>();
    let mut rgb = Vec::with_capacity(3 * pixels.len());
    for pixel in pixels {
        let [red, green, blue] = if IS_COLOR { [0, 1, 2] } else { [0, 0, 0] };
        rgb.extend([
            to_byte(pixel[red]),
            to_byte(pixel[green]),
            to_byte(pixel[blue]),
        ]);
    }
    rgb
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageBuffer, Rgb32FImage};

    use super::rgb_from_dynamic;

    #[test]
    fn sixteen_bits_keep_the_high_byte() {
        let grey = ImageBuffer::from_raw(4, 1, vec![0x00FF, 0x0100, 0xFEFF, 0xFFFF]).unwrap();
        let rgb = rgb_from_dynamic(DynamicImage::ImageLuma16(grey), "x").unwrap();
        assert_eq!(
            rgb.into_raw(),
            [0, 0, 0, 1, 1, 1, 0xFE, 0xFE, 0xFE, 0xFF, 0xFF, 0xFF]
        );
    }

    #[test]
    fn alpha_is_dropped_not_blended() {
        let rgba = ImageBuffer::from_raw(2, 1, vec![10, 20, 30, 0, 40, 50, 60, 128]).unwrap();
        let rgb = rgb_from_dynamic(DynamicImage::ImageRgba8(rgba), "x").unwrap();
        assert_eq!(rgb.into_raw(), [10, 20, 30, 40, 50, 60]);
        let wide = ImageBuffer::from_raw(1, 1, vec![0x0A00, 0x1400, 0x1EFF, 7]).unwrap();
        let rgb = rgb_from_dynamic(DynamicImage::ImageRgba16(wide), "x").unwrap();
        assert_eq!(rgb.into_raw(), [10, 20, 30]);
    }

    #[test]
    fn floating_point_pixels_are_refused_by_name() {
        let float = DynamicImage::ImageRgb32F(Rgb32FImage::new(1, 1));
        let message = rgb_from_dynamic(float, "scan.tif").unwrap_err().to_string();
        assert!(message.starts_with("scan.tif: Rgb32F pixels"), "{message}");
    }
}
