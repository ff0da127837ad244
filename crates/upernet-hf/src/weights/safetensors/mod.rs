//! Reading safetensors files.
//!
//! The header is parsed here rather than by the `safetensors` crate, because that one keeps the last
//! of two tensors of one name in silence and names neither the tensor nor the reason in its errors.
//! The tests hold both against each other: what is accepted here is accepted there.
//!
//! # Source
//!
//! <https://github.com/huggingface/safetensors#format>: eight bytes of header length, little-endian,
//! a JSON header, then the tensors without gaps.

mod header;
mod problem;

use std::{collections::BTreeMap, ops::Range, path::Path};

pub use problem::SafetensorsError;

use crate::{
    error::Error,
    weights::{Dtype, TensorError, TensorInfo, backing::Backing, decode},
};

/// A safetensors file whose header has been checked against its length.
#[derive(Debug)]
pub struct SafetensorsFile {
    backing: Backing,
    tensors: BTreeMap<String, Placed>,
    metadata: BTreeMap<String, String>,
}

/// A tensor and where its bytes lie in the file.
#[derive(Debug)]
struct Placed {
    info: TensorInfo,
    bytes: Range<usize>,
}

impl SafetensorsFile {
    /// Maps a file and checks its header; no tensor is read yet.
    ///
    /// The file must not be changed by others as long as this lives.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file, and the tensor if one is to blame, if it cannot be
    /// read, is cut short, or its header contradicts itself or the file's length.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrap = |problem| Error::Safetensors {
            path: path.into(),
            problem,
        };
        Self::new(Backing::open(path)?).map_err(wrap)
    }

    /// Checks a file that is already in memory.
    ///
    /// ```
    /// use upernet_hf::weights::SafetensorsFile;
    ///
    /// let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    /// let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    /// bytes.extend_from_slice(header);
    /// bytes.extend_from_slice(&1.5_f32.to_le_bytes());
    /// let file = SafetensorsFile::from_bytes(bytes)?;
    /// assert_eq!(file.read_f32("a").expect("it is there"), [1.5]);
    /// # Ok::<(), upernet_hf::weights::SafetensorsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if one is to blame.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, SafetensorsError> {
        Self::new(Backing::Held(bytes))
    }

    /// Reads a file that is part of the program, of which nothing is copied.
    ///
    /// # Errors
    ///
    /// As [`from_bytes`](Self::from_bytes).
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, SafetensorsError> {
        Self::new(Backing::Embedded(bytes))
    }

    pub(crate) fn release_pages(&self) {
        self.backing.release_pages();
    }

    fn new(backing: Backing) -> Result<Self, SafetensorsError> {
        let (header, data) = header::split(&backing)?;
        let data_start = backing.len() - data.len();
        let header = header::parse(header)?;
        let tensors = place(header.tensors, data_start, data.len())?;
        Ok(Self {
            backing,
            tensors,
            metadata: header.metadata,
        })
    }

    /// Returns the tensors in order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors
            .iter()
            .map(|(name, placed)| (name.as_str(), &placed.info))
    }

    /// Returns the type and shape of a tensor, if it is there.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name).map(|placed| &placed.info)
    }

    /// Returns the header's free text, such as `format`.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Returns the little-endian bytes of a tensor, if it is there.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.tensors
            .get(name)
            .map(|placed| &self.backing[placed.bytes.clone()])
    }

    /// Reads a floating-point tensor of any width.
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if it is not there or holds no floating-point numbers.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let (dtype, bytes) = self.stored(name)?;
        decode::to_f32(name, dtype, bytes)
    }

    /// Reads an integer or truth-value tensor of any width.
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if it is not there, holds no integers, or holds one
    /// that does not fit.
    pub fn read_i64(&self, name: &str) -> Result<Vec<i64>, TensorError> {
        let (dtype, bytes) = self.stored(name)?;
        decode::to_i64(name, dtype, bytes)
    }

    fn stored(&self, name: &str) -> Result<(Dtype, &[u8]), TensorError> {
        let placed = self.tensors.get(name);
        let placed = placed.ok_or_else(|| TensorError::NotFound { name: name.into() })?;
        Ok((placed.info.dtype(), &self.backing[placed.bytes.clone()]))
    }
}

/// Checks that the tensors cover the data exactly: no overlap, no hole, nothing missing.
fn place(
    mut entries: Vec<header::Entry>,
    data_start: usize,
    data_length: usize,
) -> Result<BTreeMap<String, Placed>, SafetensorsError> {
    entries.sort_by(|a, b| (a.offsets, &a.name).cmp(&(b.offsets, &b.name)));
    let mut tensors = BTreeMap::new();
    let mut covered = 0_u64;
    let mut previous = String::new();
    for header::Entry {
        name,
        dtype,
        shape,
        offsets: [start, end],
    } in entries
    {
        let info = describe(&name, &dtype, &shape, [start, end])?;
        if end > data_length as u64 {
            return Err(SafetensorsError::Truncated {
                name,
                end,
                found: data_length as u64,
            });
        }
        if start < covered {
            return Err(SafetensorsError::Overlap {
                name,
                other: previous,
            });
        }
        if start > covered {
            return Err(SafetensorsError::Hole {
                name,
                bytes: start - covered,
            });
        }
        covered = end;
        let within = |offset: u64| {
            data_start + usize::try_from(offset).expect("it is at most the length of the data")
        };
        let bytes = within(start)..within(end);
        previous.clone_from(&name);
        if tensors.insert(name, Placed { info, bytes }).is_some() {
            return Err(SafetensorsError::Duplicate { name: previous });
        }
    }
    match data_length as u64 - covered {
        0 => Ok(tensors),
        bytes => Err(SafetensorsError::Unclaimed { bytes }),
    }
}

fn describe(
    name: &str,
    dtype: &str,
    shape: &[u64],
    [start, end]: [u64; 2],
) -> Result<TensorInfo, SafetensorsError> {
    let name = || name.to_owned();
    let dtype = Dtype::from_name(dtype).ok_or_else(|| SafetensorsError::Dtype {
        name: name(),
        found: dtype.into(),
    })?;
    let sides: Result<Vec<usize>, _> = shape.iter().map(|&side| side.try_into()).collect();
    let info = sides
        .ok()
        .and_then(|sides| TensorInfo::new(dtype, sides).ok());
    let info = info.ok_or_else(|| SafetensorsError::ShapeTooLarge {
        name: name(),
        shape: shape.to_vec(),
    })?;
    let found = end.checked_sub(start);
    let found = found.ok_or_else(|| SafetensorsError::Reversed {
        name: name(),
        start,
        end,
    })?;
    if found != info.byte_len() as u64 {
        let (shape, expected) = (shape.to_vec(), info.byte_len() as u64);
        return Err(SafetensorsError::Size {
            name: name(),
            dtype,
            shape,
            expected,
            found,
        });
    }
    Ok(info)
}
