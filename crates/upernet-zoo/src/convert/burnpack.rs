//! Writing a network as burn writes a module.

use std::{io, path::Path, sync::Arc};

use burn_pack::{Bytes, DType, Tensor, Writer};
use upernet_hf::{
    Error as FileError, Overwrite,
    weights::{Dtype, StoredAs, TensorError, TensorInfo},
};

use super::{ConvertOptions, Converted, WeightFormat, write::Tensors};
use crate::{Error, parameters::HubParameter};

/// Checks that the options can be had.
pub(super) fn check(made: Converted, options: &ConvertOptions) -> Result<(), Error> {
    let reason = match (options.format, made, options.stored) {
        (WeightFormat::Burnpack, Converted::Backbone, _) => {
            "a burnpack holds a whole network, and these weights are a backbone alone; choose safetensors"
        }
        (WeightFormat::Burnpack, _, StoredAs::Int8) => {
            "weights of 8 bits are kept in safetensors alone; choose that format, or 16 or 32 bits"
        }
        _ => return Ok(()),
    };
    Err(Error::NotWritten { reason })
}

/// Writes `model.bpk`, one tensor in memory at a time.
pub(super) fn write(
    path: &Path,
    tensors: &Tensors,
    stored: StoredAs,
    overwrite: Overwrite,
) -> Result<(), Error> {
    let packed = tensors.parameters.iter();
    let packed = packed.map(|parameter| deferred(parameter, tensors, stored));
    let packed = packed.collect::<Result<Vec<_>, TensorError>>();
    let packed = packed.map_err(|problem| FileError::Tensor {
        path: path.to_owned(),
        problem,
    })?;
    let writer = Writer::new(packed)
        .auto_extension(false)
        .overwrite(overwrite == Overwrite::Replace);
    let written = writer.write_to_file(path);
    written.map_err(|error| {
        let path = path.to_owned();
        match error {
            burn_pack::Error::AlreadyExists(_) => FileError::Exists { path },
            other => FileError::Io {
                path,
                action: "write",
                cause: io::Error::other(other.to_string()),
            },
        }
        .into()
    })
}

/// A tensor whose values are read when it is its turn.
fn deferred(
    parameter: &HubParameter,
    tensors: &Tensors,
    stored: StoredAs,
) -> Result<Tensor, TensorError> {
    let shape = parameter.module_shape();
    let (key, path) = (parameter.key().to_owned(), parameter.path.clone());
    let parts = stored.tensors(&key, &shape)?;
    let info: &TensorInfo = &parts[0].1;
    let dtype = match info.dtype() {
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        _ => DType::F32,
    };
    let length = info.byte_len();
    let (parameter, values) = (parameter.clone(), Arc::clone(&tensors.values));
    let own = shape.clone();
    let bytes = move || {
        let failed = |message: String| burn_pack::Error::IoError(message);
        let values = values.of(&parameter).map_err(|e| failed(e.to_string()))?;
        let values = parameter.to_module_layout(values);
        let parts = stored.bytes(&key, &own, &values);
        let mut parts = parts.map_err(|e| failed(e.to_string()))?;
        let bytes = parts.remove(&key).unwrap_or_default();
        Ok(Bytes::from_bytes_vec(bytes))
    };
    Ok(Tensor::deferred(path, dtype, shape, None, length, bytes))
}
