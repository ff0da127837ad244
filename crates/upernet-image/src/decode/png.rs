//! PNG photos, without the parts of the file that no pixel depends on.
//!
//! `image`'s own decoder inflates the colour profile before anyone asks for it, and 1 MB of a file can
//! hold 1 GB of profile. Nothing here reads profiles or texts, so they are passed over as they lie.

use std::io::Cursor;

use image::error::{
    DecodingError, ImageError, ImageResult, LimitError, LimitErrorKind, ParameterError,
    ParameterErrorKind,
};
use image::{ColorType, ImageDecoder, ImageFormat};
use png::{BitDepth, Decoder, Limits, Reader, Transformations};

/// A PNG whose header was read; palettes are looked up, and samples of less than 8 bits spread.
pub(super) struct PngPhoto<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    color_type: ColorType,
}

impl<'a> PngPhoto<'a> {
    /// Reads what stands before the pixels, keeping at most `max_bytes` of it.
    pub(super) fn new(bytes: &'a [u8], max_bytes: u64) -> ImageResult<Self> {
        let limits = Limits {
            bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
        };
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_transformations(Transformations::EXPAND);
        let reader = decoder.read_info().map_err(image_error)?;
        let color_type = color_type(reader.output_color_type());
        Ok(Self { reader, color_type })
    }
}

impl ImageDecoder for PngPhoto<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.reader.info().size()
    }

    fn color_type(&self) -> ColorType {
        self.color_type
    }

    fn exif_metadata(&mut self) -> ImageResult<Option<Vec<u8>>> {
        let exif = self.reader.info().exif_metadata.as_ref();
        Ok(exif.map(|exif| exif.to_vec()))
    }

    fn read_image(mut self, samples: &mut [u8]) -> ImageResult<()> {
        self.reader.next_frame(samples).map_err(image_error)?;
        let (_, BitDepth::Sixteen) = self.reader.output_color_type() else {
            return Ok(());
        };
        let (wide, _) = samples.as_chunks_mut::<2>();
        for sample in wide {
            *sample = u16::from_be_bytes(*sample).to_ne_bytes();
        }
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, samples: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(samples)
    }
}

/// What the decoder hands out once it has expanded palettes and packed samples.
fn color_type((color, depth): (png::ColorType, BitDepth)) -> ColorType {
    let wide = depth == BitDepth::Sixteen;
    match color {
        png::ColorType::Grayscale if wide => ColorType::L16,
        png::ColorType::Grayscale => ColorType::L8,
        png::ColorType::GrayscaleAlpha if wide => ColorType::La16,
        png::ColorType::GrayscaleAlpha => ColorType::La8,
        png::ColorType::Rgba if wide => ColorType::Rgba16,
        png::ColorType::Rgba => ColorType::Rgba8,
        png::ColorType::Rgb if wide => ColorType::Rgb16,
        png::ColorType::Rgb | png::ColorType::Indexed => ColorType::Rgb8,
    }
}

fn image_error(error: png::DecodingError) -> ImageError {
    match error {
        png::DecodingError::IoError(error) => ImageError::IoError(error),
        error @ png::DecodingError::Format(_) => {
            ImageError::Decoding(DecodingError::new(ImageFormat::Png.into(), error))
        }
        error @ png::DecodingError::Parameter(_) => ImageError::Parameter(
            ParameterError::from_kind(ParameterErrorKind::Generic(error.to_string())),
        ),
        png::DecodingError::LimitsExceeded => {
            ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    /// A red pixel whose file has a profile of `bytes` zeros, and as long a text.
    fn with_profile_and_text(bytes: usize) -> Vec<u8> {
        let mut info = png::Info::with_size(1, 1);
        info.color_type = png::ColorType::Rgb;
        info.bit_depth = BitDepth::Eight;
        info.icc_profile = Some(Cow::Owned(vec![0; bytes]));
        let mut file = Vec::new();
        let mut encoder = png::Encoder::with_info(&mut file, info).unwrap();
        let text = "x".repeat(bytes);
        encoder.add_ztxt_chunk("Comment".to_owned(), text).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[250, 1, 2]).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn profiles_and_texts_are_never_inflated() {
        let file = with_profile_and_text(1 << 20);
        // The files would not tell if their encoder had left them out.
        let usual = Decoder::new(Cursor::new(&file[..])).read_info().unwrap();
        assert_eq!(
            usual
                .info()
                .icc_profile
                .as_ref()
                .map(|profile| profile.len()),
            Some(1 << 20)
        );
        assert_eq!(usual.info().compressed_latin1_text.len(), 1);

        let photo = PngPhoto::new(&file, 1 << 30).unwrap();
        assert_eq!(photo.reader.info().icc_profile, None);
        assert!(photo.reader.info().compressed_latin1_text.is_empty());
        let mut pixel = [0; 3];
        photo.read_image(&mut pixel).unwrap();
        assert_eq!(pixel, [250, 1, 2]);
    }
}
