//! The three things that a pickle of weights is built from: storages, tensors, parameters.

use super::{
    pickle::operand,
    value::{Callable, Heap, Reference, Storage, Value, View},
};
use crate::weights::PickleError;

type Result<T> = std::result::Result<T, PickleError>;

/// Axes of a tensor; convolution weights have four.
const MAX_AXES: usize = 8;

/// Reads a persistent id: `("storage", type, key, location, elements)`, and in files before `PyTorch` 1.6
/// `None`, where views of storages once were.
pub(super) fn storage<'a>(heap: &Heap<'a>, id: Reference) -> Result<Storage<'a>> {
    let Value::Tuple(parts) = heap.get(id) else {
        return Err(operand("a storage", "a tuple", heap.get(id)));
    };
    let Some((&[tag, kind, key, _location, elements], view)) = parts.split_first_chunk() else {
        return Err(arity("a storage", "a tuple of five"));
    };
    match view {
        [] => {}
        &[view] if matches!(heap.get(view), Value::None) => {}
        _ => return Err(arity("a storage", "a tuple of five")),
    }
    let Value::Text("storage") = heap.get(tag) else {
        return Err(operand("a storage", "the word storage", heap.get(tag)));
    };
    let &Value::Callable(Callable::StorageType(dtype)) = heap.get(kind) else {
        return Err(operand("a storage", "a storage type", heap.get(kind)));
    };
    let &Value::Text(key) = heap.get(key) else {
        return Err(operand("a storage", "a string as its key", heap.get(key)));
    };
    let elements = unsigned(heap, elements, "a storage")?;
    Ok(Storage {
        dtype,
        key,
        elements,
    })
}

/// Reads the arguments of `_rebuild_tensor_v2`: storage, offset, shape, strides, whether it wants a
/// gradient, hooks, and (sometimes) metadata.
pub(super) fn tensor<'a>(heap: &Heap<'a>, arguments: &[Reference]) -> Result<View<'a>> {
    let (&[storage, offset, shape, strides, _gradient, _hooks], metadata) = arguments
        .split_first_chunk()
        .ok_or_else(|| arity("a tensor", "at least six arguments"))?;
    // Metadata marks conjugate and negated views, whose stored numbers are not their values.
    for &extra in metadata {
        match heap.get(extra) {
            Value::None => {}
            Value::Dict(items) if items.is_empty() => {}
            other => return Err(operand("a tensor", "no metadata", other)),
        }
    }
    let &Value::Storage(storage) = heap.get(storage) else {
        return Err(operand("a tensor", "a storage", heap.get(storage)));
    };
    let offset = unsigned(heap, offset, "a tensor's offset")?;
    let shape = axes(heap, shape, "a tensor's shape")?;
    let strides = axes(heap, strides, "a tensor's strides")?;
    if shape.len() != strides.len() {
        return Err(arity("a tensor", "as many strides as axes"));
    }
    Ok(View {
        storage,
        offset,
        shape,
        strides,
    })
}

/// Reads the arguments of `_rebuild_parameter`: the tensor, whether it wants a gradient, hooks.
pub(super) fn parameter(heap: &Heap<'_>, arguments: &[Reference]) -> Result<Reference> {
    let &[tensor, _gradient, _hooks] = arguments else {
        return Err(arity("a parameter", "three arguments"));
    };
    match heap.get(tensor) {
        Value::Tensor(_) => Ok(tensor),
        other => Err(operand("a parameter", "a tensor", other)),
    }
}

fn axes(heap: &Heap<'_>, tuple: Reference, operation: &'static str) -> Result<Vec<u64>> {
    let Value::Tuple(items) = heap.get(tuple) else {
        return Err(operand(operation, "a tuple", heap.get(tuple)));
    };
    if items.len() > MAX_AXES {
        return Err(PickleError::TooManyAxes {
            found: items.len(),
            limit: MAX_AXES,
        });
    }
    items
        .iter()
        .map(|&item| unsigned(heap, item, operation))
        .collect()
}

fn unsigned(heap: &Heap<'_>, number: Reference, operation: &'static str) -> Result<u64> {
    let expected = "an integer that is not negative";
    match heap.get(number) {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| PickleError::Operand {
            operation,
            expected,
            found: "a negative one",
        }),
        other => Err(operand(operation, expected, other)),
    }
}

fn arity(operation: &'static str, expected: &'static str) -> PickleError {
    PickleError::Operand {
        operation,
        expected,
        found: "another number",
    }
}
