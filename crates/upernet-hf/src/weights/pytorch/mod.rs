//! Reading `PyTorch`'s own weight files (`pytorch_model.bin`, `.pth`) without running them.
//!
//! Such a file is a zip archive of raw storages and a pickle, which is a program; before `PyTorch` 1.6 it
//! was the same without the archive. The crate
//! `pytorch-reader` was considered: it is careful, but it reads every container and object that
//! `PyTorch` has ever written, keeps what it does not know in silence, and lets a tensor claim 10 GiB
//! whatever the file's size. This reader takes the two forms that a checkpoint has, and refuses the
//! rest by name: archives that are not compressed, a dozen names in the pickle, tensors no larger
//! than their storage.

mod archive;
mod class_names;
mod cursor;
mod legacy;
mod pickle;
mod problem;
mod rebuild;
mod stack;
mod state_dict;
mod strided;
mod value;

use std::{borrow::Cow, collections::BTreeMap, path::Path};

pub use problem::{PickleError, PyTorchError};

use crate::{
    error::Error,
    weights::{
        Dtype, GIT_LFS_POINTER, TensorError, TensorInfo, backing::Backing, decode,
        pytorch::strided::Strided,
    },
};

/// Bytes of the pickle that are read at most; a thousand tensors need about 150 kB.
const MAX_PICKLE_BYTES: usize = 16 << 20;
/// Tensors of a file; the largest network here has about a thousand.
const MAX_TENSORS: usize = 1 << 16;
/// Bytes of an unknown byte order that a message may repeat.
const MAX_BYTE_ORDER_BYTES: usize = 100;
/// How every zip file starts.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// A `PyTorch` weight file whose description has been checked against its contents.
#[derive(Debug)]
pub struct PyTorchFile {
    backing: Backing,
    contents: Contents,
}

/// What the pickle of a file describes.
#[derive(Debug)]
struct Contents {
    tensors: BTreeMap<String, Strided>,
    other_weights: Vec<String>,
    class_names: Option<Vec<String>>,
}

impl PyTorchFile {
    /// Maps a file and checks what it describes; no tensor is read, and no code is run.
    ///
    /// The top of the file is a dictionary of tensors, or holds one as `state_dict` or `model`, or else
    /// averaged weights as `state_dict_ema`, `model_ema`, `ema` or `teacher`; of several the first in this
    /// order is taken. The file must not be changed by others as long as this lives.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file, and the tensor or the class if one is to blame, if it
    /// cannot be read, is damaged, or asks for more than tensors.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrap = |problem| Error::PyTorch {
            path: path.into(),
            problem,
        };
        Self::new(Backing::open(path)?).map_err(wrap)
    }

    /// Checks a file that is already in memory.
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor or the class if one is to blame.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, PyTorchError> {
        Self::new(Backing::Held(bytes))
    }

    pub(crate) fn release_pages(&self) {
        self.backing.release_pages();
    }

    fn new(backing: Backing) -> Result<Self, PyTorchError> {
        let contents = read(&backing)?;
        Ok(Self { backing, contents })
    }

    /// Returns the names of the classes that mmsegmentation keeps beside the tensors, if they are there.
    #[must_use]
    pub fn class_names(&self) -> Option<&[String]> {
        self.contents.class_names.as_deref()
    }

    /// Returns the names of the dictionaries of weights that are not taken, such as averages.
    #[must_use]
    pub fn other_weights(&self) -> &[String] {
        &self.contents.other_weights
    }

    /// Returns the tensors in order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.contents
            .tensors
            .iter()
            .map(|(name, strided)| (name.as_str(), strided.info()))
    }

    /// Returns the type and shape of a tensor, if it is there.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.contents.tensors.get(name).map(Strided::info)
    }

    /// Reads a floating-point tensor of any width, in row-major order.
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if it is not there or holds no floating-point numbers.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let (dtype, bytes) = self.stored(name)?;
        decode::to_f32(name, dtype, &bytes)
    }

    /// Reads an integer or truth-value tensor of any width, in row-major order.
    ///
    /// # Errors
    ///
    /// Returns an error that names the tensor if it is not there or holds no integers.
    pub fn read_i64(&self, name: &str) -> Result<Vec<i64>, TensorError> {
        let (dtype, bytes) = self.stored(name)?;
        decode::to_i64(name, dtype, &bytes)
    }

    fn stored(&self, name: &str) -> Result<(Dtype, Cow<'_, [u8]>), TensorError> {
        let strided = self.contents.tensors.get(name);
        let strided = strided.ok_or_else(|| TensorError::NotFound { name: name.into() })?;
        Ok((strided.info().dtype(), strided.bytes(&self.backing)))
    }
}

fn read(file: &[u8]) -> Result<Contents, PyTorchError> {
    check_format(file)?;
    if file.starts_with(legacy::MAGIC) {
        return legacy::read(file);
    }
    let entries = archive::entries(file)?;
    // Entries lie below one folder, whose name is that of the file when it was saved.
    let pickles: Vec<&str> = entries
        .keys()
        .filter_map(|name| name.strip_suffix("/data.pkl"))
        .collect();
    let &[folder] = pickles.as_slice() else {
        return Err(PyTorchError::PickleCount {
            found: pickles.len(),
        });
    };
    let entry = |name: &str| entries.get(format!("{folder}/{name}").as_str()).cloned();
    if let Some(order) = entry("byteorder") {
        check_byte_order(&file[order])?;
    }
    let pickle = entry("data.pkl").map_or(&[][..], |bytes| &file[bytes]);
    if pickle.len() > MAX_PICKLE_BYTES {
        let limit = MAX_PICKLE_BYTES;
        return Err(PyTorchError::PickleTooLarge {
            found: pickle.len(),
            limit,
        });
    }
    let (heap, top, _) = pickle::read(pickle)
        .map_err(|(position, problem)| PyTorchError::Pickle { position, problem })?;
    let storage = |key: &str| entry(&format!("data/{key}"));
    Ok(Contents {
        tensors: state_dict::tensors(&heap, top, file.len(), storage)?,
        other_weights: state_dict::others(&heap, top),
        class_names: class_names::find(&heap, top),
    })
}

/// Files of `PyTorch` before 2.1 have no such entry, and are little-endian in practice.
fn check_byte_order(order: &[u8]) -> Result<(), PyTorchError> {
    match order {
        b"little" => Ok(()),
        b"big" => Err(PyTorchError::BigEndian),
        other => Err(PyTorchError::ByteOrder {
            found: String::from_utf8_lossy(&other[..other.len().min(MAX_BYTE_ORDER_BYTES)]).into(),
        }),
    }
}

fn check_format(file: &[u8]) -> Result<(), PyTorchError> {
    match file {
        _ if file.starts_with(ZIP_MAGIC) => Ok(()),
        _ if file.starts_with(legacy::MAGIC) => Ok(()),
        _ if file.starts_with(GIT_LFS_POINTER) => Err(PyTorchError::GitLfsPointer),
        _ => Err(PyTorchError::NotPyTorch),
    }
}
