//! RGB pictures to PNG files.

use std::path::Path;

use image::RgbImage;

use crate::{Error, Overwrite, write_atomically};

/// Encodes a picture as an 8-bit RGB PNG.
///
/// # Errors
///
/// [`Error::BadSize`] if a side is zero.
///
/// ```
/// use upernet_image::{encode_png, image::RgbImage};
///
/// assert!(encode_png(&RgbImage::new(2, 2))?.starts_with(b"\x89PNG"));
/// assert!(encode_png(&RgbImage::new(0, 2)).is_err());
/// # Ok::<(), upernet_image::Error>(())
/// ```
pub fn encode_png(photo: &RgbImage) -> Result<Vec<u8>, Error> {
    let (width, height) = photo.dimensions();
    let encoder = PngEncoder {
        color: png::ColorType::Rgb,
        depth: png::BitDepth::Eight,
    };
    encoder.encode([height, width], None, photo.as_raw())
}

/// Writes a picture as an 8-bit RGB PNG file.
///
/// # Errors
///
/// Those of [`encode_png`] and of [`write_atomically`].
///
/// ```
/// use upernet_image::{DecodeLimits, Overwrite, image::RgbImage, read_image, write_png};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("black.png");
/// write_png(&path, &RgbImage::new(4, 3), Overwrite::Refuse)?;
/// assert_eq!(read_image(&path, &DecodeLimits::default())?, RgbImage::new(4, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_png(
    path: impl AsRef<Path>,
    photo: &RgbImage,
    overwrite: Overwrite,
) -> Result<(), Error> {
    let bytes = encode_png(photo)?;
    write_atomically(path, overwrite, |file| file.write_all(&bytes))
}

/// The layout of a PNG to encode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PngEncoder {
    pub(crate) color: png::ColorType,
    pub(crate) depth: png::BitDepth,
}

impl PngEncoder {
    /// Encodes samples in PNG's own order (rows from the top, 16-bit samples big-endian).
    pub(crate) fn encode(
        self,
        [height, width]: [u32; 2],
        palette: Option<Vec<u8>>,
        samples: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(self.color);
        encoder.set_depth(self.depth);
        encoder.set_compression(png::Compression::Fast);
        if let Some(palette) = palette {
            encoder.set_palette(palette);
        }
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(samples)?;
            writer.finish()
        });
        // Memory does not fail to be written to, so what is left are sizes that PNG cannot express.
        written.map_err(|_| Error::BadSize {
            what: "picture to encode as PNG",
            size: vec![height as usize, width as usize],
        })?;
        Ok(bytes)
    }
}
