//! Golden folders on disk.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// One golden folder, read whole.
#[derive(Debug)]
pub struct Case {
    /// Name of the folder.
    pub name: String,
    /// Hugging Face's name of the backbone's family.
    pub family: String,
    /// The folder itself, a model in Hugging Face's layout.
    pub folder: PathBuf,
    /// Expected tensors as f32, by name: shape and values.
    pub expected: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// L2 norm of the gradient of each parameter, by hub key; empty without training goldens.
    pub grad_norms: BTreeMap<String, f64>,
    /// Largest difference between PyTorch's own f32 and f64, by tensor name, where it is known.
    pub rounding: BTreeMap<String, f64>,
    /// L2 norm by which gradients move where the pixels move by no more than rounding, by tensor name;
    /// empty unless it was measured.
    pub(crate) kinks: BTreeMap<String, f64>,
    input: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Case {
    /// Reads a golden folder.
    ///
    /// # Panics
    ///
    /// Panics if a file is missing or malformed: a broken fixture is a broken test.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let norms = folder.join("grad_norms.json");
        Self {
            name: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            family: read_json(&folder.join("case.json"))["backbone"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            folder: folder.to_owned(),
            expected: read_tensors(&folder.join("expected.safetensors")),
            grad_norms: if norms.exists() {
                read_norms(&norms)
            } else {
                BTreeMap::new()
            },
            rounding: read_rounding(&folder.join("case.json")),
            kinks: BTreeMap::new(),
            input: read_tensors(&folder.join("input.safetensors")),
        }
    }

    /// The image batch, `[N, num_channels, H, W]`.
    ///
    /// # Panics
    ///
    /// Panics if the input has none.
    #[must_use]
    pub fn pixel_values(&self, device: &Device) -> Tensor<4> {
        let (shape, values) = &self.input["pixel_values"];
        Tensor::from_data(TensorData::new(values.clone(), shape.clone()), device)
    }

    /// The labels, `[N, H, W]`.
    ///
    /// # Panics
    ///
    /// Panics if the input has none.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "labels are small whole numbers"
    )]
    pub fn labels(&self, device: &Device) -> Tensor<3, Int> {
        let (shape, values) = &self.input["labels"];
        let values: Vec<i32> = values.iter().map(|&label| label as i32).collect();
        Tensor::from_data(TensorData::new(values, shape.clone()), device)
    }

    /// Shape and values of an input by its name.
    ///
    /// # Panics
    ///
    /// Panics if the input has none of that name.
    #[must_use]
    pub fn input_values(&self, name: &str) -> (&[usize], &[f32]) {
        let (shape, values) = &self.input[name];
        (shape, values)
    }

    /// Whether the folder says what a training step gives.
    #[must_use]
    pub fn has_training(&self) -> bool {
        self.expected.contains_key("train.loss")
    }
}

/// The folder of golden folders: `UPERNET_GOLDENS`, or the trimmed set of the repository.
#[must_use]
pub fn golden_root() -> PathBuf {
    // A relative folder is meant from where cargo was called, not from this crate.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = env::var_os("UPERNET_GOLDENS").map(|folder| workspace.join(folder));
    named.unwrap_or_else(|| workspace.join("testdata/goldens"))
}

/// Every folder below the root that holds a model, sorted by name.
///
/// # Panics
///
/// Panics if the root cannot be read or holds none: a suite that runs nothing must not pass.
#[must_use]
pub fn golden_folders() -> Vec<PathBuf> {
    let root = golden_root();
    let entries = fs::read_dir(&root)
        .unwrap_or_else(|error| panic!("{}: cannot read golden folders: {error}", root.display()));
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable directory entry").path())
        .filter(|path| path.join("config.json").exists())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "{}: no golden folders", root.display());
    folders
}

fn read_norms(path: &Path) -> BTreeMap<String, f64> {
    let norms = read_json(path);
    let norms = norms
        .as_object()
        .unwrap_or_else(|| panic!("{}: no object", path.display()));
    let norm = |value: &Value| value.as_f64().expect("a norm is a number");
    norms
        .iter()
        .map(|(key, value)| (key.clone(), norm(value)))
        .collect()
}

fn read_rounding(path: &Path) -> BTreeMap<String, f64> {
    let case = read_json(path);
    let hints = case["tolerance_hint_f32_vs_f64"].as_object();
    hints
        .into_iter()
        .flatten()
        .filter_map(|(name, hint)| Some((name.clone(), hint["max_abs_diff"].as_f64()?)))
        .collect()
}

fn read_json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = SafeTensors::deserialize(&bytes)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tensors = file.tensors().into_iter();
    tensors
        .map(|(name, view)| {
            (
                name,
                (view.shape().to_vec(), as_f32(view.dtype(), view.data())),
            )
        })
        .collect()
}

fn as_f32(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().expect("chunks of four")))
            .collect(),
        Dtype::I64 => bytes
            .chunks_exact(8)
            .map(|eight| i64::from_le_bytes(eight.try_into().expect("chunks of eight")) as f32)
            .collect(),
        Dtype::U8 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
        other => panic!("golden tensors are f32, i64 or u8, got {other:?}"),
    }
}
