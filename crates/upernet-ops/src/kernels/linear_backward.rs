//! Gradients of a linear layer's weights and bias.

use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};

use super::{
    packed::panel_width,
    rows::{Rows, RowsMut},
    scratch::with_scratch,
    simd,
    sum_rows::sum_rows,
    transposed::{add_transposed_product, odd_lines},
};

/// Rows that are multiplied at once, so that copies of them stay in the cache.
const BLOCK_ROWS: usize = 512;

/// Computes `weights = x^T * gradient` for `x` of `[rows, inputs]` and `gradient` of
/// `[rows, outputs]`.
///
/// # Panics
///
/// Panics if a length does not fit.
pub(crate) fn weight_gradient(
    x: &[f32],
    gradient: &[f32],
    [inputs, outputs]: [usize; 2],
    weights: &mut [f32],
) {
    let rows = x.len() / inputs;
    assert_eq!(
        [x.len(), gradient.len(), weights.len()],
        [rows * inputs, rows * outputs, inputs * outputs],
        "a matrix of another size"
    );
    weights.fill(0.0);
    // Columns up to the next panel may be read, so they must be there.
    let strides = [
        odd_lines(inputs),
        odd_lines(outputs.next_multiple_of(panel_width())),
    ];
    with_scratch(BLOCK_ROWS * (strides[0] + strides[1]), |scratch| {
        let (left, right) = scratch.split_at_mut(BLOCK_ROWS * strides[0]);
        let blocks = x.chunks(BLOCK_ROWS * inputs);
        for (x, gradient) in blocks.zip(gradient.chunks(BLOCK_ROWS * outputs)) {
            let x = pad_rows(x, inputs, strides[0], left);
            let gradient = pad_rows(gradient, outputs, strides[1], right);
            add_transposed_product(x, gradient, RowsMut::dense(weights, outputs));
        }
    });
}

/// Copies rows so that they are `stride` values apart.
pub(crate) fn pad_rows<'a>(
    x: &[f32],
    width: usize,
    stride: usize,
    padded: &'a mut [f32],
) -> Rows<'a> {
    let rows = x.par_chunks(width).zip(padded.par_chunks_mut(stride));
    rows.with_min_len(16)
        .for_each(|(x, padded)| padded[..width].copy_from_slice(x));
    Rows {
        values: padded,
        stride,
        count: x.len() / width,
    }
}

/// The sum of each column of `gradient`, `[rows, columns]`.
pub(crate) fn bias_gradient(gradient: &[f32], columns: usize) -> Vec<f32> {
    let rows = gradient.len() / columns;
    sum_rows(rows, columns, &mut [], |range, _, sums| {
        let gradient = &gradient[range.start * columns..range.end * columns];
        simd::arch().dispatch(
            #[inline(always)]
            || {
                for row in gradient.chunks_exact(columns) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            },
        );
    })
}
