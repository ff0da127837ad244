//! Weights under the names of other libraries: read, converted, refused.

mod beit;
mod fixtures;
mod inverse;
mod mmseg_vit;
mod plain;
#[path = "../support/mod.rs"]
mod support;
mod writers;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use upernet_zoo::hf::weights::SafetensorsFile;

/// A file of `scripts/make_dialect_fixtures.py`.
fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/dialects");
    folder.join(name)
}

/// A tensor that the library of the fixture computed.
fn expected(name: &str, tensor: &str) -> TensorData {
    let path = fixture(&format!("{name}.expected.safetensors"));
    let file = SafetensorsFile::open(&path).expect("a fixture");
    let shape = file.info(tensor).expect("it has it").shape().to_vec();
    TensorData::new(file.read_f32(tensor).expect("f32"), shape)
}

/// The formula of the fixtures' pixels, `[1, 3, height, width]`.
#[expect(clippy::cast_precision_loss, reason = "below 2^16")]
fn pixels([height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let value = |index: usize| ((index * 40503 + 12345) % 65536) as f32 / 32768.0 - 1.0;
    let values: Vec<f32> = (0..3 * height * width).map(value).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, height, width]), device)
}
