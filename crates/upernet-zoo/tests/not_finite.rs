//! Weights with a value that is no number are refused by whatever reads them, with the tensor's name.

#[path = "support/golden.rs"]
mod golden;

use std::{fs, path::Path};

use burn::tensor::Device;
use upernet_zoo::{
    BuildOptions, ConvertOptions, HubTensors, convert,
    hf::{BackboneFolder, ModelFolder},
    key_report, load,
    start::from_backbone,
};

use crate::golden::{golden, spoil};

/// Of the backbone, which is read before the heads.
const KEY: &str = "backbone.encoder.stages.2.layers.0.pwconv1.weight";

fn expected(folder: &Path, key: &str, found: &str) -> String {
    format!(
        "{}: tensor \"{key}\" holds {found}, so the network would find nothing anywhere; its training \
         diverged, or its file is damaged",
        folder.join("model.safetensors").display()
    )
}

#[test]
fn the_first_such_tensor_is_named() {
    let folder = golden("convnext");
    let line = || {
        let open = ModelFolder::open(folder.path()).expect("a readable folder");
        load(&open, &Device::flex())
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(line(), Ok(()));
    let last = "decode_head.classifier.bias";
    spoil(folder.path(), last, 1, f32::NEG_INFINITY);
    assert_eq!(
        line(),
        Err(expected(folder.path(), last, "infinity at element 1"))
    );
    spoil(folder.path(), KEY, 100, f32::NAN);
    assert_eq!(
        line(),
        Err(expected(folder.path(), KEY, "NaN at element 100"))
    );
}

/// As after a step of training whose loss was none: batch normalisation goes first.
#[test]
fn running_statistics_count_as_weights() {
    let folder = golden("swin");
    let key = "decode_head.bottleneck.batch_norm.running_var";
    spoil(folder.path(), key, 0, f32::NAN);
    let open = ModelFolder::open(folder.path()).expect("a readable folder");
    let error = load(&open, &Device::flex())
        .map(drop)
        .expect_err("it is NaN");
    assert_eq!(
        error.to_string(),
        expected(folder.path(), key, "NaN at element 0")
    );
}

#[test]
fn a_negative_variance_is_refused() {
    let folder = golden("swin");
    let key = "decode_head.bottleneck.batch_norm.running_var";
    spoil(folder.path(), key, 3, -1e-3);
    let open = ModelFolder::open(folder.path()).expect("a readable folder");
    let error = load(&open, &Device::flex()).map(drop);
    let message = error.expect_err("its root is none").to_string();
    let part = format!("tensor \"{key}\" holds a negative variance at element 3");
    assert!(message.contains(&part), "{message}");
}

/// What a header says is enough to know it.
#[test]
fn whole_numbers_are_no_weights() {
    let folder = golden("swin");
    let path = folder.path().join("model.safetensors");
    let key = "decode_head.classifier.bias";
    let file = fs::read(&path).expect("saved weights");
    let (length, rest) = file.split_first_chunk::<8>().expect("a header");
    let length = usize::try_from(u64::from_le_bytes(*length)).expect("small");
    let mut header: serde_json::Value = serde_json::from_slice(&rest[..length]).expect("JSON");
    header[key]["dtype"] = "I32".into();
    let header = header.to_string();
    let mut other = (header.len() as u64).to_le_bytes().to_vec();
    other.extend(header.as_bytes());
    other.extend(&rest[length..]);
    fs::write(&path, other).expect("writable");
    let open = ModelFolder::open(folder.path()).expect("a readable folder");
    let error = key_report(&open, &Device::flex()).map(drop);
    let message = error.expect_err("nobody could load it").to_string();
    let part = format!("tensor \"{key}\" has elements of type I32");
    assert!(message.contains(&part), "{message}");
}

#[test]
fn conversion_export_and_a_start_of_training_refuse_them_too() {
    let (folder, device) = (golden("convnext"), Device::flex());
    let made = tempfile::tempdir().expect("a temporary folder");
    spoil(folder.path(), KEY, 7, f32::NAN);
    let expected = expected(folder.path(), KEY, "NaN at element 7");

    let options = ConvertOptions::default();
    let error = convert(folder.path(), made.path(), &options, &device).map(drop);
    assert_eq!(error.expect_err("it is NaN").to_string(), expected);
    assert!(
        !made.path().join("model.safetensors").exists(),
        "nothing is half written"
    );

    let open = ModelFolder::open(folder.path()).expect("a readable folder");
    let tensors = HubTensors::open(&open, &device).expect("names and shapes fit");
    let error = tensors.read(KEY).expect_err("it is NaN");
    assert_eq!(error.to_string(), expected);

    let backbone = BackboneFolder::open(folder.path()).expect("a readable folder");
    let options = BuildOptions::default();
    let error = from_backbone(&backbone, &open.config, &options, &device).map(drop);
    assert_eq!(error.expect_err("it is NaN").to_string(), expected);
}
