//! Files that `PyTorch` before 1.6 wrote, and later ones on request, as publishing scripts do.
//!
//! Five pickles one after the other (a magic number, the version of the format, facts of the machine, the
//! content, the keys of its storages), and then each storage: the number of its elements, and they
//! themselves.
//!
//! Source: `_legacy_save` in `torch/serialization.py` of `PyTorch` 2.15.

use std::{collections::BTreeMap, ops::Range};

use super::{
    Contents, MAX_PICKLE_BYTES, class_names, pickle, state_dict,
    value::{Heap, Reference, Value},
};
use crate::weights::PyTorchError;

/// How such a file starts: a pickle of the format's magic number.
pub(super) const MAGIC: &[u8] = &[
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.',
];
/// The one version of the format there has been.
const VERSION: i64 = 1001;
/// Bytes of the number before each storage.
const COUNT_BYTES: usize = 8;

pub(super) fn read(file: &[u8]) -> Result<Contents, PyTorchError> {
    let mut rest = Rest {
        file,
        position: MAGIC.len(),
    };
    let (heap, top) = rest.pickle()?;
    if !matches!(heap.get(top), Value::Integer(VERSION)) {
        return Err(damaged("its version is not known"));
    }
    let (heap, top) = rest.pickle()?;
    if is_big_endian(&heap, top) {
        return Err(PyTorchError::BigEndian);
    }
    let (heap, top) = rest.pickle()?;
    let (keys, list) = rest.pickle()?;
    let storages = rest.storages(&heap, &keys, list)?;
    let storage = |key: &str| storages.get(key).cloned();
    Ok(Contents {
        tensors: state_dict::tensors(&heap, top, file.len(), storage)?,
        other_weights: state_dict::others(&heap, top),
        class_names: class_names::find(&heap, top),
    })
}

/// What is not read yet.
struct Rest<'a> {
    file: &'a [u8],
    position: usize,
}

impl<'a> Rest<'a> {
    /// Reads the next pickle.
    fn pickle(&mut self) -> Result<(Heap<'a>, Reference), PyTorchError> {
        let start = self.position;
        let end = self.file.len().min(start + MAX_PICKLE_BYTES);
        let (heap, top, length) =
            pickle::read(&self.file[start..end]).map_err(|(at, problem)| {
                let position = start + at;
                PyTorchError::Pickle { position, problem }
            })?;
        self.position = start + length;
        Ok((heap, top))
    }

    /// Finds the bytes of every storage, by its key, in the order of the list.
    fn storages(
        mut self,
        heap: &Heap<'a>,
        keys: &Heap<'a>,
        list: Reference,
    ) -> Result<BTreeMap<&'a str, Range<usize>>, PyTorchError> {
        let sizes = heap
            .storages()
            .map(|storage| (storage.key, storage.dtype.size()));
        let sizes: BTreeMap<&str, usize> = sizes.collect();
        let Value::List(list) = keys.get(list) else {
            return Err(damaged("it has no list of storages"));
        };
        let mut found = BTreeMap::new();
        for &key in list {
            let &Value::Text(key) = keys.get(key) else {
                return Err(damaged("the key of a storage is no string"));
            };
            let size = sizes.get(key).copied();
            let size = size.ok_or_else(|| damaged("a storage belongs to no tensor"))?;
            if found.insert(key, self.storage(size)?).is_some() {
                return Err(damaged("a storage is there twice"));
            }
        }
        Ok(found)
    }

    /// Passes over a storage of elements of `size` bytes, and returns where it is.
    fn storage(&mut self, size: usize) -> Result<Range<usize>, PyTorchError> {
        let cut_short = || damaged("it is cut short");
        let rest = &self.file[self.position..];
        let count = rest.first_chunk::<COUNT_BYTES>().ok_or_else(cut_short)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok();
        let start = self.position + COUNT_BYTES;
        let end = count
            .and_then(|count| count.checked_mul(size)?.checked_add(start))
            .filter(|&end| end <= self.file.len())
            .ok_or_else(cut_short)?;
        self.position = end;
        Ok(start..end)
    }
}

fn is_big_endian(heap: &Heap<'_>, top: Reference) -> bool {
    let Value::Dict(items) = heap.get(top) else {
        return false;
    };
    items.iter().any(|&(key, value)| {
        matches!(
            (heap.get(key), heap.get(value)),
            (Value::Text("little_endian"), Value::Bool(false))
        )
    })
}

fn damaged(problem: &'static str) -> PyTorchError {
    PyTorchError::Legacy { problem }
}
