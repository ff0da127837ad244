//! The weights of a model folder, whatever files they are in.

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
        IndexError, PyTorchFile, SafetensorsError, SafetensorsFile, TensorError, TensorInfo,
        decode, dtype, index,
        int8::{NUMBERS, SCALES, is_pair, restored},
    },
};

/// What a folder's weights may be called, the preferred name first.
const FILE_NAMES: [&str; 5] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "model.bpk",
];

/// The first bytes of every zip file, and so of every weight file of `PyTorch` 1.6 or later.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// The first bytes of every burnpack.
const BURNPACK_MAGIC: &[u8] = b"NRUB";

/// All tensors of a model, over one or more weight files.
///
/// Files are mapped, not read; they must not be changed by others as long as this lives.
#[derive(Debug)]
pub struct Checkpoint {
    files: Vec<PathBuf>,
    shards: Vec<Shard>,
    /// Which shard holds each tensor.
    places: BTreeMap<String, usize>,
}

/// One weight file.
#[derive(Debug)]
struct Shard {
    path: PathBuf,
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

#[derive(Debug)]
enum WeightFile {
    Safetensors(SafetensorsFile),
    PyTorch(PyTorchFile),
    #[cfg(feature = "burnpack")]
    Burnpack(BurnpackFile),
}

impl Checkpoint {
    /// Opens the weights of a folder, or the weight or index file at `path`.
    ///
    /// In a folder the first of `model.safetensors`, `model.safetensors.index.json`,
    /// `pytorch_model.bin`, `pytorch_model.bin.index.json` and `model.bpk` is taken; [`files`](Self::files) says
    /// which. Every header is read and checked, no tensor is.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if there is none, it is malformed, or an index and its
    /// files disagree.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let path = find(path)?;
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().ends_with(".index.json"))
        {
            return Self::open_sharded(&path);
        }
        Ok(Self::of_one(Shard::open(&path)?))
    }

    /// Takes a safetensors file that is part of the program; messages call it `name`.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file if it is malformed.
    pub fn from_static(name: &str, bytes: &'static [u8]) -> Result<Self, Error> {
        Self::of_safetensors(name, SafetensorsFile::from_static(bytes))
    }

    /// Takes a safetensors file that is in memory; messages call it `name`.
    ///
    /// # Errors
    ///
    /// As [`from_static`](Self::from_static).
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::of_safetensors(name, SafetensorsFile::from_bytes(bytes))
    }

    fn of_safetensors(
        name: &str,
        file: Result<SafetensorsFile, SafetensorsError>,
    ) -> Result<Self, Error> {
        let path = PathBuf::from(name);
        match file {
            Ok(file) => Ok(Self::of_one(Shard::new(
                &path,
                WeightFile::Safetensors(file),
            )?)),
            Err(problem) => Err(Error::Safetensors { path, problem }),
        }
    }

    fn of_one(shard: Shard) -> Self {
        Self {
            files: vec![shard.path.clone()],
            places: shard.names().map(|name| (name.to_owned(), 0)).collect(),
            shards: vec![shard],
        }
    }

    /// Returns the files that the tensors come from: one, or an index and its shards.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the tensors in order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.places
            .iter()
            .filter_map(|(name, &shard)| Some((name.as_str(), self.shards[shard].info(name)?)))
    }

    /// Returns the names of the classes that mmsegmentation keeps beside its tensors, if the weights are
    /// one file and it has them.
    #[must_use]
    pub fn class_names(&self) -> Option<&[String]> {
        match self.shards.as_slice() {
            [
                Shard {
                    file: WeightFile::PyTorch(file),
                    ..
                },
            ] => file.class_names(),
            _ => None,
        }
    }

    /// Returns whether the weights are a burnpack, whose tensors are named after modules and lie as modules
    /// hold them.
    #[must_use]
    pub fn is_burnpack(&self) -> bool {
        #[cfg(feature = "burnpack")]
        return self
            .shards
            .iter()
            .any(|shard| matches!(shard.file, WeightFile::Burnpack(_)));
        #[cfg(not(feature = "burnpack"))]
        false
    }

    /// Returns the number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns whether there is no tensor at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the type and shape of a tensor, if it is there.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.shards[*self.places.get(name)?].info(name)
    }

    /// Reads a floating-point tensor of any width, or one of eight bits with its scales, in row-major order.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file and the tensor if it is not there or holds no
    /// floating-point numbers.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, Error> {
        let shard = self.shard(name)?;
        shard.wrap(shard.read_f32(name))
    }

    /// Reads a floating-point tensor like [`read_f32`](Self::read_f32), and refuses NaN and infinity.
    ///
    /// A network with one such weight says the same of every pixel, or nothing at all; a message that
    /// names the tensor is better.
    ///
    /// # Errors
    ///
    /// As [`read_f32`](Self::read_f32), and if the tensor holds a value that is not finite, or of 64 bits
    /// and beyond those that an `f32` holds.
    pub fn read_finite_f32(&self, name: &str) -> Result<Vec<f32>, Error> {
        let values = self.read_f32(name)?;
        if decode::all_finite(&values) {
            return Ok(values);
        }
        let first = values
            .iter()
            .enumerate()
            .find(|(_, value)| !value.is_finite());
        self.shard(name)?.wrap(match first {
            Some((index, value)) => Err(TensorError::NotFinite {
                name: name.into(),
                index,
                found: if value.is_nan() { "NaN" } else { "infinity" },
            }),
            None => Ok(values),
        })
    }

    /// Reads an integer or truth-value tensor of any width, in row-major order.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file and the tensor if it is not there, holds no integers,
    /// or holds one that does not fit.
    pub fn read_i64(&self, name: &str) -> Result<Vec<i64>, Error> {
        let shard = self.shard(name)?;
        shard.wrap(shard.file.read_i64(name))
    }

    /// Gives the memory of everything read so far back to the operating system.
    ///
    /// A mapped file's pages stay in memory once they were read. They may be read again: they then
    /// come from the file anew.
    pub fn release_pages(&self) {
        for shard in &self.shards {
            shard.file.release_pages();
        }
    }

    fn shard(&self, name: &str) -> Result<&Shard, Error> {
        let place = self.places.get(name).ok_or_else(|| Error::Tensor {
            path: self.files[0].clone(),
            problem: TensorError::NotFound { name: name.into() },
        })?;
        Ok(&self.shards[*place])
    }

    fn open_sharded(index_path: &Path) -> Result<Self, Error> {
        let text = json_file::read(index_path)?;
        let wrong = |problem| Error::Index {
            path: index_path.into(),
            problem,
        };
        let named = index::parse(&text).map_err(wrong)?;
        let mut files = vec![index_path.to_owned()];
        let mut shards = Vec::new();
        let mut places = BTreeMap::new();
        for (place, (file_name, tensors)) in named.into_iter().enumerate() {
            let path = index_path.with_file_name(&file_name);
            let shard = Shard::open(&path).map_err(|error| named_by(index_path, error))?;
            for tensor in tensors {
                if shard.info(&tensor).is_none() {
                    return Err(wrong(IndexError::MissingTensor {
                        tensor,
                        shard: file_name,
                    }));
                }
                places.insert(tensor, place);
            }
            let extra = shard.names().find(|&name| places.get(name) != Some(&place));
            if let Some(tensor) = extra.map(str::to_owned) {
                return Err(wrong(IndexError::ExtraTensor {
                    tensor,
                    shard: file_name,
                }));
            }
            files.push(path);
            shards.push(shard);
        }
        Ok(Self {
            files,
            shards,
            places,
        })
    }
}

