//! Reading burnpacks: burn's own files, as its modules save and load them.
//!
//! Tensors have the paths of their modules for names, and lie as the modules hold them.
//! The format's own crate reads it; here is what bounds it and puts its errors into one line.

use std::{collections::BTreeMap, ops::Range, path::Path};

use burn_pack::{
    Bytes, DType, HEADER_SIZE, Header, MAX_CBOR_RECURSION_DEPTH, Reader, aligned_data_section_start,
};
use serde::Deserialize;

use crate::{
    error::Error,
    weights::{BurnpackError, Dtype, TensorError, TensorInfo, backing::Backing, decode},
};

/// Bytes of the description of the tensors; that of a network here has about a hundred thousand. It is
/// decoded into several times as many.
const MAX_METADATA_BYTES: usize = 16 << 20;

/// A burnpack whose header has been checked against its length.
#[derive(Debug)]
pub struct BurnpackFile {
    backing: Backing,
    tensors: BTreeMap<String, Placed>,
}

/// A tensor and where its bytes lie in the file.
#[derive(Debug)]
struct Placed {
    info: TensorInfo,
    bytes: Range<usize>,
}

/// The header's part that says where tensors lie, which burn's reader keeps to itself.
#[derive(Deserialize)]
struct Metadata {
    tensors: BTreeMap<String, Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    dtype: DType,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl BurnpackFile {
    /// Maps a file and checks its header; no tensor is read yet.
    ///
    /// The file must not be changed by others as long as this lives.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file, and the tensor if one is to blame, if it cannot be read, is
    /// cut short, or holds what is no number.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let backing = Backing::open(path)?;
        let read = || Reader::from_file_exact(path);
        let tensors = placed(&backing, read).map_err(|problem| Error::Burnpack {
            path: path.into(),
            problem,
        })?;
        Ok(Self { backing, tensors })
    }

    /// Takes a file that is in memory.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, BurnpackError> {
        let read = || Reader::from_bytes(Bytes::from_bytes_vec(bytes.clone()));
        let tensors = placed(&bytes, read)?;
        let backing = Backing::Held(bytes);
        Ok(Self { backing, tensors })
    }

    pub(crate) fn release_pages(&self) {
        self.backing.release_pages();
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

    /// Reads a floating-point tensor of any width.
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if it is not there, holds no floating-point numbers, or
    /// cannot be read.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let (dtype, bytes) = self.stored(name)?;
        decode::to_f32(name, dtype, bytes)
    }

    /// Reads an integer or truth-value tensor of any width.
    ///
    /// # Errors
    ///
    /// As [`read_f32`](Self::read_f32), if it holds no integers.
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

/// Finds the tensors of a file, which burn's own reader judges once it is known what it will take.
fn placed(
    bytes: &[u8],
    read: impl FnOnce() -> Result<Reader, burn_pack::Error>,
) -> Result<BTreeMap<String, Placed>, BurnpackError> {
    let header = bytes
        .get(..HEADER_SIZE)
        .ok_or(burn_pack::Error::InvalidHeader);
    let header = header.and_then(Header::from_bytes).map_err(malformed)?;
    // The reader takes memory for as much as the header claims.
    let metadata = bytes[HEADER_SIZE..]
        .get(..header.metadata_size as usize)
        .ok_or_else(|| malformed("its header is longer than the file"))?;
    if metadata.len() > MAX_METADATA_BYTES {
        return Err(malformed(format!(
            "its header has {} bytes, and at most {MAX_METADATA_BYTES} are read",
            metadata.len()
        )));
    }
    read().map_err(malformed)?;
    let metadata: Metadata =
        ciborium::de::from_reader_with_recursion_limit(metadata, MAX_CBOR_RECURSION_DEPTH)
            .map_err(malformed)?;
    let data = aligned_data_section_start(header.metadata_size as usize);
    let entries = metadata.tensors.into_iter();
    let placed = entries.map(|(name, descriptor)| {
        let info = describe(&name, descriptor.dtype, &descriptor.shape)?;
        let (start, end) = descriptor.data_offsets;
        let place = |offset: u64| usize::try_from(offset).ok()?.checked_add(data);
        let range = place(start).zip(place(end)).map(|(start, end)| start..end);
        let fits = |range: &Range<usize>| {
            bytes.get(range.clone()).map(<[u8]>::len) == Some(info.byte_len())
        };
        match range.filter(fits) {
            Some(bytes) => Ok((name, Placed { info, bytes })),
            None => Err(malformed(format!(
                "tensor {name:?} is not where its header says"
            ))),
        }
    });
    placed.collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what errors are turned into others with"
)]
fn malformed(error: impl ToString) -> BurnpackError {
    BurnpackError::Malformed {
        message: error.to_string(),
    }
}

fn describe(name: &str, dtype: DType, shape: &[u64]) -> Result<TensorInfo, BurnpackError> {
    let dtype = match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        other => {
            return Err(BurnpackError::Dtype {
                name: name.into(),
                found: format!("{other:?}"),
            });
        }
    };
    let sides = shape.iter().map(|&side| usize::try_from(side).ok());
    let info = sides
        .collect::<Option<Vec<_>>>()
        .and_then(|sides| TensorInfo::new(dtype, sides).ok());
    info.ok_or_else(|| BurnpackError::ShapeTooLarge {
        name: name.into(),
        shape: shape.to_vec(),
    })
}
