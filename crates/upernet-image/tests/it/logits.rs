//! The fused post-processing against torch's two `interpolate` calls and argmax.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use crate::common::{fixture_path, floats, integers, read};
use rstest::rstest;
use safetensors::SafeTensors;
use upernet_image::Logits;

#[rstest]
fn equal_to_torch(#[values("up", "down", "odd")] case: &str) {
    let file = read(&fixture_path("logits.safetensors"));
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let (shape, values) = floats(&tensors, &format!("{case}.logits"));
    let (_, model_size) = integers(&tensors, &format!("{case}.model_size"));
    let model_size = [0, 1].map(|axis| usize::try_from(model_size[axis]).unwrap());
    let (full_shape, expected) = floats(&tensors, &format!("{case}.resized"));
    let target = [full_shape[1], full_shape[2]];

    let logits = Logits::new(&values, shape[0], [shape[1], shape[2]]).unwrap();
    let resized = logits.resized(model_size, target).unwrap();
    let largest = resized
        .iter()
        .zip(&expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(
        resized.len() == expected.len() && largest < 2e-6,
        "{largest}"
    );

    let (_, expected) = integers(&tensors, &format!("{case}.labels"));
    let labels = logits.argmax_resized(model_size, target).unwrap();
    assert!(
        labels
            .labels()
            .iter()
            .map(|&label| i64::from(label))
            .eq(expected)
    );
}
