//! One weight file of any kind.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

#[cfg(feature = "burnpack")]
use crate::weights::BurnpackFile;
use crate::{
    config::json_file,
    error::Error,
    weights::{
        PyTorchFile, SafetensorsFile, TensorError, TensorInfo, decode, dtype,
        int8::{NUMBERS, SCALES, is_pair, restored},
    },
};

/// The first bytes of every zip file, and so of every weight file of `PyTorch` 1.6 or later.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// The first bytes of every burnpack.
const BURNPACK_MAGIC: &[u8] = b"NRUB";

/// One weight file.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    file: WeightFile,
    /// Tensors of eight bits, which are two in the file.
    int8: BTreeMap<String, Int8>,
}

/// Where a tensor of eight bits lies.
#[derive(Debug)]
struct Int8 {
    info: TensorInfo,
    numbers: String,
    scales: String,
}

/// A weight file of one of the kinds that are read.
#[derive(Debug)]
pub(super) enum WeightFile {
    Safetensors(SafetensorsFile),
    PyTorch(PyTorchFile),
    #[cfg(feature = "burnpack")]
    Burnpack(BurnpackFile),
}

impl Shard {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Self::new(path, WeightFile::open(path)?)
    }

    pub(super) fn new(path: &Path, file: WeightFile) -> Result<Self, Error> {
        let names = file.names().map(dtype::check_name);
        names
            .collect::<Result<(), _>>()
            .map_err(|problem| Error::Tensor {
                path: path.into(),
                problem,
            })?;
        let mut int8 = BTreeMap::new();
        // Nobody else writes such pairs.
        let is_ours = matches!(file, WeightFile::Safetensors(_));
        for numbers in file.names().filter(|_| is_ours) {
            let Some(name) = numbers.strip_suffix(NUMBERS) else {
                continue;
            };
            let scales = format!("{name}{SCALES}");
            let infos = file.info(numbers).zip(file.info(&scales));
            if let Some((info, of_scales)) = infos
                && is_pair(info, of_scales)
                && file.info(name).is_none()
            {
                let tensor = Int8 {
                    info: info.clone(),
                    numbers: numbers.to_owned(),
                    scales,
                };
                int8.insert(name.to_owned(), tensor);
            }
        }
        Ok(Self {
            path: path.into(),
            file,
            int8,
        })
    }

    pub(super) fn info(&self, name: &str) -> Option<&TensorInfo> {
        match self.int8.get(name) {
            Some(tensor) => Some(&tensor.info),
            None => self.file.info(name),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let is_part = |name: &str| {
            let whole = name
                .strip_suffix(NUMBERS)
                .or_else(|| name.strip_suffix(SCALES));
            whole.is_some_and(|whole| self.int8.contains_key(whole))
        };
        let whole = self.file.names().filter(move |name| !is_part(name));
        whole.chain(self.int8.keys().map(String::as_str))
    }

    pub(super) fn read_f32(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let Some(tensor) = self.int8.get(name) else {
            return self.file.read_f32(name);
        };
        let scales = self.file.read_f32(&tensor.scales)?;
        Ok(restored(self.file.bytes(&tensor.numbers), &scales))
    }

    pub(super) fn wrap<T>(&self, result: Result<T, TensorError>) -> Result<T, Error> {
        result.map_err(|problem| Error::Tensor {
            path: self.path.clone(),
            problem,
        })
    }

    pub(super) fn read_i64(&self, name: &str) -> Result<Vec<i64>, TensorError> {
        self.file.read_i64(name)
    }

    /// Whether [`read_f32`](Self::read_f32) can be.
    pub(super) fn check_f32(&self, name: &str) -> Result<(), TensorError> {
        let Some(info) = self.file.info(name) else {
            return Ok(());
        };
        decode::to_f32(name, info.dtype(), &[]).map(drop)
    }

    /// Whether [`read_i64`](Self::read_i64) can be.
    pub(super) fn check_i64(&self, name: &str) -> Result<(), TensorError> {
        let Some(info) = self.file.info(name) else {
            return Ok(());
        };
        decode::to_i64(name, info.dtype(), &[]).map(drop)
    }

    pub(super) fn class_names(&self) -> Option<&[String]> {
        match &self.file {
            WeightFile::PyTorch(file) => file.class_names(),
            _ => None,
        }
    }

    pub(super) fn other_weights(&self) -> &[String] {
        match &self.file {
            WeightFile::PyTorch(file) => file.other_weights(),
            _ => &[],
        }
    }

    #[cfg(feature = "burnpack")]
    pub(super) fn is_burnpack(&self) -> bool {
        matches!(self.file, WeightFile::Burnpack(_))
    }

    #[cfg(not(feature = "burnpack"))]
    #[expect(clippy::unused_self, reason = "with the feature it is asked")]
    pub(super) fn is_burnpack(&self) -> bool {
        false
    }

    pub(super) fn release_pages(&self) {
        self.file.release_pages();
    }
}

