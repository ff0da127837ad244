//! Encoded bytes to an upright RGB photo, with every bound checked before memory is asked for.
//!
//! The format is found from the content, never from the file name. What becomes of pixels that are not
//! 8-bit RGB is decided in [`rgb`], cut JPEG files are found in [`jpeg`], PNG files have a reader of their
//! own in [`png`](self::png).

mod jpeg;
mod png;
mod rgb;

use std::io::Cursor;
use std::path::Path;

use image::error::{ImageError, ImageResult};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};

use crate::Error;
use crate::file::read_bounded;

const FORMATS: &str = "JPEG, PNG, WebP, TIFF, BMP or GIF";
const UNNAMED: &str = "the given bytes";

/// Bounds on what a file may make this crate allocate.
///
/// ```
/// use upernet_image::DecodeLimits;
///
/// let limits = DecodeLimits { max_pixels: 1_000_000, ..DecodeLimits::default() };
/// assert_eq!(limits.max_side, 65_535);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels, width times height. Default: 100 million.
    pub max_pixels: u64,
    /// Longest side in pixels. Default: 65,535, the most that JPEG can express.
    pub max_side: u32,
    /// Most bytes of the file itself, and of its samples before they become RGB. Default: 1 GiB.
    pub max_bytes: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_side: 65_535,
            max_bytes: 1 << 30,
        }
    }
}

/// Reads a photo from a file: see [`decode_image`] for what is done to the pixels.
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::NotRegular`] and [`Error::Read`] about the file, and all errors of
/// [`decode_image`]; each names the file.
///
/// ```no_run
/// use upernet_image::{DecodeLimits, read_image};
///
/// let photo = read_image("photo.jpg", &DecodeLimits::default())?;
/// println!("{} x {}", photo.width(), photo.height());
/// # Ok::<(), upernet_image::Error>(())
/// ```
pub fn read_image(path: impl AsRef<Path>, limits: &DecodeLimits) -> Result<RgbImage, Error> {
    let path = path.as_ref();
    decode_named(
        &read_bounded(path, limits)?,
        limits,
        &path.display().to_string(),
    )
}

/// Decodes a photo to 8-bit RGB and turns it upright.
///
/// Rules, all Pillow's `convert("RGB")` unless said otherwise: alpha is dropped (not blended), grey is
/// repeated, palettes are looked up, 1-bit becomes 0 and 255, CMYK is converted without a colour
/// profile, 16-bit samples keep their high byte (Pillow clips 16-bit grey at 255, which loses the
/// picture), of an animation the first frame is taken, black where it does not cover the picture. The
/// EXIF orientation is applied, as `ImageOps.exif_transpose` does. Colour profiles are ignored.
///
/// JPEG's inverse transform and chroma upsampling are not libjpeg's: samples differ from Pillow's by at
/// most 3 on the 101 validation photos of `CamVid`, and at 1 % of the places. TIFF with a palette, with
/// `YCbCr` or with more than 16 bits is refused.
///
/// # Errors
///
/// - [`ErrorKind::BadData`](crate::ErrorKind::BadData): empty, unknown, damaged or cut-off content, or
///   floating-point pixels.
/// - [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge): the header promises more than `limits` allow.
///
/// ```
/// use upernet_image::{DecodeLimits, decode_image, encode_png, image::{Rgb, RgbImage}};
///
/// let bytes = encode_png(&RgbImage::from_pixel(3, 2, Rgb([1, 2, 3])))?;
/// let photo = decode_image(&bytes, &DecodeLimits::default())?;
/// assert_eq!((photo.height(), photo.width()), (2, 3));
/// # Ok::<(), upernet_image::Error>(())
/// ```
pub fn decode_image(bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage, Error> {
    decode_named(bytes, limits, UNNAMED)
}

impl DecodeLimits {
    /// Compares a header's size with the limits; `bytes` is the memory that its samples would take.
    pub(crate) fn check(
        &self,
        origin: &str,
        [height, width]: [u32; 2],
        bytes: u64,
    ) -> Result<(), Error> {
        let origin = || origin.to_owned();
        let Self {
            max_pixels,
            max_side,
            max_bytes,
        } = *self;
        if width.max(height) > max_side {
            return Err(Error::SideTooLong {
                origin: origin(),
                width,
                height,
                max_side,
            });
        }
        if u64::from(width) * u64::from(height) > max_pixels {
            return Err(Error::TooManyPixels {
                origin: origin(),
                width,
                height,
                max_pixels,
            });
        }
        if bytes > max_bytes {
            return Err(Error::TooManyBytes {
                origin: origin(),
                max_bytes,
            });
        }
        Ok(())
    }
}

fn decode_named(bytes: &[u8], limits: &DecodeLimits, origin: &str) -> Result<RgbImage, Error> {
    let format = known_format(bytes, origin)?;
    let failed = |error: ImageError| decode_error(error, format_name(format), origin, limits);

    let mut decoder = open(bytes, format, limits).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    limits.check(origin, [height, width], decoder.total_bytes())?;
    if width == 0 || height == 0 {
        return Err(damaged(origin, format, "the picture has no pixels"));
    }
    if format == ImageFormat::Jpeg && !jpeg::has_end_of_image(bytes) {
        return Err(damaged(
            origin,
            format,
            "cut off: the end-of-image marker is missing",
        ));
    }
    let orientation = decoder.orientation().map_err(failed)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let mut upright = DynamicImage::ImageRgb8(rgb::rgb_from_dynamic(picture, origin)?);
    upright.apply_orientation(orientation);
    Ok(upright.into_rgb8())
}

/// Reads a file up to its pixels.
fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    limits: &DecodeLimits,
) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
    if format == ImageFormat::Png {
        return Ok(Box::new(png::PngPhoto::new(bytes, limits.max_bytes)?));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Sizes are compared by the caller, whose message can name them; this bounds inner allocations.
    reader.limits({
        let mut inner = image::Limits::no_limits();
        inner.max_alloc = Some(limits.max_bytes);
        inner
    });
    Ok(Box::new(reader.into_decoder()?))
}

