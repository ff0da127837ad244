//! The weights of a model folder, whatever files they are in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    config::json_file,
    error::Error,
    weights::{
        IndexError, SafetensorsError, SafetensorsFile, TensorError, TensorInfo, decode, index,
        shard::{Shard, WeightFile},
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

    /// The names under which [`open`](Self::open) looks for weights in a folder; the first that is there
    /// is taken.
    pub fn file_names() -> impl Iterator<Item = &'static str> {
        FILE_NAMES.into_iter()
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
            [shard] => shard.class_names(),
            _ => None,
        }
    }

    /// Returns whether the weights are a burnpack, whose tensors are named after modules and lie as modules
    /// hold them.
    #[must_use]
    pub fn is_burnpack(&self) -> bool {
        self.shards.iter().any(Shard::is_burnpack)
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

    /// Checks, without reading a value, that [`read_f32`](Self::read_f32) can.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file and the tensor if it is not there or holds no
    /// floating-point numbers.
    pub fn check_f32(&self, name: &str) -> Result<(), Error> {
        let shard = self.shard(name)?;
        shard.wrap(shard.check_f32(name))
    }

    /// Checks, without reading a value, that [`read_i64`](Self::read_i64) can.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file and the tensor if it is not there or holds no integers.
    pub fn check_i64(&self, name: &str) -> Result<(), Error> {
        let shard = self.shard(name)?;
        shard.wrap(shard.check_i64(name))
    }

    /// Reads variances like [`read_finite_f32`](Self::read_finite_f32), and refuses negative ones, of
    /// which a norm makes NaN.
    ///
    /// # Errors
    ///
    /// As [`read_finite_f32`](Self::read_finite_f32), and if a value is below 0.
    pub fn read_variances(&self, name: &str) -> Result<Vec<f32>, Error> {
        let values = self.read_finite_f32(name)?;
        match values.iter().position(|value| *value < 0.0) {
            None => Ok(values),
            Some(index) => self.shard(name)?.wrap(Err(TensorError::Negative {
                name: name.into(),
                index,
            })),
        }
    }

    /// Returns the names of other weights that the file holds and that are not taken, such as averages.
    pub fn other_weights(&self) -> impl Iterator<Item = &str> {
        let lists = self.shards.iter().map(Shard::other_weights);
        lists.flatten().map(String::as_str)
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
        shard.wrap(shard.read_i64(name))
    }

    /// Gives the memory of everything read so far back to the operating system.
    ///
    /// A mapped file's pages stay in memory once they were read. They may be read again: they then
    /// come from the file anew.
    pub fn release_pages(&self) {
        for shard in &self.shards {
            shard.release_pages();
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
        // A link to nothing is named, rather than passed over for the next.
        .find(|file| file.symlink_metadata().is_ok());
    found.ok_or_else(|| Error::NotFound {
        path: path.join(FILE_NAMES[0]),
        hint: format!("looked in that folder for {}", FILE_NAMES.join(", ")),
    })
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
