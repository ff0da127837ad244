//! Photos of every accepted kind against Pillow's RGB (`scripts/make_image_fixtures.py`).
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use crate::common::fixture_path;
use rstest::rstest;
use safetensors::SafeTensors;
use upernet_image::{DecodeLimits, image, read_image};

/// Tolerances: 0 for lossless files; for JPEG and lossy WebP what two right inverse transforms and
/// chroma upsamplers may differ by on this smooth picture.
#[rstest]
#[case::png("rgb.png", 0)]
#[case::png_grey("grey.png", 0)]
#[case::png_grey_alpha("grey_alpha.png", 0)]
#[case::png_alpha_dropped("rgba.png", 0)]
#[case::png_sixteen_bits("grey16.png", 0)]
#[case::png_one_bit("one_bit.png", 0)]
#[case::png_palette("palette.png", 0)]
#[case::png_palette_transparent("palette_transparent.png", 0)]
#[case::png_turned("orientation_6.png", 0)]
#[case::jpeg("rgb.jpg", 3)]
#[case::jpeg_progressive_subsampled("rgb_420_progressive.jpg", 6)]
#[case::jpeg_grey("grey.jpg", 1)]
#[case::jpeg_cmyk("cmyk.jpg", 4)]
#[case::jpeg_upright("orientation_1.jpg", 6)]
#[case::jpeg_mirrored("orientation_2.jpg", 6)]
#[case::jpeg_upside_down("orientation_3.jpg", 6)]
#[case::jpeg_flipped("orientation_4.jpg", 6)]
#[case::jpeg_transposed("orientation_5.jpg", 6)]
#[case::jpeg_turned_right("orientation_6.jpg", 6)]
#[case::jpeg_transversed("orientation_7.jpg", 6)]
#[case::jpeg_turned_left("orientation_8.jpg", 6)]
#[case::bmp("rgb.bmp", 0)]
#[case::bmp_grey("grey.bmp", 0)]
#[case::gif("rgb.gif", 0)]
#[case::gif_first_frame("animated.gif", 0)]
#[case::webp_lossless("lossless.webp", 0)]
#[case::webp_turned("orientation_6.webp", 0)]
#[case::webp_lossy("lossy.webp", 6)]
#[case::tiff("rgb.tif", 0)]
#[case::tiff_sixteen_bits("grey16.tif", 0)]
#[case::tiff_cmyk("cmyk.tif", 1)]
#[case::tiff_turned("orientation_6.tif", 0)]
fn equal_to_pillow(#[case] name: &str, #[case] tolerance: u8) {
    let bytes = std::fs::read(fixture_path("expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let expected = tensors.tensor(name).unwrap();
    let photo = read_image(fixture_path(name), &DecodeLimits::default()).unwrap();
    let shape = [photo.height() as usize, photo.width() as usize, 3];
    assert_eq!(expected.shape(), shape);
    let difference = photo
        .as_raw()
        .iter()
        .zip(expected.data())
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap();
    assert!(
        difference <= tolerance,
        "largest difference {difference}, allowed {tolerance}"
    );
}

#[test]
fn the_extension_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("really_a_png.jpg");
    std::fs::copy(fixture_path("rgb.png"), &path).unwrap();
    let limits = DecodeLimits::default();
    let expected = read_image(fixture_path("rgb.png"), &limits).unwrap();
    assert_eq!(read_image(&path, &limits).unwrap(), expected);
}

#[test]
fn colour_samples_of_sixteen_bits_keep_their_high_byte() {
    let wide = image::ImageBuffer::<image::Rgb<u16>, _>::from_raw(
        2,
        1,
        vec![0x0000, 0x00FF, 0x0100, 0x7FFF, 0xFF00, 0xFFFF],
    )
    .unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    wide.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let photo = upernet_image::decode_image(bytes.get_ref(), &DecodeLimits::default()).unwrap();
    assert_eq!(photo.into_raw(), [0, 0, 1, 0x7F, 0xFF, 0xFF]);
}