fn known_format(bytes: &[u8], origin: &str) -> Result<ImageFormat, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty {
            origin: origin.to_owned(),
        });
    }
    image::guess_format(bytes)
        .ok()
        .filter(|&format| !format_name(format).is_empty())
        .ok_or_else(|| Error::UnknownFormat {
            origin: origin.to_owned(),
            expected: FORMATS,
        })
}

/// The format's name in messages; empty for formats that this crate does not read.
fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        _ => "",
    }
}

fn damaged(origin: &str, format: ImageFormat, problem: &str) -> Error {
    Error::Decode {
        origin: origin.to_owned(),
        format: format_name(format),
        problem: problem.to_owned(),
    }
}

fn decode_error(
    error: ImageError,
    format: &'static str,
    origin: &str,
    limits: &DecodeLimits,
) -> Error {
    let origin = origin.to_owned();
    match error {
        ImageError::Limits(_) => Error::TooManyBytes {
            origin,
            max_bytes: limits.max_bytes,
        },
        other => Error::Decode {
            origin,
            format,
            problem: one_line(&other.to_string()),
        },
    }
}

/// Decoders' messages may span lines; ours may not.
pub(crate) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn limits_are_inclusive_and_name_what_they_refuse() {
        let limits = DecodeLimits {
            max_pixels: 12,
            max_side: 6,
            max_bytes: 36,
        };
        assert!(limits.check("a.png", [2, 6], 36).is_ok());
        let message = |size, bytes| limits.check("a.png", size, bytes).unwrap_err().to_string();
        assert_eq!(
            message([7, 1], 1),
            "a.png: 1 x 7 pixels have a side over the limit of 6 pixels"
        );
        assert_eq!(
            message([3, 5], 1),
            "a.png: 5 x 3 pixels are over the limit of 12 pixels"
        );
        assert_eq!(
            message([1, 1], 37),
            "a.png: needs more than the limit of 36 bytes"
        );
    }

    #[test]
    fn empty_and_unknown_bytes_are_bad_data() {
        for (bytes, message) in [
            (&b""[..], "the given bytes: is empty (0 bytes)"),
            (
                b"%PDF-1.7",
                "the given bytes: is not a JPEG, PNG, WebP, TIFF, BMP or GIF image",
            ),
            // Radiance HDR: a format that the image crate knows and this crate does not read.
            (
                b"#?RADIANCE\n",
                "the given bytes: is not a JPEG, PNG, WebP, TIFF, BMP or GIF image",
            ),
        ] {
            let error = decode_image(bytes, &DecodeLimits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadData);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn messages_are_put_on_one_line() {
        assert_eq!(one_line("first\n  second\t third "), "first second third");
    }
}
