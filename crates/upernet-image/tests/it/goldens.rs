//! The image processor and the post-processing of transformers, from golden folders.
//!
//! `UPERNET_GOLDENS` names the folder that holds `preprocess/` and `postprocess/`; without it, or where
//! that folder has none, the workspace's own `testdata/goldens` is used.
#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

use crate::common::{bytes, floats, golden_path, integers, read};
use rstest::rstest;
use safetensors::SafeTensors;
use serde_json::Value;
use upernet_image::{
    DecodeLimits, ImageProcessor, LabelMap, Logits, Resample, image::RgbImage, read_image,
};

/// The processor that the folder's `preprocessor_config.json` describes.
fn processor() -> ImageProcessor {
    let path = golden_path("preprocess/preprocessor_config.json");
    let config: Value = serde_json::from_slice(&read(&path)).unwrap();
    let side = |name: &str| usize::try_from(config["size"][name].as_u64().unwrap()).unwrap();
    let three = |name: &str| [0, 1, 2].map(|channel| config[name][channel].as_f64().unwrap());
    ImageProcessor {
        do_resize: config["do_resize"].as_bool().unwrap(),
        size: [side("height"), side("width")],
        resample: Resample::try_from(config["resample"].as_u64().unwrap()).unwrap(),
        do_rescale: config["do_rescale"].as_bool().unwrap(),
        rescale_factor: config["rescale_factor"].as_f64().unwrap(),
        do_normalize: config["do_normalize"].as_bool().unwrap(),
        image_mean: three("image_mean"),
        image_std: three("image_std"),
        do_reduce_labels: config["do_reduce_labels"].as_bool().unwrap(),
    }
}

fn photo(tensors: &SafeTensors<'_>, case: &str) -> RgbImage {
    let (shape, samples) = bytes(tensors, &format!("{case}.image"));
    let [height, width] = [0, 1].map(|axis| u32::try_from(shape[axis]).unwrap());
    RgbImage::from_raw(width, height, samples).unwrap()
}

fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[rstest]
#[case::down("down")]
#[case::up("up")]
#[case::mixed("mixed")]
fn preprocess(#[case] case: &str) {
    let file = read(&golden_path("preprocess/preprocess.safetensors"));
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let photo = photo(&tensors, case);
    let from_file = read_image(
        golden_path(&format!("preprocess/{case}.png")),
        &DecodeLimits::default(),
    );
    assert_eq!(from_file.unwrap(), photo);

    let input = processor().process(&photo).unwrap();
    for (backend, tolerance) in [("pil", 1e-6), ("torchvision", 0.02)] {
        let (shape, expected) = floats(&tensors, &format!("{case}.{backend}.pixel_values"));
        assert_eq!(shape, [1, 3, input.size[0], input.size[1]]);
        let difference = largest_difference(&input.pixels, &expected);
        assert!(
            difference <= tolerance,
            "{backend}: {difference}, allowed {tolerance}"
        );
    }

    let (shape, ids) = bytes(&tensors, &format!("{case}.segmentation_map"));
    let mask = LabelMap::new(
        [shape[0], shape[1]],
        ids.into_iter().map(u16::from).collect(),
    );
    let labels = processor().process_labels(&mask.unwrap()).unwrap();
    for backend in ["pil", "torchvision"] {
        let (shape, expected) = integers(&tensors, &format!("{case}.{backend}.labels"));
        assert_eq!(shape[1..], labels.size());
        assert!(
            labels
                .labels()
                .iter()
                .map(|&label| i64::from(label))
                .eq(expected),
            "{backend}"
        );
    }
}

#[test]
fn preprocess_with_the_published_settings() {
    let file = read(&golden_path("preprocess/preprocess.safetensors"));
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let input = ImageProcessor::default()
        .process(&photo(&tensors, "down"))
        .unwrap();
    for (backend, tolerance) in [("pil", 1e-6), ("torchvision", 0.02)] {
        let (shape, expected) = floats(&tensors, &format!("hub512.{backend}.pixel_values_stride"));
        let mut sampled = Vec::new();
        for channel in 0..3 {
            for row in (0..512).step_by(17) {
                let row = &input.pixels[(channel * 512 + row) * 512..][..512];
                sampled.extend(row.iter().step_by(19));
            }
        }
        assert_eq!(shape.iter().product::<usize>(), sampled.len());
        let difference = largest_difference(&sampled, &expected);
        assert!(
            difference <= tolerance,
            "{backend}: {difference}, allowed {tolerance}"
        );
    }
}

#[test]
fn postprocess() {
    let file = read(&golden_path("postprocess/postprocess.safetensors"));
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let case: Value = serde_json::from_slice(&read(&golden_path("postprocess/case.json"))).unwrap();
    let (shape, values) = floats(&tensors, "logits");
    let (num_labels, size) = (shape[1], [shape[2], shape[3]]);
    let targets = case["target_sizes"].as_array().unwrap();
    assert_eq!(targets.len(), shape[0]);
    for (index, target) in targets.iter().enumerate() {
        let count = num_labels * size[0] * size[1];
        let logits = Logits::new(&values[index * count..][..count], num_labels, size).unwrap();
        let target = [0, 1].map(|axis| usize::try_from(target[axis].as_u64().unwrap()).unwrap());
        for (name, target) in [("resized", target), ("plain", size)] {
            let labels = logits.argmax_resized(size, target).unwrap();
            let (shape, expected) = integers(&tensors, &format!("{name}.{index}"));
            assert_eq!(shape, target);
            let found = labels.labels().iter().map(|&label| i64::from(label));
            let wrong = found
                .zip(expected)
                .filter(|(found, expected)| found != expected)
                .count();
            assert_eq!(wrong, 0, "{name}.{index}");
        }
    }
}
