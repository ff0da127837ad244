//! Sums over the rows of a map: what gradients of biases, scales and statistics are.

use std::ops::Range;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Fewest rows that a thread takes at once.
const MIN_ROWS: usize = 64;
/// Most parts, each with sums of its own.
const MAX_PARTS: usize = 64;

/// Adds up `length` sums over `rows` rows, on all threads of the pool.
///
/// `work` is given a range of rows, their share of `out` (which has as many values for each row, or
/// none at all), and sums to add to. The parts are the same on every machine and are added in their
/// order, so the result does not depend on the number of threads.
pub(crate) fn sum_rows(
    rows: usize,
    length: usize,
    out: &mut [f32],
    work: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync,
) -> Vec<f32> {
    let width = out.len() / rows.max(1);
    assert_eq!(out.len(), width * rows, "the output has other rows");
    let part = rows.div_ceil(MAX_PARTS).max(MIN_ROWS);
    let mut rest = out;
    let mut parts = Vec::new();
    for start in (0..rows).step_by(part) {
        let range = start..rows.min(start + part);
        let (own, others) = rest.split_at_mut(range.len() * width);
        parts.push((range, own));
        rest = others;
    }
    let parts: Vec<Vec<f32>> = parts
        .into_par_iter()
        .with_max_len(1)
        .map(|(range, out)| {
            let mut sums = vec![0.0; length];
            work(range, out, &mut sums);
            sums
        })
        .collect();
    let mut totals = vec![0.0_f64; length];
    for part in parts {
        for (total, value) in totals.iter_mut().zip(part) {
            *total += f64::from(value);
        }
    }
    totals.into_iter().map(rounded).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded to f32 once, at the end"
)]
fn rounded(value: f64) -> f32 {
    value as f32
}
