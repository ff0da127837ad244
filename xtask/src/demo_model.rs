//! From a run of `upernet train --preset demo` to the files that the facade has built in.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use half::f16;
use upernet_hf::{
    ModelFolder, Overwrite,
    weights::{Dtype, TensorInfo, write_safetensors},
};

use crate::{Failure, shell::root};

/// Bytes that the weights may have.
const MOST: u64 = 8_000_000;
/// What no inference reads.
const AUXILIARY: &str = "auxiliary_head.";

/// Writes `model`, a folder in Hugging Face's layout, to `crates/upernet/demo`: no auxiliary head, products'
/// weights as f16, everything that is one number a channel as f32.
pub(crate) fn run(model: &Path) -> Result<(), Failure> {
    let folder = ModelFolder::open(model).map_err(|error| error.to_string())?;
    let out = root().join("crates/upernet/demo");
    let mut tensors = BTreeMap::new();
    let mut values = BTreeMap::new();
    for (name, info) in folder.checkpoint.tensors() {
        if name.starts_with(AUXILIARY) {
            continue;
        }
        let (info, bytes) = stored(&folder, name, info)?;
        tensors.insert(name.to_owned(), info);
        values.insert(name.to_owned(), bytes);
    }
    let mut config = folder.config.clone();
    config.use_auxiliary_head = false;
    let said = |error: upernet_hf::Error| error.to_string();
    config
        .write(&out.join("config.json"), Overwrite::Replace)
        .map_err(said)?;
    let processor = folder.processor.clone().unwrap_or_default();
    processor
        .write(&out.join("preprocessor_config.json"), Overwrite::Replace)
        .map_err(said)?;
    let path = out.join("model.safetensors");
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    write_safetensors(&path, &tensors, &metadata, Overwrite::Replace, |name| {
        Ok(Cow::Borrowed(values[name].as_slice()))
    })
    .map_err(said)?;
    let bytes = path.metadata().map_err(|error| error.to_string())?.len();
    if bytes > MOST {
        return Err(format!(
            "{}: {bytes} bytes, allowed are {MOST}",
            path.display()
        ));
    }
    Ok(())
}

/// How a tensor is stored, and its bytes.
fn stored(
    folder: &ModelFolder,
    name: &str,
    info: &TensorInfo,
) -> Result<(TensorInfo, Vec<u8>), Failure> {
    let said = |error: upernet_hf::Error| error.to_string();
    let (dtype, bytes) = match (info.dtype(), info.shape().len()) {
        (Dtype::I64, _) => {
            let values = folder.checkpoint.read_i64(name).map_err(said)?;
            (
                Dtype::I64,
                values.into_iter().flat_map(i64::to_le_bytes).collect(),
            )
        }
        (_, 0 | 1) => {
            let values = folder.checkpoint.read_f32(name).map_err(said)?;
            (
                Dtype::F32,
                values.into_iter().flat_map(f32::to_le_bytes).collect(),
            )
        }
        _ => {
            let values = folder.checkpoint.read_f32(name).map_err(said)?;
            let halves = values.into_iter().map(f16::from_f32);
            (Dtype::F16, halves.flat_map(f16::to_le_bytes).collect())
        }
    };
    let info = TensorInfo::new(dtype, info.shape().to_vec());
    Ok((info.map_err(|error| error.to_string())?, bytes))
}