impl WeightFile {
    /// Decides how to read a file by its first bytes, and by its name if they do not tell.
    fn open(path: &Path) -> Result<Self, Error> {
        let magic = first_bytes(path)?;
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            _ if magic == BURNPACK_MAGIC => Self::open_burnpack(path),
            _ if magic == ZIP_MAGIC => Ok(Self::PyTorch(PyTorchFile::open(path)?)),
            Some("bin" | "pt" | "pth") => Ok(Self::PyTorch(PyTorchFile::open(path)?)),
            Some("bpk") => Self::open_burnpack(path),
            _ => Ok(Self::Safetensors(SafetensorsFile::open(path)?)),
        }
    }

    #[cfg(feature = "burnpack")]
    fn open_burnpack(path: &Path) -> Result<Self, Error> {
        Ok(Self::Burnpack(BurnpackFile::open(path)?))
    }

    #[cfg(not(feature = "burnpack"))]
    fn open_burnpack(path: &Path) -> Result<Self, Error> {
        Err(Error::Burnpack {
            path: path.into(),
            problem: crate::weights::BurnpackError::NotBuilt,
        })
    }

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        match self {
            Self::Safetensors(file) => file.info(name),
            Self::PyTorch(file) => file.info(name),
            #[cfg(feature = "burnpack")]
            Self::Burnpack(file) => file.info(name),
        }
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Safetensors(file) => Box::new(file.tensors().map(|(name, _)| name)),
            Self::PyTorch(file) => Box::new(file.tensors().map(|(name, _)| name)),
            #[cfg(feature = "burnpack")]
            Self::Burnpack(file) => Box::new(file.tensors().map(|(name, _)| name)),
        }
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        match self {
            Self::Safetensors(file) => file.read_f32(name),
            Self::PyTorch(file) => file.read_f32(name),
            #[cfg(feature = "burnpack")]
            Self::Burnpack(file) => file.read_f32(name),
        }
    }

    /// The bytes of a tensor that is there, if they lie so in the file.
    fn bytes(&self, name: &str) -> &[u8] {
        match self {
            Self::Safetensors(file) => file.bytes(name).unwrap_or_default(),
            Self::PyTorch(_) => &[],
            #[cfg(feature = "burnpack")]
            Self::Burnpack(_) => &[],
        }
    }

    fn read_i64(&self, name: &str) -> Result<Vec<i64>, TensorError> {
        match self {
            Self::Safetensors(file) => file.read_i64(name),
            Self::PyTorch(file) => file.read_i64(name),
            #[cfg(feature = "burnpack")]
            Self::Burnpack(file) => file.read_i64(name),
        }
    }

    fn release_pages(&self) {
        match self {
            Self::Safetensors(file) => file.release_pages(),
            Self::PyTorch(file) => file.release_pages(),
            #[cfg(feature = "burnpack")]
            Self::Burnpack(file) => file.release_pages(),
        }
    }
}

fn first_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read as _;

    let (file, _) = json_file::open_regular(path)?;
    let mut magic = Vec::new();
    let start = file.take(ZIP_MAGIC.len() as u64).read_to_end(&mut magic);
    start.map_err(|cause| Error::reading(path, cause))?;
    Ok(magic)
}
