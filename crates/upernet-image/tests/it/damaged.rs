//! Hostile and damaged files: one line that names the file, the right kind, no large allocation.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use std::path::Path;

use crate::common::{fixture_path, read};
use proptest::prelude::*;
use rstest::rstest;
use upernet_image::{
    DecodeLimits, Error, ErrorKind, decode_image, decode_label_png, image::RgbImage, read_image,
    read_label_png,
};

/// Writes `bytes` as `name` in a folder of its own and reads it as a photo.
fn read_bytes(name: &str, bytes: &[u8]) -> Result<RgbImage, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read_image(&path, &DecodeLimits::default())
}

#[track_caller]
fn assert_one_line(error: &Error, kind: ErrorKind, name: &str) {
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    assert!(message.contains(name), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

/// A PNG that is only a signature and a header chunk, checksum right.
fn png_header(width: u32, height: u32, color: u8) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
    chunk.extend([8, color, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0D".to_vec();
    bytes.extend(&chunk);
    bytes.extend(crc32(&chunk).to_be_bytes());
    bytes.extend(b"\0\0\0\x10IDAT");
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn a_header_of_ten_thousand_megapixels_is_too_large() {
    let error = read_bytes("bomb.png", &png_header(100_000, 100_000, 2)).unwrap_err();
    assert_one_line(
        &error,
        ErrorKind::TooLarge,
        "bomb.png: 100000 x 100000 pixels",
    );
    let error = read_bytes("wide.png", &png_header(60_000, 60_000, 2)).unwrap_err();
    assert_one_line(
        &error,
        ErrorKind::TooLarge,
        "over the limit of 100000000 pixels",
    );
    let error =
        decode_label_png(&png_header(60_000, 60_000, 0), &DecodeLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[rstest]
#[case::jpeg("rgb.jpg")]
#[case::png("rgb.png")]
#[case::gif("rgb.gif")]
#[case::bmp("rgb.bmp")]
#[case::tiff("rgb.tif")]
#[case::webp("lossy.webp")]
fn limits_hold_in_every_format(#[case] name: &str) {
    // The pictures are 34 x 21.
    let whole = DecodeLimits {
        max_pixels: 34 * 21,
        max_side: 34,
        ..DecodeLimits::default()
    };
    assert!(read_image(fixture_path(name), &whole).is_ok());
    for limits in [
        DecodeLimits {
            max_pixels: 34 * 21 - 1,
            ..whole
        },
        DecodeLimits {
            max_side: 33,
            ..whole
        },
        DecodeLimits {
            max_bytes: 34 * 21 * 3 - 1,
            ..whole
        },
        DecodeLimits {
            max_bytes: 100,
            ..whole
        },
    ] {
        let error = read_image(fixture_path(name), &limits).unwrap_err();
        assert_one_line(&error, ErrorKind::TooLarge, name);
    }
}

#[rstest]
#[case::jpeg("rgb.jpg", 1)]
#[case::jpeg_progressive("rgb_420_progressive.jpg", 1)]
#[case::jpeg_with_exif("orientation_6.jpg", 1)]
#[case::png("rgb.png", 16)]
#[case::png_palette("palette.png", 16)]
#[case::gif("rgb.gif", 3)]
#[case::bmp("rgb.bmp", 1)]
#[case::webp_lossy("lossy.webp", 2)]
#[case::webp_lossless("lossless.webp", 2)]
fn every_cut_is_bad_data(#[case] name: &str, #[case] may_miss: usize) {
    // The last bytes of some formats carry no picture: PNG's end chunk and checksum, GIF's
    // block terminator and trailer (Pillow reads these too).
    let whole = read(&fixture_path(name));
    for length in 0..=whole.len() - may_miss {
        let error = read_bytes(name, &whole[..length]).expect_err(&format!("cut at {length}"));
        assert_one_line(&error, ErrorKind::BadData, name);
    }
}

#[test]
fn a_cut_tiff_is_bad_data() {
    // Pillow writes the directory behind the picture, so every cut loses it.
    let whole = read(&fixture_path("rgb.tif"));
    for length in (0..whole.len() - 64).step_by(7) {
        let error = read_bytes("cut.tif", &whole[..length]).expect_err(&format!("cut at {length}"));
        assert_one_line(&error, ErrorKind::BadData, "cut.tif");
    }
}

#[test]
fn empty_missing_and_unreadable_are_told_apart() {
    assert_one_line(
        &read_bytes("a.jpg", &[]).unwrap_err(),
        ErrorKind::BadData,
        "a.jpg: is empty",
    );
    let text = read_bytes("notes.png", b"dear diary").unwrap_err();
    assert_one_line(&text, ErrorKind::BadData, "notes.png: is not a JPEG, PNG");
    let limits = DecodeLimits::default();
    let missing = read_image("no/such/file.jpg", &limits).unwrap_err();
    assert_one_line(
        &missing,
        ErrorKind::NotFound,
        "no/such/file.jpg: no such file",
    );
    let missing = read_label_png("no/such/mask.png", &limits).unwrap_err();
    assert_one_line(&missing, ErrorKind::NotFound, "no/such/mask.png");
}

#[test]
fn a_folder_is_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "{}: is a folder; give the path of a file",
        folder.path().display()
    );
    let limits = DecodeLimits::default();
    let photo = read_image(folder.path(), &limits).unwrap_err();
    assert_one_line(&photo, ErrorKind::BadData, &line);
    let mask = read_label_png(folder.path(), &limits).unwrap_err();
    assert_one_line(&mask, ErrorKind::BadData, &line);
}

/// Opening the pipe would wait for somebody to write into it, reading the device would not end.
#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_unopened() {
    let folder = tempfile::tempdir().unwrap();
    let [pipe, device] = ["pipe.png", "link.png"].map(|name| folder.path().join(name));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
    let limits = DecodeLimits::default();
    for path in [&*pipe, &*device, Path::new("/dev/null")] {
        let line = format!("{}: is a pipe, a device or the like", path.display());
        let photo = read_image(path, &limits).unwrap_err();
        assert_one_line(&photo, ErrorKind::BadData, &line);
        let mask = read_label_png(path, &limits).unwrap_err();
        assert_one_line(&mask, ErrorKind::BadData, &line);
    }
}

/// The length of such a file reads as zero, so what is read has to be counted.
#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_length_is_bounded() {
    let limits = DecodeLimits {
        max_bytes: 10,
        ..DecodeLimits::default()
    };
    let error = read_image(Path::new("/proc/self/status"), &limits).unwrap_err();
    assert_one_line(
        &error,
        ErrorKind::TooLarge,
        "/proc/self/status: needs more than the limit of 10",
    );
}

#[rstest]
#[case::rgb("rgb.png", "RGB colours")]
#[case::rgba("rgba.png", "RGBA colours")]
#[case::grey_alpha("grey_alpha.png", "grey and alpha colours")]
fn color_masks_are_refused(#[case] name: &str, #[case] words: &str) {
    let error = read_label_png(fixture_path(name), &DecodeLimits::default()).unwrap_err();
    assert_one_line(&error, ErrorKind::BadData, name);
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn a_mask_must_be_a_whole_png() {
    let limits = DecodeLimits::default();
    let error = read_label_png(fixture_path("rgb.bmp"), &limits).unwrap_err();
    assert_one_line(&error, ErrorKind::BadData, "rgb.bmp: is not a PNG image");
    let whole = read(&fixture_path("mask_palette_8.png"));
    for length in 0..=whole.len() - 16 {
        let error = decode_label_png(&whole[..length], &limits).expect_err("cut");
        assert_one_line(&error, ErrorKind::BadData, "the given bytes");
    }
}

proptest! {
    /// Whatever is changed in a file, reading it ends in a picture or in an error, never in a panic.
    #[test]
    fn flipped_bytes_never_panic(
        name in proptest::sample::select(vec![
            "rgb.jpg", "rgb_420_progressive.jpg", "cmyk.jpg", "orientation_6.jpg", "rgb.png",
            "palette.png", "grey16.png", "rgb.gif", "animated.gif", "rgb.bmp", "rgb.tif",
            "cmyk.tif", "lossy.webp", "lossless.webp", "mask_palette_2.png", "mask_grey_16.png",
        ]),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = read(&fixture_path(name));
        for (index, value) in flips {
            let place = index.index(bytes.len());
            bytes[place] = value;
        }
        let limits = DecodeLimits { max_pixels: 4_000_000, max_bytes: 1 << 26, ..DecodeLimits::default() };
        if let Ok(photo) = decode_image(&bytes, &limits) {
            prop_assert!(u64::from(photo.width()) * u64::from(photo.height()) <= limits.max_pixels);
        }
        if let Ok(labels) = decode_label_png(&bytes, &limits) {
            prop_assert!(!labels.labels().is_empty());
        }
    }
}
