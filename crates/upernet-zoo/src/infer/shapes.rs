//! The shapes of a checkpoint's tensors by hub key, and the one value that configurations are told by.

use std::collections::BTreeMap;

use upernet_hf::weights::Checkpoint;

use crate::{Dialect, names::HubNames};

/// The table of offsets within the windows of a stage of Swin V2, in its first block.
const OFFSETS: &str = ".blocks.0.attention.self.relative_coords_table";

/// Values of such a table; no window that is allowed has more.
const MOST_OFFSETS: usize = 1 << 20;

/// Shapes by hub key.
#[derive(Debug)]
pub(crate) struct Shapes {
    by_key: BTreeMap<String, Vec<usize>>,
    largest_offsets: BTreeMap<String, f32>,
    /// Whose names the tensors have in the file.
    dialect: Dialect,
}

impl Shapes {
    pub(crate) fn of(names: &HubNames, checkpoint: &Checkpoint) -> Self {
        let shapes = names.names.iter();
        let shapes =
            shapes.filter_map(|(key, source)| Some((key.clone(), source.shape(checkpoint)?)));
        let tables = names.names.iter().filter(|(key, _)| key.ends_with(OFFSETS));
        let largest = tables.filter_map(|(key, source)| {
            let info = checkpoint.info(&source.name)?;
            let small = info.elements() <= MOST_OFFSETS;
            let values = small.then(|| checkpoint.read_f32(&source.name).ok())??;
            Some((key.clone(), *values.last()?))
        });
        Self {
            by_key: shapes.collect(),
            largest_offsets: largest.collect(),
            dialect: names.dialect,
        }
    }

    /// Whose names the tensors have in the file.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The last value of a table of offsets, which is the largest.
    pub(super) fn largest_offset(&self, key: &str) -> Option<f32> {
        self.largest_offsets.get(key).copied()
    }

    /// Whether there is a tensor of that key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The shape of a tensor of so many axes; an error names the key.
    pub(super) fn get<const AXES: usize>(&self, key: &str) -> Result<[usize; AXES], String> {
        let shape = self
            .by_key
            .get(key)
            .ok_or_else(|| format!("there is no {key}"))?;
        let wrong = || format!("{key} is {shape:?}, not of {AXES} axes");
        shape.as_slice().try_into().map_err(|_| wrong())
    }

    /// How many of the keys that `key_of` gives for 0, 1, 2, ... are there before the first that is not.
    pub(super) fn count(&self, key_of: impl Fn(usize) -> String) -> usize {
        // Each step needs a tensor of its own.
        (0..self.by_key.len())
            .take_while(|&index| self.has(&key_of(index)))
            .count()
    }

    #[cfg(test)]
    pub(super) fn new(shapes: &[(&str, &[usize])]) -> Self {
        let shapes = shapes.iter();
        Self {
            by_key: shapes
                .map(|(key, shape)| ((*key).to_owned(), shape.to_vec()))
                .collect(),
            largest_offsets: BTreeMap::new(),
            dialect: Dialect::Hub,
        }
    }

    #[cfg(test)]
    pub(super) fn of_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    #[cfg(test)]
    pub(super) fn with_largest_offset(mut self, key: &str, value: f32) -> Self {
        self.largest_offsets.insert(key.to_owned(), value);
        self
    }
}
