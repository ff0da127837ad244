//! The position biases of windows, looked up for each pair of tokens.

use crate::rounding::rounded;

/// Hidden channels of the perceptron of Swin V2, fixed upstream.
pub(crate) const POSITION_PERCEPTRON: usize = 512;

/// The largest bias of Swin V2, fixed upstream.
const LARGEST: f64 = 16.0;

/// `[heads, tokens, tokens]` out of `[(2 window - 1)^2, heads]`. Upstream: `SwinRelativePositionBias`.
pub(crate) fn relative_positions(table: &[f32], window: usize) -> Vec<f32> {
    let span = 2 * window - 1;
    let heads = table.len() / (span * span);
    let tokens = window * window;
    let mut bias = Vec::with_capacity(heads * tokens * tokens);
    for head in 0..heads {
        for query in 0..tokens {
            for key in 0..tokens {
                let row = query / window + window - 1 - key / window;
                let column = query % window + window - 1 - key % window;
                bias.push(table[(row * span + column) * heads + head]);
            }
        }
    }
    bias
}

/// The table `[(2 window - 1)^2, heads]` that a perceptron makes of the offsets between tokens: its
/// weights are `[POSITION_PERCEPTRON, 2]`, `[POSITION_PERCEPTRON]` and `[heads, POSITION_PERCEPTRON]`.
///
/// Upstream: `Swinv2SelfAttention`. Paper: section 3.3, equations 3 and 4.
pub(crate) fn continuous_table(
    [expand, bias, project]: [&[f32]; 3],
    window: usize,
    pretrained_window: usize,
) -> Vec<f32> {
    let offsets = log_spaced(window, pretrained_window);
    let mut hidden = vec![0.0; POSITION_PERCEPTRON];
    let mut table = Vec::new();
    for row in &offsets {
        for column in &offsets {
            for ((hidden, weight), bias) in hidden.iter_mut().zip(expand.chunks_exact(2)).zip(bias)
            {
                let sum = f64::from(weight[0]) * row + f64::from(weight[1]) * column;
                *hidden = (sum + f64::from(*bias)).max(0.0);
            }
            table.extend(project.chunks_exact(POSITION_PERCEPTRON).map(|weights| {
                let products = weights.iter().zip(&hidden);
                let sum: f64 = products.map(|(w, hidden)| f64::from(*w) * hidden).sum();
                rounded(LARGEST / (1.0 + (-sum).exp()))
            }));
        }
    }
    table
}

/// The offsets along an axis, from `1 - window` to `window - 1`, on a logarithmic scale.
fn log_spaced(window: usize, pretrained_window: usize) -> Vec<f64> {
    let farthest = match (pretrained_window, window) {
        (0, 1) => 1,
        (0, own) => own - 1,
        (pretrained, _) => pretrained - 1,
    };
    let offset = |position: usize| {
        let offset = (position as f64 - (window - 1) as f64) / farthest as f64 * 8.0;
        ((offset.abs() + 1.0).log2() / 3.0).copysign(offset)
    };
    (0..2 * window - 1).map(offset).collect()
}

#[cfg(test)]
mod tests {
    use super::{POSITION_PERCEPTRON, continuous_table, log_spaced, relative_positions};

    #[test]
    fn positions_depend_on_the_difference_alone() {
        // A window of 2 has 9 differences; one head whose entry is the difference's number.
        let table: Vec<f32> = (0_u8..9).map(f32::from).collect();
        let bias = relative_positions(&table, 2);
        // Query 0 is at (0, 0): keys at differences (0, 0), (0, -1), (-1, 0), (-1, -1).
        assert_eq!(bias[..4], [4.0, 3.0, 1.0, 0.0]);
        // Query 3 is at (1, 1).
        assert_eq!(bias[12..], [8.0, 7.0, 5.0, 4.0]);
    }

    #[test]
    fn heads_come_first() {
        let table: Vec<f32> = (0_u8..18).map(f32::from).collect(); // [9, 2]
        let bias = relative_positions(&table, 2);
        assert_eq!((bias[0], bias[16]), (8.0, 9.0));
    }

    /// Values of transformers' `Swinv2SelfAttention.relative_coords_table` for windows of 3, of their
    /// own and pretrained with 2.
    #[test]
    fn offsets_are_upstreams() {
        for (pretrained, expected) in [
            (0, [-1.056_641_7, -0.773_976, 0.0, 0.773_976, 1.056_641_7]),
            (
                2,
                [-1.362_487_6, -1.056_641_7, 0.0, 1.056_641_7, 1.362_487_6],
            ),
        ] {
            let offsets = log_spaced(3, pretrained);
            assert_eq!(offsets.len(), 5);
            for (found, expected) in offsets.into_iter().zip(expected) {
                let difference: f64 = found - expected;
                assert!(difference.abs() < 1e-6, "{found}, not {expected}");
            }
        }
        assert_eq!(log_spaced(1, 0), [0.0]);
    }

    /// Two hidden channels are awake: the row's offset, where it is positive, and a constant of 1. The
    /// first head adds them, the second is the constant three times, taken off.
    #[test]
    fn a_perceptron_reads_rows_before_columns() {
        let mut expand = vec![0.0; 2 * POSITION_PERCEPTRON];
        expand[0] = 1.0;
        let mut bias = vec![0.0; POSITION_PERCEPTRON];
        bias[1] = 1.0;
        let mut project = vec![0.0; 2 * POSITION_PERCEPTRON];
        (project[0], project[1]) = (1.0, 1.0);
        project[POSITION_PERCEPTRON + 1] = -3.0;
        let table = continuous_table([&expand, &bias, &project], 2, 0);
        assert_eq!(table.len(), 9 * 2);
        let sigmoid = |x: f64| 16.0 / (1.0 + (-x).exp());
        // The farthest offset is 8, which is log2(9) / 3 on the scale.
        let farthest = 9.0_f64.log2() / 3.0;
        for (difference, row) in [0.0, 0.0, farthest].into_iter().enumerate() {
            for column in 0..3 {
                let entry = 2 * (3 * difference + column);
                for (found, expected) in [
                    (table[entry], sigmoid(row + 1.0)),
                    (table[entry + 1], sigmoid(-3.0)),
                ] {
                    assert!(
                        (f64::from(found) - expected).abs() < 1e-6,
                        "{found}, not {expected}"
                    );
                }
            }
        }
    }
}
