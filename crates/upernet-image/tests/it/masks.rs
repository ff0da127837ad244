//! PNG masks of every bit depth: the ids that numpy wrote come back, whatever the palette says.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use crate::common::{fixture_path, integers, read};
use rstest::rstest;
use safetensors::SafeTensors;
use upernet_image::{DecodeLimits, read_label_png};

#[rstest]
fn ids_are_read_as_stored(
    #[values(
        "mask_palette_1.png",
        "mask_palette_2.png",
        "mask_palette_4.png",
        "mask_palette_8.png",
        "mask_grey_1.png",
        "mask_grey_8.png",
        "mask_grey_16.png"
    )]
    name: &str,
) {
    let file = read(&fixture_path("masks.safetensors"));
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let (shape, expected) = integers(&tensors, name);
    let labels = read_label_png(fixture_path(name), &DecodeLimits::default()).unwrap();
    assert_eq!(labels.size(), shape[..]);
    assert!(
        labels
            .labels()
            .iter()
            .map(|&label| i64::from(label))
            .eq(expected)
    );
}
