//! Reading burnpacks: burn's own files, as its modules save and load them.
//!
//! Tensors have the paths of their modules for names, and lie as the modules hold them.
//! The format's own crate reads it; here is what bounds it and puts its errors into one line.

use std::{collections::BTreeMap, fmt, path::Path};

use burn_pack::{DType, Reader};

use crate::{
    config::json_file::open_regular,
    error::Error,
    weights::{BurnpackError, Dtype, TensorError, TensorInfo, decode},
};

/// A burnpack whose header has been checked against its length.
pub struct BurnpackFile {
    reader: Reader,
    tensors: BTreeMap<String, TensorInfo>,
}

impl fmt::Debug for BurnpackFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut file = formatter.debug_struct("BurnpackFile");
        file.field("tensors", &self.tensors).finish_non_exhaustive()
    }
}

impl BurnpackFile {
    /// Opens a file and checks its header; no tensor is read yet.
    ///
    /// The file must not be changed by others as long as this lives.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file, and the tensor if one is to blame, if it cannot be read, is
    /// cut short, or holds what is no number.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // A pipe would be read for ever.
        open_regular(path)?;
        let wrap = |problem| Error::Burnpack {
            path: path.into(),
            problem,
        };
        let reader = Reader::from_file_exact(path).map_err(|error| wrap(malformed(&error)))?;
        // The same once more: the descriptions come with the tensors, the values with the reader.
        let described = Reader::from_file_exact(path).and_then(Reader::into_tensors);
        let described = described.map_err(|error| wrap(malformed(&error)))?;
        let mut tensors = BTreeMap::new();
        for tensor in described {
            let info = describe(&tensor.name, tensor.dtype, tensor.shape.to_vec()).map_err(wrap)?;
            tensors.insert(tensor.name, info);
        }
        Ok(Self { reader, tensors })
    }

    /// Returns the tensors in order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors
            .iter()
            .map(|(name, info)| (name.as_str(), info))
    }

    /// Returns the type and shape of a tensor, if it is there.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// Reads a floating-point tensor of any width.
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if it is not there, holds no floating-point numbers, or
    /// cannot be read.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let (dtype, bytes) = self.stored(name)?;
        decode::to_f32(name, dtype, &bytes)
    }

    /// Reads an integer or truth-value tensor of any width.
    ///
    /// # Errors
    ///
    /// As [`read_f32`](Self::read_f32), if it holds no integers.
    pub fn read_i64(&self, name: &str) -> Result<Vec<i64>, TensorError> {
        let (dtype, bytes) = self.stored(name)?;
        decode::to_i64(name, dtype, &bytes)
    }

    fn stored(&self, name: &str) -> Result<(Dtype, Vec<u8>), TensorError> {
        let info = self.tensors.get(name);
        let info = info.ok_or_else(|| TensorError::NotFound { name: name.into() })?;
        let bytes = self.reader.tensor_data(name);
        let bytes = bytes.map_err(|error| TensorError::Unreadable {
            name: name.into(),
            message: error.to_string(),
        })?;
        Ok((info.dtype(), bytes))
    }
}

fn malformed(error: &burn_pack::Error) -> BurnpackError {
    BurnpackError::Malformed {
        message: error.to_string(),
    }
}

fn describe(name: &str, dtype: DType, shape: Vec<usize>) -> Result<TensorInfo, BurnpackError> {
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
    TensorInfo::new(dtype, shape.clone()).map_err(|_| BurnpackError::ShapeTooLarge {
        name: name.into(),
        shape,
    })
}
