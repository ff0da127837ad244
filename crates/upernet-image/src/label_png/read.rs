//! PNG masks to label maps, palette not looked up.

use std::io::Cursor;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits};

use crate::decode::one_line;
use crate::file::read_bounded;
use crate::{DecodeLimits, Error, LabelMap};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads a mask from a PNG file: see [`decode_label_png`].
///
/// # Errors
///
/// [`Error::NotFound`], [`Error::NotRegular`] and [`Error::Read`] about the file, and all errors of
/// [`decode_label_png`]; each names the file.
///
/// ```
/// use upernet_image::{DecodeLimits, LabelMap, Overwrite, Palette, read_label_png, write_label_png};
///
/// let path = tempfile::tempdir()?.path().with_extension("png");
/// let labels = LabelMap::new([1, 3], vec![4, 0, 255])?;
/// write_label_png(&path, &labels, &Palette::generated(5), Overwrite::Refuse)?;
/// assert_eq!(read_label_png(&path, &DecodeLimits::default())?, labels);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_label_png(path: impl AsRef<Path>, limits: &DecodeLimits) -> Result<LabelMap, Error> {
    let path = path.as_ref();
    decode_named(
        &read_bounded(path, limits)?,
        limits,
        &path.display().to_string(),
    )
}

/// Decodes a mask from PNG bytes: the stored sample is the class id.
///
/// Accepts indexed (1, 2, 4, 8 bits, palette not looked up) and grey (1, 2, 4, 8, 16 bits, not scaled)
/// pictures.
///
/// # Errors
///
/// - [`Error::NotLabels`]: RGB, RGBA or grey with alpha, whose samples are colours.
/// - [`ErrorKind::BadData`](crate::ErrorKind::BadData): not a PNG, empty, damaged or cut off.
/// - [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge): the header promises more than `limits` allow.
pub fn decode_label_png(bytes: &[u8], limits: &DecodeLimits) -> Result<LabelMap, Error> {
    decode_named(bytes, limits, "the given bytes")
}

fn decode_named(bytes: &[u8], limits: &DecodeLimits, origin: &str) -> Result<LabelMap, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty {
            origin: origin.to_owned(),
        });
    }
    if !bytes.starts_with(SIGNATURE) {
        return Err(Error::UnknownFormat {
            origin: origin.to_owned(),
            expected: "PNG",
        });
    }
    let failed = |error| decode_error(&error, origin, limits);
    let inner_limits = Limits {
        bytes: usize::try_from(limits.max_bytes).unwrap_or(usize::MAX),
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), inner_limits);
    // A mask's colours mean nothing, and 1 MB of profile may inflate to 1 GB.
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    let header = decoder.read_header_info().map_err(failed)?;
    let (width, height, depth) = (header.width, header.height, header.bit_depth);
    // The samples as stored, and again as labels of two bytes.
    let stored = (header.raw_row_length() as u64).saturating_mul(u64::from(height));
    let labels = 2 * u64::from(width) * u64::from(height);
    limits.check(origin, [height, width], stored.saturating_add(labels))?;
    refuse_colors(header.color_type, origin)?;

    let mut reader = decoder.read_info().map_err(failed)?;
    let too_large = || Error::TooManyBytes {
        origin: origin.to_owned(),
        max_bytes: limits.max_bytes,
    };
    let mut samples = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    let frame = reader.next_frame(&mut samples).map_err(failed)?;
    // An APNG's first frame may be smaller than the picture; such a file is not a mask.
    if (frame.width, frame.height) != (width, height) {
        let problem = "the first frame does not fill the picture".to_owned();
        return Err(Error::Decode {
            origin: origin.to_owned(),
            format: "PNG",
            problem,
        });
    }
    let width = width as usize;
    let rows = samples.chunks_exact(frame.line_size);
    LabelMap::new([height as usize, width], unpack(rows, width, depth))
}

fn refuse_colors(color: ColorType, origin: &str) -> Result<(), Error> {
    let found = match color {
        ColorType::Grayscale | ColorType::Indexed => return Ok(()),
        ColorType::Rgb => "RGB",
        ColorType::Rgba => "RGBA",
        ColorType::GrayscaleAlpha => "grey and alpha",
    };
    Err(Error::NotLabels {
        origin: origin.to_owned(),
        found,
    })
}

/// Spreads packed samples to one label each; in a byte, the leftmost pixel has the highest bits.
fn unpack<'a>(rows: impl Iterator<Item = &'a [u8]>, width: usize, depth: BitDepth) -> Vec<u16> {
    let mut labels = Vec::new();
    for row in rows {
        match depth {
            BitDepth::Sixteen => {
                labels.extend(
                    row.as_chunks()
                        .0
                        .iter()
                        .take(width)
                        .map(|&s| u16::from_be_bytes(s)),
                );
            }
            BitDepth::Eight => labels.extend(row.iter().take(width).map(|&s| u16::from(s))),
            packed => {
                let bits = packed as usize;
                labels.extend((0..width).map(|column| {
                    let (byte, place) = (column * bits / 8, column * bits % 8);
                    u16::from((row[byte] << place) >> (8 - bits))
                }));
            }
        }
    }
    labels
}

fn decode_error(error: &DecodingError, origin: &str, limits: &DecodeLimits) -> Error {
    let origin = origin.to_owned();
    match error {
        DecodingError::LimitsExceeded => Error::TooManyBytes {
            origin,
            max_bytes: limits.max_bytes,
        },
        other => Error::Decode {
            origin,
            format: "PNG",
            problem: one_line(&other.to_string()),
        },
    }
}