impl Shard {
    fn open(path: &Path) -> Result<Self, Error> {
        Self::new(path, WeightFile::open(path)?)
    }

    fn new(path: &Path, file: WeightFile) -> Result<Self, Error> {
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

    fn info(&self, name: &str) -> Option<&TensorInfo> {
        match self.int8.get(name) {
            Some(tensor) => Some(&tensor.info),
            None => self.file.info(name),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let is_part = |name: &str| {
            let whole = name
                .strip_suffix(NUMBERS)
                .or_else(|| name.strip_suffix(SCALES));
            whole.is_some_and(|whole| self.int8.contains_key(whole))
        };
        let whole = self.file.names().filter(move |name| !is_part(name));
        whole.chain(self.int8.keys().map(String::as_str))
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let Some(tensor) = self.int8.get(name) else {
            return self.file.read_f32(name);
        };
        let scales = self.file.read_f32(&tensor.scales)?;
        Ok(restored(self.file.bytes(&tensor.numbers), &scales))
    }

    fn wrap<T>(&self, result: Result<T, TensorError>) -> Result<T, Error> {
        result.map_err(|problem| Error::Tensor {
            path: self.path.clone(),
            problem,
        })
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

/// Returns the weight or index file that `path` is or holds.
fn find(path: &Path) -> Result<PathBuf, Error> {
    let metadata = path
        .metadata()
        .map_err(|cause| Error::reading(path, cause))?;
    if !metadata.is_dir() {
        return Ok(path.into());
    }
    let found = FILE_NAMES
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.exists());
    found.ok_or_else(|| Error::NotFound {
        path: path.join(FILE_NAMES[0]),
        hint: format!("looked in that folder for {}", FILE_NAMES.join(", ")),
    })
}

fn first_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read as _;

    let (file, _) = json_file::open_regular(path)?;
    let mut magic = Vec::new();
    let start = file.take(ZIP_MAGIC.len() as u64).read_to_end(&mut magic);
    start.map_err(|cause| Error::reading(path, cause))?;
    Ok(magic)
}

/// Says of a file that is not there where its name came from.
fn named_by(index: &Path, error: Error) -> Error {
    match error {
        Error::NotFound { path, .. } => {
            let hint = format!("{} names it as a part of the weights", index.display());
            Error::NotFound { path, hint }
        }
        other => other,
    }
}
