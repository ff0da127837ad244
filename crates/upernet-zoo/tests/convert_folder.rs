//! What a conversion leaves behind: a whole folder, or everything as it was.

#[path = "support/golden.rs"]
mod golden;

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use upernet_zoo::{
    ConvertOptions, Error, WeightFormat, convert,
    hf::{
        Error as FileError, Overwrite,
        weights::{Checkpoint, StoredAs, TensorError},
    },
};

use crate::golden::{golden, spoil};

const KEY: &str = "decode_head.classifier.bias";

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("it is there");
    let read = entries.map(|entry| {
        let entry = entry.expect("readable");
        let bytes = fs::read(entry.path()).expect("a file");
        (entry.file_name().to_string_lossy().into_owned(), bytes)
    });
    read.collect()
}

fn refused(source: &Path, destination: &Path, options: &ConvertOptions) -> Error {
    let done = convert(source, destination, options, &Device::flex());
    done.map(drop).expect_err("it is refused")
}

#[test]
fn a_refused_value_changes_nothing() {
    let (source, model) = (golden("swin"), golden("convnext"));
    spoil(source.path(), KEY, 0, f32::NAN);
    let before = files(model.path());
    for format in [WeightFormat::Safetensors, WeightFormat::Burnpack] {
        let mut options = ConvertOptions::default();
        options.format = format;
        let place = tempfile::tempdir().expect("a temporary folder");
        let new = place.path().join("new");
        let error = refused(source.path(), &new, &options);
        let is_value = matches!(
            &error,
            Error::File(FileError::Tensor {
                problem: TensorError::NotFinite { .. },
                ..
            })
        );
        assert!(is_value, "{error}");
        assert!(!new.exists(), "a folder is left");
    }
    let mut options = ConvertOptions::default();
    options.overwrite = Overwrite::Replace;
    let _ = refused(source.path(), model.path(), &options);
    assert!(
        files(model.path()) == before,
        "another model's folder was changed"
    );
}

/// burn's writer has a text in place of the reason.
#[test]
fn what_a_type_cannot_hold_is_named_in_either_format() {
    let source = golden("convnext");
    let weights = "decode_head.classifier.weight";
    let checkpoint = Checkpoint::open(source.path()).expect("saved weights");
    assert_eq!(
        checkpoint.check_f32(weights).map_err(|e| e.to_string()),
        Ok(())
    );
    for format in [WeightFormat::Safetensors, WeightFormat::Burnpack] {
        let spoiled = golden("convnext");
        spoil(spoiled.path(), weights, 0, 1e6);
        let mut options = ConvertOptions::default();
        (options.format, options.stored) = (format, StoredAs::F16);
        let place = tempfile::tempdir().expect("a temporary folder");
        let error = refused(spoiled.path(), &place.path().join("new"), &options);
        let is_range = matches!(
            &error,
            Error::File(FileError::Tensor { problem: TensorError::OutOfRange { name, .. }, .. })
                if name == weights
        );
        assert!(is_range, "{error}");
    }
}

#[test]
fn a_burnpack_is_not_written_where_other_weights_would_be_read() {
    for in_the_way in [
        "model.safetensors",
        "pytorch_model.bin",
        "model.safetensors.index.json",
    ] {
        let (source, model) = (
            golden("swin"),
            tempfile::tempdir().expect("a temporary folder"),
        );
        fs::write(model.path().join(in_the_way), b"of another").expect("writable");
        let before = files(model.path());
        for overwrite in [Overwrite::Refuse, Overwrite::Replace] {
            let mut options = ConvertOptions::default();
            (options.format, options.overwrite) = (WeightFormat::Burnpack, overwrite);
            let error = refused(source.path(), model.path(), &options);
            assert!(matches!(error, Error::Shadowed { .. }), "{error}");
            let part = format!("{in_the_way}: is read before model.bpk");
            assert!(error.to_string().contains(&part), "{error}");
            assert!(files(model.path()) == before, "something was written");
        }
    }
    // The other way round the new weights are those that are read.
    let (source, model) = (
        golden("swin"),
        tempfile::tempdir().expect("a temporary folder"),
    );
    fs::write(model.path().join("model.bpk"), b"of another").expect("writable");
    let options = ConvertOptions::default();
    convert(source.path(), model.path(), &options, &Device::flex()).expect("nothing is in the way");
}

/// As a torn cache has it: its network is not made up from shapes.
#[test]
#[cfg(unix)]
fn a_link_to_no_configuration_is_named() {
    let source = golden("swin");
    let config = source.path().join("config.json");
    fs::remove_file(&config).expect("it is there");
    std::os::unix::fs::symlink(source.path().join("nowhere"), &config).expect("links are had");
    let place = tempfile::tempdir().expect("a temporary folder");
    let error = refused(
        source.path(),
        &place.path().join("new"),
        &ConvertOptions::default(),
    );
    assert!(error.to_string().contains("config.json: "), "{error}");
}
