//! Golden folders of the repository, to be spoiled.

use std::{fs, path::Path};

use tempfile::TempDir;

/// A copy of a golden folder.
pub(crate) fn golden(name: &str) -> TempDir {
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

/// Puts `value` in the place of one number of a saved folder's weights.
pub(crate) fn spoil(folder: &Path, key: &str, index: usize, value: f32) {
    let path = folder.join("model.safetensors");
    let mut file = fs::read(&path).expect("saved weights");
    let (length, rest) = file.split_first_chunk::<8>().expect("a header");
    let length = usize::try_from(u64::from_le_bytes(*length)).expect("small");
    let header: serde_json::Value = serde_json::from_slice(&rest[..length]).expect("JSON");
    let start = header[key]["data_offsets"][0]
        .as_u64()
        .expect("it is there");
    let place = 8 + length + usize::try_from(start).expect("small") + 4 * index;
    file[place..place + 4].copy_from_slice(&value.to_le_bytes());
    fs::write(&path, file).expect("writable");
}
