//! What a mask file holds, before any meaning is given to it.

use std::io::Cursor;
use std::path::Path;

use upernet_image::image::codecs::bmp::BmpDecoder;
use upernet_image::image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, guess_format,
};
use upernet_image::{DecodeLimits, LabelMap, decode_image, decode_label_png};

use super::LabelMapping;
use super::files::read_bounded;
use super::label_table::one_line;
use crate::Error;

/// A decoded mask: ids as stored, palettes not looked up, or colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawMask {
    /// One id for each pixel.
    Ids(LabelMap),
    /// One colour for each pixel.
    Colors(RgbImage),
}

impl RawMask {
    /// Reads a PNG (indexed, grey of up to 16 bits, RGB), BMP or TIFF (grey, RGB).
    pub(crate) fn read(path: &Path, limits: &DecodeLimits) -> Result<Self, Error> {
        let bytes = read_bounded(path, limits.max_bytes)?;
        let invalid = |problem: String| Error::Invalid {
            path: path.to_path_buf(),
            problem,
        };
        let named = |error: upernet_image::Error| {
            let message = error.to_string();
            invalid(
                message
                    .strip_prefix("the given bytes: ")
                    .unwrap_or(&message)
                    .to_owned(),
            )
        };
        match guess_format(&bytes) {
            Ok(ImageFormat::Png) => match decode_label_png(&bytes, limits) {
                Ok(labels) => Ok(Self::Ids(labels)),
                Err(upernet_image::Error::NotLabels { .. }) => {
                    Ok(Self::Colors(decode_image(&bytes, limits).map_err(named)?))
                }
                Err(error) => Err(named(error)),
            },
            Ok(ImageFormat::Bmp) => {
                let mut decoder = BmpDecoder::new(Cursor::new(&bytes))
                    .map_err(|error| invalid(one_line(&error.to_string())))?;
                // Otherwise a palette is looked up, and ids become colours.
                decoder.set_indexed_color(true);
                read_samples(decoder, limits).map_err(invalid)
            }
            Ok(ImageFormat::Tiff) => {
                let mut reader = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Tiff);
                reader.limits(allocation(limits));
                let decoder = reader
                    .into_decoder()
                    .map_err(|error| invalid(one_line(&error.to_string())))?;
                read_samples(decoder, limits).map_err(invalid)
            }
            Ok(ImageFormat::Jpeg) => Err(invalid(
                "the mask is a JPEG, whose compression changes ids; export masks as PNG".to_owned(),
            )),
            _ if bytes.is_empty() => Err(invalid("is empty (0 bytes)".to_owned())),
            _ => Err(invalid(
                "is not a PNG, BMP or TIFF mask; export masks as PNG".to_owned(),
            )),
        }
    }

    /// Returns `[height, width]` in pixels.
    pub(crate) fn size(&self) -> [usize; 2] {
        match self {
            Self::Ids(labels) => labels.size(),
            Self::Colors(colors) => [colors.height() as usize, colors.width() as usize],
        }
    }

    /// Gives each pixel its class.
    pub(crate) fn classes(self, mapping: &LabelMapping, path: &Path) -> Result<LabelMap, Error> {
        let invalid = |problem: String| Error::Invalid {
            path: path.to_path_buf(),
            problem,
        };
        let size = self.size();
        let place =
            |index: usize| format!("at row {}, column {}", index / size[1], index % size[1]);
        let labels = match self {
            Self::Ids(labels) => {
                let mut labels = labels.into_labels();
                if let Some((index, id)) = map_ids(&mut labels, mapping) {
                    return Err(invalid(unknown_id(id, &place(index), mapping)));
                }
                labels
            }
            Self::Colors(_) if !mapping.has_colors() => return Err(invalid(NO_COLORS.to_owned())),
            Self::Colors(colors) => {
                map_colors(&colors, mapping).map_err(|(index, [red, green, blue])| {
                    invalid(format!(
                        "colour {red},{green},{blue} {} has no class; map it under [colors] in \
                    label_map.toml, or look for anti-aliased edges",
                        place(index)
                    ))
                })?
            }
        };
        Ok(LabelMap::new(size, labels)?)
    }
}

/// Said of RGB masks where colours have no meaning.
pub(crate) const NO_COLORS: &str = "the mask has colours, and no colour map says which classes they are; \
    list them under [colors] in label_map.toml, or export ids";

fn unknown_id(id: u16, place: &str, mapping: &LabelMapping) -> String {
    let last = mapping.num_classes() - 1;
    format!(
        "id {id} {place} is neither a class (0 to {last}) nor mapped to one; map or ignore it in \
         label_map.toml, or set num_classes"
    )
}

/// Replaces ids by classes, in place; returns the first pixel whose id has none.
fn map_ids(labels: &mut [u16], mapping: &LabelMapping) -> Option<(usize, u16)> {
    // Neighbours are mostly alike, so the last answer is kept.
    let mut last = None;
    for (index, label) in labels.iter_mut().enumerate() {
        let class = match last {
            Some((id, class)) if id == *label => class,
            _ => match mapping.class_of_id(*label) {
                Some(class) => class,
                None => return Some((index, *label)),
            },
        };
        last = Some((*label, class));
        *label = class;
    }
    None
}

fn map_colors(colors: &RgbImage, mapping: &LabelMapping) -> Result<Vec<u16>, (usize, [u8; 3])> {
    let mut last = None;
    let mut labels = Vec::with_capacity(colors.len() / 3);
    for (index, pixel) in colors.pixels().enumerate() {
        let class = match last {
            Some((color, class)) if color == pixel.0 => class,
            _ => mapping.class_of_color(pixel.0).ok_or((index, pixel.0))?,
        };
        last = Some((pixel.0, class));
        labels.push(class);
    }
    Ok(labels)
}

fn allocation(limits: &DecodeLimits) -> Limits {
    let mut inner = Limits::no_limits();
    inner.max_alloc = Some(limits.max_bytes);
    inner
}

fn read_samples(decoder: impl ImageDecoder, limits: &DecodeLimits) -> Result<RawMask, String> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > limits.max_side
        || pixels > limits.max_pixels
        || decoder.total_bytes() > limits.max_bytes
    {
        return Err(format!("{width} x {height} pixels are over the limits"));
    }
    let picture =
        DynamicImage::from_decoder(decoder).map_err(|error| one_line(&error.to_string()))?;
    let labels = match picture {
        DynamicImage::ImageLuma8(grey) => grey.into_raw().into_iter().map(u16::from).collect(),
        DynamicImage::ImageLuma16(grey) => grey.into_raw(),
        DynamicImage::ImageRgb8(colors) => return Ok(RawMask::Colors(colors)),
        DynamicImage::ImageRgba8(_) => return Ok(RawMask::Colors(picture.into_rgb8())),
        other => {
            return Err(format!(
                "{:?} pixels are no ids; export masks as PNG",
                other.color()
            ));
        }
    };
    let labels = LabelMap::new([height as usize, width as usize], labels)
        .map_err(|error| error.to_string())?;
    Ok(RawMask::Ids(labels))
}
