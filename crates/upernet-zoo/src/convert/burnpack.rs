//! Writing a network as burn writes a module.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
};

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
    let wrap = |problem: TensorError| FileError::Tensor {
        path: path.to_owned(),
        problem,
    };
    let refused = Refused::default();
    let packed = tensors.parameters.iter();
    let packed = packed.map(|parameter| deferred(parameter, tensors, stored, &refused));
    let packed = packed.collect::<Result<Vec<_>, TensorError>>();
    let packed = packed.map_err(wrap)?;
    let writer = Writer::new(packed)
        .auto_extension(false)
        .overwrite(overwrite == Overwrite::Replace);
    let written = writer.write_to_file(path);
    written.map_err(|error| {
        let path = path.to_owned();
        let refused = refused.lock().ok().and_then(|mut refused| refused.take());
        match (refused, error) {
            (Some(Refusal::File(error)), _) => error,
            (Some(Refusal::Tensor(problem)), _) => wrap(problem),
            (None, burn_pack::Error::AlreadyExists(_)) => FileError::Exists { path },
            (None, other) => FileError::Io {
                path,
                action: "write",
                cause: io::Error::other(other.to_string()),
            },
        }
        .into()
    })
}

/// Why values could not be had while they were written, which burn's error has as a text alone.
#[derive(Debug)]
enum Refusal {
    File(FileError),
    Tensor(TensorError),
}

type Refused = Arc<Mutex<Option<Refusal>>>;

/// A tensor whose values are read when it is its turn.
fn deferred(
    parameter: &HubParameter,
    tensors: &Tensors,
    stored: StoredAs,
    refused: &Refused,
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
    let refused = Arc::clone(refused);
    let bytes = move || {
        let failed = |refusal: Refusal| {
            if let Ok(mut refused) = refused.lock() {
                *refused = Some(refusal);
            }
            burn_pack::Error::IoError("a value is refused".to_owned())
        };
        let values = values.of(&parameter);
        let values = parameter.to_module_layout(values.map_err(|e| failed(Refusal::File(e)))?);
        let parts = stored.bytes(&key, &own, &values);
        let mut parts = parts.map_err(|e| failed(Refusal::Tensor(e)))?;
        let bytes = parts.remove(&key).unwrap_or_default();
        Ok(Bytes::from_bytes_vec(bytes))
    };
    Ok(Tensor::deferred(path, dtype, shape, None, length, bytes))
}
