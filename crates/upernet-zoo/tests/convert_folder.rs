//! What a conversion leaves behind: a whole folder, or everything as it was.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use tempfile::TempDir;
use upernet_zoo::{
    ConvertOptions, Error, WeightFormat, convert,
    hf::{
        Error as FileError, Overwrite,
        weights::{Checkpoint, StoredAs, TensorError},
    },
};

const KEY: &str = "decode_head.classifier.bias";

/// A copy of a golden folder.
fn golden(name: &str) -> TempDir {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/goldens");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in [
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
    ] {
        let bytes = fs::read(goldens.join(name).join(file)).expect("it is in the repository");
        fs::write(folder.path().join(file), bytes).expect("writable");
    }
    folder
}

/// Puts `value` in the place of the first number of a tensor.
fn spoil(folder: &Path, key: &str, value: f32) {
    let path = folder.join("model.safetensors");
    let mut file = fs::read(&path).expect("saved weights");
    let (length, rest) = file.split_first_chunk::<8>().expect("a header");
    let length = usize::try_from(u64::from_le_bytes(*length)).expect("small");
    let header: serde_json::Value = serde_json::from_slice(&rest[..length]).expect("JSON");
    let start = header[key]["data_offsets"][0]
        .as_u64()
        .expect("it is there");
    let place = 8 + length + usize::try_from(start).expect("small");
    file[place..place + 4].copy_from_slice(&value.to_le_bytes());
    fs::write(&path, file).expect("writable");
}

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
    spoil(source.path(), KEY, f32::NAN);
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
        spoil(spoiled.path(), weights, 1e6);
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
