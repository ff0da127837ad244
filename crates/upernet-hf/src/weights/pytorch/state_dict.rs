//! From the top value of a pickle to named tensors with places in the file.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
};

use super::{
    MAX_TENSORS,
    strided::Strided,
    value::{Heap, Reference, Value, View},
};
use crate::weights::{PyTorchError, TensorInfo};

/// Keys under which training scripts keep the weights beside their own state, and then averages of them.
const NESTED: [&str; 6] = [
    "state_dict",
    "model",
    "state_dict_ema",
    "model_ema",
    "ema",
    "teacher",
];

/// How often the bytes of the file may be claimed, over all tensors; tied weights claim some twice.
const MAX_SHARING: u64 = 8;

/// Collects the tensors and places each within its storage.
pub(super) fn tensors(
    heap: &Heap<'_>,
    top: Reference,
    file_length: usize,
    storage: impl Fn(&str) -> Option<Range<usize>>,
) -> Result<BTreeMap<String, Strided>, PyTorchError> {
    let mut tensors = BTreeMap::new();
    let mut total = 0_u64;
    let items = dictionary(heap, top)?;
    if items.len() > MAX_TENSORS {
        return Err(PyTorchError::TooManyTensors { limit: MAX_TENSORS });
    }
    for &(key, value) in items {
        let &Value::Text(name) = heap.get(key) else {
            return Err(PyTorchError::KeyType {
                found: heap.get(key).kind(),
            });
        };
        let Value::Tensor(view) = heap.get(value) else {
            let found = heap.get(value).kind();
            return Err(PyTorchError::NotATensor {
                name: name.into(),
                found,
            });
        };
        let strided = place(view, &storage).map_err(|problem| PyTorchError::Tensor {
            name: name.into(),
            problem,
        })?;
        total = total.saturating_add(strided.info().byte_len() as u64);
        match tensors.entry(name.to_owned()) {
            Entry::Vacant(entry) => entry.insert(strided),
            Entry::Occupied(entry) => {
                return Err(PyTorchError::Duplicate {
                    name: entry.key().clone(),
                });
            }
        };
    }
    let found = file_length as u64;
    if total > found.saturating_mul(MAX_SHARING) {
        return Err(PyTorchError::SharedTooOften { total, found });
    }
    Ok(tensors)
}

/// Finds the dictionary of tensors: the top one, or one beside a training script's own state.
fn dictionary<'h>(
    heap: &'h Heap<'_>,
    top: Reference,
) -> Result<&'h [(Reference, Reference)], PyTorchError> {
    let Value::Dict(items) = heap.get(top) else {
        return Err(PyTorchError::NoStateDict {
            found: heap.get(top).kind(),
        });
    };
    Ok(nested(heap, items).next().map_or(items, |(_, items)| items))
}

/// The names of the dictionaries that could have been taken, and were not.
pub(super) fn others(heap: &Heap<'_>, top: Reference) -> Vec<String> {
    let Value::Dict(items) = heap.get(top) else {
        return Vec::new();
    };
    let names = nested(heap, items).skip(1).map(|(name, _)| name.to_owned());
    names.collect()
}

/// The dictionaries within the top one that weights may be in, the one to take first.
fn nested<'h>(
    heap: &'h Heap<'_>,
    items: &'h [(Reference, Reference)],
) -> impl Iterator<Item = (&'static str, &'h Vec<(Reference, Reference)>)> {
    NESTED.into_iter().filter_map(|wanted| {
        items
            .iter()
            .find_map(|&(key, value)| match (heap.get(key), heap.get(value)) {
                (&Value::Text(name), Value::Dict(items)) if name == wanted => Some((wanted, items)),
                _ => None,
            })
    })
}

/// Checks a tensor against its storage and the storage against the file.
fn place(
    view: &View<'_>,
    storage: impl Fn(&str) -> Option<Range<usize>>,
) -> Result<Strided, String> {
    let key = view.storage.key;
    let bytes = storage(key).ok_or_else(|| {
        format!(
            "its storage {} is not in the archive",
            crate::error::quoted(key)
        )
    })?;
    let dtype = view.storage.dtype;
    let claimed = view.storage.elements.checked_mul(dtype.size() as u64);
    if claimed != Some(bytes.len() as u64) {
        return Err(format!(
            "its storage claims {} elements of type {dtype}, the archive holds {} bytes",
            view.storage.elements,
            bytes.len()
        ));
    }
    let sides: Result<Vec<usize>, _> = view.shape.iter().map(|&side| side.try_into()).collect();
    let info = sides
        .ok()
        .and_then(|shape| TensorInfo::new(dtype, shape).ok());
    let info = info.ok_or_else(|| format!("its shape {:?} does not fit in memory", view.shape))?;
    if info.elements() as u64 > view.storage.elements {
        return Err(format!(
            "its shape {:?} repeats the {} elements of its storage; save a contiguous copy",
            view.shape, view.storage.elements
        ));
    }
    let last = last_element(view).filter(|&last| last < view.storage.elements);
    if info.elements() > 0 && last.is_none() {
        return Err(format!(
            "its shape {:?} with strides {:?} from element {} reaches past the {} elements of its \
             storage",
            view.shape, view.strides, view.offset, view.storage.elements
        ));
    }
    Ok(Strided::new(info, bytes, view.offset, &view.strides))
}

/// Returns the largest element of the storage that a tensor with elements touches.
fn last_element(view: &View<'_>) -> Option<u64> {
    view.shape
        .iter()
        .zip(&view.strides)
        .try_fold(view.offset, |last, (&side, &stride)| {
            last.checked_add(side.saturating_sub(1).checked_mul(stride)?)
        })
}
