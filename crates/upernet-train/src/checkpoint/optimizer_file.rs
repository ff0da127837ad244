//! The optimiser's moments in a safetensors file.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use burn::tensor::TensorData;
use upernet::hf::{
    Overwrite,
    weights::{Checkpoint, Dtype, TensorInfo, write_safetensors},
};

use crate::Error;

/// Writes f32 tensors by name.
pub(super) fn write(path: &Path, tensors: &BTreeMap<String, TensorData>) -> Result<(), Error> {
    let wrong = |name: &str, problem: String| Error::Checkpoint {
        path: path.to_owned(),
        problem: format!("{name}: {problem}"),
    };
    let mut infos = BTreeMap::new();
    let mut values = BTreeMap::new();
    for (name, data) in tensors {
        let shape = data.shape().iter().copied().collect::<Vec<usize>>();
        let info = TensorInfo::new(Dtype::F32, shape);
        infos.insert(
            name.clone(),
            info.map_err(|problem| wrong(name, problem.to_string()))?,
        );
        let data = data.clone().convert::<f32>().try_into_vec::<f32>();
        let data = data.map_err(|problem| wrong(name, format!("{problem:?}")))?;
        let bytes: Vec<u8> = data.into_iter().flat_map(f32::to_le_bytes).collect();
        values.insert(name.clone(), bytes);
    }
    let metadata = BTreeMap::new();
    write_safetensors(path, &infos, &metadata, Overwrite::Refuse, |name| {
        Ok(Cow::Borrowed(values[name].as_slice()))
    })?;
    Ok(())
}

/// Reads them back.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, TensorData>, Error> {
    let file = Checkpoint::open(path)?;
    let mut tensors = BTreeMap::new();
    for (name, info) in file.tensors() {
        let values = file.read_f32(name)?;
        tensors.insert(
            name.to_owned(),
            TensorData::new(values, info.shape().to_vec()),
        );
    }
    Ok(tensors)
}
