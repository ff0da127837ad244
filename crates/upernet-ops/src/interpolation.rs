//! Bilinear interpolation along one axis as a matrix.

use burn::tensor::{Tensor, TensorData};

/// The matrix `[to, from]` that interpolates a line of `from` values to `to` values, for maps like
/// `like`.
pub(crate) fn matrix(from: usize, to: usize, like: &Tensor<4>) -> Tensor<2> {
    let mut matrix = vec![0.0_f32; to * from];
    for (row, weights) in matrix.chunks_exact_mut(from).enumerate() {
        add_taps(weights, row, to);
    }
    tensor(matrix, [to, from], like)
}

/// The matrix `[to, 3 * from]` that interpolates three lines of `from` values to `to` values, moves
/// the first one position on and the last one position back, and adds them up.
///
/// That is what a convolution with three taps makes of the products of its taps; beyond the ends of a
/// line are zeros.
pub(crate) fn shifted_matrix(from: usize, to: usize, like: &Tensor<4>) -> Tensor<2> {
    let mut matrix = vec![0.0_f32; to * 3 * from];
    for (row, weights) in matrix.chunks_exact_mut(3 * from).enumerate() {
        for (tap, weights) in weights.chunks_exact_mut(from).enumerate() {
            let position = (row + tap).checked_sub(1).filter(|&position| position < to);
            if let Some(position) = position {
                add_taps(weights, position, to);
            }
        }
    }
    tensor(matrix, [to, 3 * from], like)
}

fn tensor(values: Vec<f32>, dims: [usize; 2], like: &Tensor<4>) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(values, dims),
        (&like.device(), like.dtype()),
    )
}

/// Adds to `weights` what output position `position` of `to` takes of each source position.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the source position is clamped to 0 ..= from - 1 before it becomes an index"
)]
fn add_taps(weights: &mut [f32], position: usize, to: usize) {
    let from = weights.len();
    let source = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let source = source.clamp(0.0, (from - 1) as f64);
    let low = source as usize;
    let high = (low + 1).min(from - 1);
    let fraction = (source - low as f64) as f32;
    weights[low] += 1.0 - fraction;
    weights[high] += fraction;
}
