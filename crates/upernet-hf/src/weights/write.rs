//! Writing safetensors files, one tensor in memory at a time.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, path::Path};

use serde_json::{Map, Value, json};

use crate::{
    error::Error,
    output::{OutputFile, Overwrite},
    weights::{SafetensorsError, TensorInfo},
};

/// Header lengths are padded to this, so that the data is aligned for every element type.
const ALIGNMENT: usize = 8;

/// The header's key for free text, which no tensor may have.
const METADATA: &str = "__metadata__";

/// Writes a safetensors file; nothing is left behind if it fails.
///
/// `bytes_of` is called once for each tensor, in the file's order (wide element types first, then by
/// name), and gives its little-endian bytes in row-major order. Hugging Face expects the metadata
/// `format` to be `pt`.
///
/// ```
/// use std::{borrow::Cow, collections::BTreeMap};
///
/// use upernet_hf::{
///     Overwrite,
///     weights::{Dtype, SafetensorsFile, TensorInfo, write_safetensors},
/// };
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("model.safetensors");
/// let tensors = BTreeMap::from([("weight".to_owned(), TensorInfo::new(Dtype::F32, vec![2])?)]);
/// let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
/// write_safetensors(&path, &tensors, &metadata, Overwrite::Refuse, |_| {
///     Ok(Cow::Owned([1.0_f32, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect()))
/// })?;
/// assert_eq!(SafetensorsFile::open(&path)?.read_f32("weight")?, [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Returns an error that names the file if it exists and may not be replaced, cannot be written, or
/// a tensor's bytes do not fit its shape, and whatever `bytes_of` returns.
pub fn write_safetensors<'a>(
    path: &Path,
    tensors: &BTreeMap<String, TensorInfo>,
    metadata: &BTreeMap<String, String>,
    overwrite: Overwrite,
    mut bytes_of: impl FnMut(&str) -> Result<Cow<'a, [u8]>, Error>,
) -> Result<(), Error> {
    if let Some(name) = tensors.keys().find(|name| *name == METADATA) {
        let problem = SafetensorsError::Duplicate { name: name.clone() };
        return Err(Error::Safetensors {
            path: path.into(),
            problem,
        });
    }
    let mut ordered: Vec<(&str, &TensorInfo)> = tensors
        .iter()
        .map(|(name, info)| (name.as_str(), info))
        .collect();
    ordered.sort_by_key(|(name, info)| (Reverse(info.dtype().size()), *name));
    let mut output = OutputFile::create(path, overwrite)?;
    output.append(&safetensors_header(&ordered, metadata))?;
    for (name, info) in ordered {
        let bytes = bytes_of(name)?;
        if bytes.len() != info.byte_len() {
            let problem = SafetensorsError::Size {
                name: name.to_owned(),
                dtype: info.dtype(),
                shape: info.shape().iter().map(|&side| side as u64).collect(),
                expected: info.byte_len() as u64,
                found: bytes.len() as u64,
            };
            return Err(Error::Safetensors {
                path: path.into(),
                problem,
            });
        }
        output.append(&bytes)?;
    }
    output.finish()
}

/// Returns what a safetensors file has before its data, for those who stream a tensor that does not
/// fit in memory.
///
/// The data follows in the order of `tensors`, little-endian and row-major, without gaps.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use upernet_hf::weights::{Dtype, SafetensorsFile, TensorInfo, safetensors_header};
///
/// let info = TensorInfo::new(Dtype::F32, vec![2, 3])?;
/// let mut file = safetensors_header(&[("logits", &info)], &BTreeMap::new());
/// for value in 0_u8..6 {
///     file.extend(f32::from(value).to_le_bytes());
/// }
/// let file = SafetensorsFile::from_bytes(file)?;
/// assert_eq!(file.read_f32("logits")?, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn safetensors_header(
    tensors: &[(&str, &TensorInfo)],
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut map = Map::new();
    if !metadata.is_empty() {
        map.insert(METADATA.into(), json!(metadata));
    }
    let mut start = 0_usize;
    for (name, info) in tensors {
        let end = start + info.byte_len();
        let entry = json!({
            "dtype": info.dtype().name(),
            "shape": info.shape(),
            "data_offsets": [start, end],
        });
        map.insert((*name).to_owned(), entry);
        start = end;
    }
    let mut text = Value::Object(map).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    header
}
