//! The names of classes that mmsegmentation keeps beside the weights.
//!
//! A convenience and nothing more: what is not there, or not in the expected form, is no error.

use super::value::{Heap, Reference, Value};
use crate::config::limits::{MAX_LABEL_BYTES, MAX_LABELS};

/// Where they are below the top dictionary: in files of version 0, in those of version 1.
const PLACES: [&[&str]; 3] = [
    &["meta", "CLASSES"],
    &["meta", "dataset_meta", "classes"],
    &["meta", "dataset_meta", "CLASSES"],
];

/// Finds a list of names, at most as many and as long as a configuration may have.
pub(super) fn find(heap: &Heap<'_>, top: Reference) -> Option<Vec<String>> {
    PLACES.iter().find_map(|path| {
        let place = path
            .iter()
            .try_fold(top, |place, name| entry(heap, place, name))?;
        let (Value::Tuple(items) | Value::List(items)) = heap.get(place) else {
            return None;
        };
        let is_bounded = (1..=MAX_LABELS).contains(&items.len());
        let names = is_bounded.then(|| items.iter().map(|&item| name(heap, item)))?;
        names.collect()
    })
}

fn name(heap: &Heap<'_>, place: Reference) -> Option<String> {
    match heap.get(place) {
        Value::Text(name) if name.len() <= MAX_LABEL_BYTES => Some((*name).to_owned()),
        _ => None,
    }
}

fn entry(heap: &Heap<'_>, place: Reference, wanted: &str) -> Option<Reference> {
    let Value::Dict(items) = heap.get(place) else {
        return None;
    };
    let found = |&&(key, _): &&(Reference, Reference)| matches!(heap.get(key), Value::Text(name) if *name == wanted);
    items.iter().find(found).map(|&(_, value)| value)
}
