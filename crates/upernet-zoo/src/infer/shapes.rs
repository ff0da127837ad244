//! The shapes of a checkpoint's tensors by hub key.

use std::collections::BTreeMap;

use upernet_hf::weights::Checkpoint;

use crate::names::HubNames;

/// Shapes by hub key.
#[derive(Debug)]
pub(crate) struct Shapes(BTreeMap<String, Vec<usize>>);

impl Shapes {
    pub(crate) fn of(names: &HubNames, checkpoint: &Checkpoint) -> Self {
        let shapes = names.names.iter();
        let shapes =
            shapes.filter_map(|(key, source)| Some((key.clone(), source.shape(checkpoint)?)));
        Self(shapes.collect())
    }

    /// Whether there is a tensor of that key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The shape of a tensor of so many axes; an error names the key.
    pub(super) fn get<const AXES: usize>(&self, key: &str) -> Result<[usize; AXES], String> {
        let shape = self
            .0
            .get(key)
            .ok_or_else(|| format!("there is no {key}"))?;
        let wrong = || format!("{key} is {shape:?}, not of {AXES} axes");
        shape.as_slice().try_into().map_err(|_| wrong())
    }

    /// How many of the keys that `key_of` gives for 0, 1, 2, ... are there before the first that is not.
    pub(super) fn count(&self, key_of: impl Fn(usize) -> String) -> usize {
        // Each step needs a tensor of its own.
        (0..self.0.len())
            .take_while(|&index| self.has(&key_of(index)))
            .count()
    }

    #[cfg(test)]
    pub(super) fn new(shapes: &[(&str, &[usize])]) -> Self {
        let shapes = shapes.iter();
        Self(
            shapes
                .map(|(key, shape)| ((*key).to_owned(), shape.to_vec()))
                .collect(),
        )
    }
}
