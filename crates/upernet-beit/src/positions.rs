//! Learned positions, and how they reach images of other sizes. Upstream:
//! `BeitEmbeddings.interpolate_pos_encoding`, which is
//! `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)`.

use burn::tensor::{Device, Tensor, TensorData};

/// The sharpness of the cubic that PyTorch interpolates with.
const SHARPNESS: f64 = -0.75;

/// Brings the positions of a `[CLS]` token and a square grid of patches to a grid of `[height, width]`.
///
/// Interpolation is linear in the positions and separable, so it is two products with small constant
/// matrices, with the gradient that follows.
///
/// # Shapes
///
/// - `positions`: `[1, 1 + side * side, C]`
/// - output: `[1, 1 + height * width, C]`
pub(crate) fn interpolated(positions: Tensor<3>, [height, width]: [usize; 2]) -> Tensor<3> {
    let [_, rows, channels] = positions.dims();
    let side = (rows - 1).isqrt();
    // A grid that has the size already comes out as it is: its cells lie on each other.
    if [height, width] == [side; 2] {
        return positions;
    }
    let device = positions.device();
    let class = positions.clone().narrow(1, 0, 1);
    let patches = positions.narrow(1, 1, side * side);
    let columns = patches.reshape([side, side * channels]);
    let columns = matrix(side, height, &device).matmul(columns); // [height, side * C]
    let columns = columns.reshape([height, side, channels]);
    let patches = matrix(side, width, &device)
        .unsqueeze::<3>()
        .matmul(columns); // [height, width, C]
    let patches = patches.reshape([1, height * width, channels]);
    Tensor::cat(vec![class, patches], 1)
}

/// The matrix `[to, from]` that interpolates a line of `from` values to `to` values.
fn matrix(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut matrix = vec![0.0_f32; to * from];
    for (position, weights) in matrix.chunks_exact_mut(from).enumerate() {
        add_taps(weights, position, to);
    }
    Tensor::from_data(TensorData::new(matrix, [to, from]), device)
}

/// Adds to `weights` what output position `position` of `to` takes of each source position. Beyond the
/// ends of the line its end values go on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the source position is clamped to 0 ..= from - 1 before it becomes an index"
)]
fn add_taps(weights: &mut [f32], position: usize, to: usize) {
    let from = weights.len();
    let source = (position as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let low = source.floor();
    for tap in [-1.0, 0.0, 1.0, 2.0] {
        let index = (low + tap).clamp(0.0, (from - 1) as f64) as usize;
        weights[index] += cubic((source - low - tap).abs()) as f32;
    }
}

/// Weight of a value at that distance. Source: Keys, *Cubic convolution interpolation for digital image
/// processing* (1981), equation 15 with another sharpness.
fn cubic(distance: f64) -> f64 {
    let (a, x) = (SHARPNESS, distance);
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    /// torch 2.15: `F.interpolate(torch.tensor([[[[0., 1.], [4., 9.]]]]), size=(3, 4), mode="bicubic",
    /// align_corners=False)`.
    #[test]
    fn values_are_torchs() {
        let device = Device::flex();
        let grid = [7.0, 0.0, 1.0, 4.0, 9.0];
        let positions = Tensor::<1>::from_floats(grid, &device).reshape([1, 5, 1]);
        let found = interpolated(positions, [3, 4]).into_data();
        let expected = [
            7.0,
            -0.416_07,
            -0.199_327,
            0.157_661,
            0.374_403,
            1.683_594,
            2.679_688,
            4.320_313,
            5.316_406,
            3.783_257,
            5.558_702,
            8.482_964,
            10.258_407_f32,
        ];
        let expected = TensorData::new(expected.to_vec(), [1, 13, 1]);
        found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    #[test]
    fn the_grid_that_was_learned_is_left_alone() {
        let device = Device::flex();
        let positions = Tensor::random([1, 10, 3], Distribution::Default, &device);
        let same = interpolated(positions.clone(), [3, 3]);
        same.into_data().assert_eq(&positions.into_data(), true);
    }

    /// Of a constant nothing but the constant can come.
    #[test]
    fn weights_sum_to_one() {
        let device = Device::flex();
        for (from, to) in [(1, 5), (4, 3), (5, 14), (14, 32)] {
            let sums = matrix(from, to, &device).sum_dim(1).into_data();
            let ones = TensorData::new(vec![1.0_f32; to], [to, 1]);
            sums.assert_approx_eq::<f32>(&ones, Tolerance::absolute(1e-6));
        }
    }
}
