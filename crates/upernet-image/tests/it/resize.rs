//! Resizing against Pillow, bit for bit, at every size and filter of `resize.json`.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use std::collections::BTreeMap;

use crate::common::{fixture_path, read};
use serde_json::Value;
use upernet_image::{Resample, image::RgbImage, resize_photo};

#[test]
fn equal_to_pillow_bit_for_bit() {
    let cases: Vec<Value> = serde_json::from_slice(&read(&fixture_path("resize.json"))).unwrap();
    let mut checked = BTreeMap::new();
    for case in &cases {
        let [size, target] = ["size", "target"].map(|key| sides(&case[key]));
        let (filter, resample) = filter(case["filter"].as_str().unwrap());
        let resized = resize_photo(&noise(size), target, resample).unwrap();
        let found = format!("{:016x}", checksum(resized.as_raw()));
        assert_eq!(
            found, case["checksum"],
            "{filter} from {size:?} to {target:?}"
        );
        *checked.entry(filter).or_insert(0) += 1;
    }
    assert_eq!(checked.len(), 6);
    assert!(
        checked["bilinear"] >= 60 && checked.values().all(|&count| count >= 20),
        "{checked:?}"
    );
}

fn sides(value: &Value) -> [usize; 2] {
    [0, 1].map(|axis| usize::try_from(value[axis].as_u64().unwrap()).unwrap())
}

fn filter(name: &str) -> (&str, Resample) {
    let number = match name {
        "nearest" => 0,
        "lanczos" => 1,
        "bilinear" => 2,
        "bicubic" => 3,
        "box" => 4,
        _ => 5,
    };
    (name, Resample::try_from(number).unwrap())
}

/// The photo that the script made from the same formula.
fn noise([height, width]: [usize; 2]) -> RgbImage {
    let [rows, columns] = [height, width].map(|side| u32::try_from(side).unwrap());
    let sample = |index: u32| {
        let mut hash = index.wrapping_add(columns).wrapping_mul(2_654_435_761);
        hash ^= hash >> 15;
        hash = hash.wrapping_mul(2_246_822_519);
        hash ^= hash >> 13;
        (hash >> 11).to_le_bytes()[0]
    };
    let samples = (0..rows * columns * 3).map(sample).collect();
    RgbImage::from_raw(columns, rows, samples).unwrap()
}

/// The script's position-dependent sum.
fn checksum(samples: &[u8]) -> u64 {
    (1_u64..)
        .zip(samples)
        .fold(0, |sum: u64, (place, &sample)| {
            let weight = place.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            sum.wrapping_add(u64::from(sample).wrapping_mul(weight))
        })
}
