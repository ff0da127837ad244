//! Learned positions, and how they reach images of other sizes. Upstream:
//! `BeitEmbeddings.interpolate_pos_encoding`, which is
//! `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)`.

use burn::tensor::Tensor;
use upernet_nn::{Interpolation, resized_positions};

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
    let [_, rows, _] = positions.dims();
    let side = (rows - 1).isqrt();
    // A grid that has the size already comes out as it is: its cells lie on each other.
    if [height, width] == [side; 2] {
        return positions;
    }
    let class = positions.clone().narrow(1, 0, 1);
    let patches = positions.narrow(1, 1, side * side).squeeze_dim::<2>(0);
    let patches = resized_positions(patches, [height, width], Interpolation::Bicubic);
    Tensor::cat(vec![class, patches.unsqueeze::<3>()], 1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, TensorData, Tolerance};

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
}
