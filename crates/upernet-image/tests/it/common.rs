//! Where the reference numbers lie, and how tensors become numbers.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};

/// A file of `testdata/image`, made by `scripts/make_image_fixtures.py`.
pub(crate) fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/image")
        .join(name)
}

/// A file of the goldens: below `UPERNET_GOLDENS` if that has its case, which a folder of models alone
/// has not, else below `testdata/goldens` of the workspace.
pub(crate) fn golden_path(name: &str) -> PathBuf {
    // A relative folder is meant from where cargo was called, not from this crate.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("UPERNET_GOLDENS").map(|folder| workspace.join(folder));
    let case = Path::new(name).parent().unwrap_or(Path::new(name));
    named
        .filter(|folder| folder.join(case).exists())
        .unwrap_or_else(|| workspace.join("testdata/goldens"))
        .join(name)
}

/// The bytes of a file that a test cannot do without.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Shape and values of an f32 tensor.
pub(crate) fn floats(tensors: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = tensors
        .tensor(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
    let values = tensor
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes));
    (tensor.shape().to_vec(), values.collect())
}

/// Shape and values of an i64 tensor.
pub(crate) fn integers(tensors: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<i64>) {
    let tensor = tensors
        .tensor(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(tensor.dtype(), Dtype::I64, "{name}");
    let values = tensor
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| i64::from_le_bytes(bytes));
    (tensor.shape().to_vec(), values.collect())
}

/// Shape and values of a u8 tensor.
pub(crate) fn bytes(tensors: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<u8>) {
    let tensor = tensors
        .tensor(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(tensor.dtype(), Dtype::U8, "{name}");
    (tensor.shape().to_vec(), tensor.data().to_vec())
}
