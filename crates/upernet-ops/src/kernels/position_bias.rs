//! The position biases of every two tokens, out of those of every offset.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::ParallelSliceMut,
};

/// What is added for two tokens of a `[CLS]` token and a grid of patches behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositionBias<'a> {
    /// `[heads, 2 * height - 1, 2 * width - 1]`, by the offset from the key to the query.
    pub(crate) offsets: &'a [f32],
    /// `[heads, 3]`: from `[CLS]` to a patch, from a patch to `[CLS]`, from `[CLS]` to itself.
    pub(crate) of_class: &'a [f32],
    pub(crate) heads: usize,
    /// Patches, `[height, width]`.
    pub(crate) grid: [usize; 2],
}

impl PositionBias<'_> {
    /// Writes `[heads, L, L]` to `out`, the query first.
    ///
    /// # Panics
    ///
    /// Panics if a length does not fit.
    pub(crate) fn write(&self, out: &mut [f32]) {
        let [height, width] = self.grid;
        let tokens = 1 + height * width;
        let (rows, columns) = (2 * height - 1, 2 * width - 1);
        assert_eq!(self.offsets.len(), self.heads * rows * columns, "offsets");
        assert_eq!(self.of_class.len(), 3 * self.heads, "biases of the class");
        assert_eq!(out.len(), self.heads * tokens * tokens, "output");
        // Turned about, a query's keys stand in their order.
        let offsets: Vec<f32> = self
            .offsets
            .chunks_exact(rows * columns)
            .flat_map(|head| head.iter().rev().copied())
            .collect();
        let queries = out.par_chunks_exact_mut(tokens).enumerate();
        queries.for_each(|(index, out)| {
            let (head, query) = (index / tokens, index % tokens);
            let of_class = &self.of_class[3 * head..][..3];
            let (first, keys) = out.split_first_mut().expect("there is a class token");
            let Some(patch) = query.checked_sub(1) else {
                *first = of_class[2];
                keys.fill(of_class[0]);
                return;
            };
            *first = of_class[1];
            let (row, column) = (patch / width, patch % width);
            let offsets = &offsets[head * rows * columns..][..rows * columns];
            let lines = offsets.chunks_exact(columns).skip(height - 1 - row);
            for (keys, line) in keys.chunks_exact_mut(width).zip(lines) {
                keys.copy_from_slice(&line[width - 1 - column..][..width]);
            }
        });
    }
}
