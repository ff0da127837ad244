//! Label maps to PNG masks with a palette.

use std::path::Path;

use png::{BitDepth, ColorType};

use crate::photo_png::PngEncoder;
use crate::{Error, LabelMap, Overwrite, Palette, write_atomically};

const MOST_INDEXED: usize = 256;

/// Encodes a label map as PNG, `palette` having one colour for each class.
///
/// Up to 256 classes give an 8-bit indexed picture, which is mask and picture at once; ids beyond the
/// palette (such as 255 for "ignore") are kept and shown black. More classes give a 16-bit grey picture
/// without a palette.
///
/// # Errors
///
/// [`Error::LabelOutOfRange`] if an id over 255 meets a palette of at most 256 classes,
/// [`Error::BadSize`] if a side is zero.
///
/// ```
/// use upernet_image::{DecodeLimits, LabelMap, Palette, decode_image, decode_label_png, encode_label_png};
///
/// let labels = LabelMap::new([1, 2], vec![1, 0])?;
/// let palette = Palette::new(vec![[9, 9, 9], [250, 0, 0]]);
/// let bytes = encode_label_png(&labels, &palette)?;
/// assert_eq!(decode_label_png(&bytes, &DecodeLimits::default())?, labels);
/// assert_eq!(decode_image(&bytes, &DecodeLimits::default())?.into_raw(), [250, 0, 0, 9, 9, 9]);
/// # Ok::<(), upernet_image::Error>(())
/// ```
pub fn encode_label_png(labels: &LabelMap, palette: &Palette) -> Result<Vec<u8>, Error> {
    let [height, width] = labels.size();
    let size = match (u32::try_from(height), u32::try_from(width)) {
        (Ok(height), Ok(width)) => [height, width],
        _ => {
            return Err(Error::BadSize {
                what: "label map",
                size: labels.size().to_vec(),
            });
        }
    };
    if palette.len() > MOST_INDEXED {
        let samples: Vec<u8> = labels
            .labels()
            .iter()
            .flat_map(|id| id.to_be_bytes())
            .collect();
        let encoder = PngEncoder {
            color: ColorType::Grayscale,
            depth: BitDepth::Sixteen,
        };
        return encoder.encode(size, None, &samples);
    }
    let samples = labels
        .labels()
        .iter()
        .map(|&label| {
            let num_labels = palette.len();
            u8::try_from(label).map_err(|_| Error::LabelOutOfRange { label, num_labels })
        })
        .collect::<Result<Vec<u8>, Error>>()?;
    let encoder = PngEncoder {
        color: ColorType::Indexed,
        depth: BitDepth::Eight,
    };
    encoder.encode(size, Some(full_palette(palette, &samples)), &samples)
}

/// Writes a label map as a PNG file: see [`encode_label_png`].
///
/// # Errors
///
/// Those of [`encode_label_png`] and of [`write_atomically`].
pub fn write_label_png(
    path: impl AsRef<Path>,
    labels: &LabelMap,
    palette: &Palette,
    overwrite: Overwrite,
) -> Result<(), Error> {
    let bytes = encode_label_png(labels, palette)?;
    write_atomically(path, overwrite, |file| file.write_all(&bytes))
}

/// The palette as bytes, made long enough for every sample: PNG forbids an index beyond it.
fn full_palette(palette: &Palette, samples: &[u8]) -> Vec<u8> {
    let used = samples
        .iter()
        .max()
        .map_or(1, |&largest| usize::from(largest) + 1);
    let mut bytes = palette.colors().as_flattened().to_vec();
    bytes.resize(3 * used.max(palette.len()), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{DecodeLimits, ErrorKind, decode_label_png};

    #[rstest]
    #[case::two_classes(2, vec![0, 1, 1, 0, 255, 0])]
    #[case::full_palette(256, vec![0, 255, 128, 7, 8, 9])]
    #[case::sixteen_bits(257, vec![0, 256, 65_535, 255, 1, 2])]
    fn labels_survive(#[case] num_labels: usize, #[case] ids: Vec<u16>) {
        let labels = LabelMap::new([2, 3], ids).unwrap();
        let bytes = encode_label_png(&labels, &Palette::generated(num_labels)).unwrap();
        assert_eq!(
            decode_label_png(&bytes, &DecodeLimits::default()).unwrap(),
            labels
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let labels = LabelMap::new([1, 1], vec![256]).unwrap();
        let error = encode_label_png(&labels, &Palette::generated(20)).unwrap_err();
        let message = "label 256 does not fit an 8-bit label PNG of 20 classes";
        assert_eq!(error.to_string(), message);
        let empty = LabelMap::new([0, 7], vec![]).unwrap();
        let error = encode_label_png(&empty, &Palette::generated(2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
