//! Bilinear resizing of feature maps, the only one in the project.
//!
//! Upstream: `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`.

use burn::tensor::Tensor;

use crate::{
    differentiable,
    flex::{self, Map},
    interpolation,
    kernels::resize as kernel,
};

/// Resizes a map bilinearly to `size` = `[height, width]`.
///
/// Pixel centres are half-pixel aligned (`align_corners = false`), nothing is antialiased: output row
/// `i` reads the source at `(i + 0.5) * in / out - 0.5`, clamped to the map. A map that has the size
/// already is returned as it is.
///
/// Interpolation is linear and separable, so it is written as two products with small constant
/// matrices. That makes the gradient right on every burn backend, where burn's own bilinear
/// `interpolate` has none outside flex.
///
/// # Shapes
///
/// - `input`: `[N, C, H, W]`
/// - output: `[N, C, size[0], size[1]]`
///
/// # Panics
///
/// Panics if `size` holds a zero.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::resize_bilinear;
///
/// let map = Tensor::<1>::from_floats([0.0, 4.0], &Device::flex()).reshape([1, 1, 1, 2]);
/// let wide: Vec<f32> = resize_bilinear(map, [1, 4]).into_data().try_to_vec().unwrap();
/// assert_eq!(wide, [0.0, 1.0, 3.0, 4.0]);
/// ```
#[must_use]
pub fn resize_bilinear(input: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let [out_height, out_width] = size;
    assert!(
        out_height > 0 && out_width > 0,
        "cannot resize a map to {out_height} x {out_width}"
    );
    if [height, width] == size {
        return input;
    }
    if let Some(output) = differentiable::resize_bilinear(&input, size) {
        return output;
    }
    if flex::takes_kernel(&input) {
        let input = Map::from_tensor(input);
        let mut output = Map::to_fill([batch, out_height, out_width, channels]);
        kernel::resize(input.values(), input.dims(), size, output.values_mut());
        return output.into_tensor();
    }
    let mut output = input;
    if height != out_height {
        // One matrix serves all N * C planes: [H', H] x [N * C, H, W].
        let rows = interpolation::matrix(height, out_height, &output).unsqueeze::<3>();
        let planes = output.reshape([batch * channels, height, width]);
        output = rows
            .matmul(planes)
            .reshape([batch, channels, out_height, width]);
    }
    if width != out_width {
        // All rows of all planes stand below each other: [N * C * H', W] x [W, W'].
        let columns = interpolation::matrix(width, out_width, &output).transpose();
        let rows = output.reshape([batch * channels * out_height, width]);
        output = rows
            .matmul(columns)
            .reshape([batch, channels, out_height, out_width]);
    }
    output
}

/// Adds to a map another one, resized bilinearly to its size.
///
/// # Shapes
///
/// - `finer`, output: `[N, C, H, W]`
/// - `coarser`: `[N, C, H', W']`
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::add_resized;
///
/// let device = Device::flex();
/// let sum = add_resized(Tensor::ones([1, 2, 5, 7], &device), Tensor::ones([1, 2, 3, 3], &device));
/// assert_eq!(sum.dims(), [1, 2, 5, 7]);
/// assert_eq!(sum.max().into_scalar::<f32>(), 2.0);
/// ```
#[must_use]
pub fn add_resized(finer: Tensor<4>, coarser: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = finer.dims();
    if flex::takes_kernel(&finer) && flex::takes_kernel(&coarser) {
        let (mut sum, coarser) = (Map::from_tensor(finer), Map::from_tensor(coarser));
        let [_, coarser_height, coarser_width, _] = coarser.dims();
        let dims = sum.dims();
        let size = [coarser_height, coarser_width];
        kernel::add_resized(sum.values_mut(), dims, coarser.values(), size);
        return sum.into_tensor();
    }
    finer + resize_bilinear(coarser, [height, width])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{
        Device, Distribution, Tolerance,
        module::interpolate,
        ops::{InterpolateMode, InterpolateOptions},
    };
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::up([5, 7], [13, 9])]
    #[case::down([13, 9], [5, 7])]
    #[case::mixed([4, 11], [9, 3])]
    #[case::from_one_cell([1, 1], [6, 5])]
    #[case::to_one_cell([6, 5], [1, 1])]
    #[case::one_axis([6, 5], [6, 11])]
    fn equals_burns_half_pixel_interpolation(#[case] from: [usize; 2], #[case] to: [usize; 2]) {
        let device = Device::flex();
        let input = Tensor::random(
            [2, 3, from[0], from[1]],
            Distribution::Normal(0.0, 1.0),
            &device,
        );
        let options = InterpolateOptions::new(InterpolateMode::Bilinear)
            .with_align_corners(false)
            .with_output_size(to);
        let expected = interpolate(input.clone(), options);
        resize_bilinear(input, to)
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(2e-6));
    }

    #[test]
    fn a_map_of_the_right_size_is_untouched() {
        let input = Tensor::random([1, 2, 3, 4], Distribution::Default, &Device::flex());
        let output = resize_bilinear(input.clone(), [3, 4]);
        output.into_data().assert_eq(&input.into_data(), true);
    }

    /// The gradient of a sum is each input's total weight; interpolation spreads a total of one per
    /// output value, whatever the sizes.
    #[test]
    fn gradient_spreads_every_output_once() {
        let device = Device::flex().autodiff();
        let input = Tensor::<4>::ones([1, 2, 3, 5], &device).require_grad();
        let gradients = resize_bilinear(input.clone(), [7, 11]).sum().backward();
        let gradient = input.grad(&gradients).expect("tracked");
        let total: f32 = gradient.sum().into_scalar();
        assert!((total - 2.0 * 7.0 * 11.0).abs() < 1e-3, "total {total}");
    }

    #[test]
    #[should_panic(expected = "cannot resize a map to 0 x 3")]
    fn refuses_an_empty_size() {
        let _ = resize_bilinear(Tensor::zeros([1, 1, 2, 2], &Device::flex()), [0, 3]);
    }
}
