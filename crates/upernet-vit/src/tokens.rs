//! Tokens as maps of one row, and what leads to them and away.

use burn::tensor::Tensor;
use upernet_ops::window::pad_to_multiple;

use crate::ImageBorder;

/// An image as the patches cover it: filled up with zeros, if its border is not left out.
pub(crate) fn covered(
    pixel_values: Tensor<4>,
    patch_size: usize,
    border: ImageBorder,
) -> Tensor<4> {
    match border {
        ImageBorder::LeftOut => pixel_values,
        ImageBorder::Padded => pad_to_multiple(pixel_values, [2, 3], patch_size),
    }
}

/// Whole patches of a side that fit into an image, down and across.
pub(crate) fn grid(pixel_values: &Tensor<4>, patch_size: usize) -> [usize; 2] {
    let [_, _, height, width] = pixel_values.dims();
    [height / patch_size, width / patch_size]
}

/// `[N, C, 1, L]` tokens of `[N, L, C]`.
pub(crate) fn from_rows(rows: Tensor<3>) -> Tensor<4> {
    rows.unsqueeze_dim::<4>(1).permute([0, 3, 1, 2])
}

/// `[N, L, C]` of `[N, C, 1, L]` tokens.
pub(crate) fn to_rows(tokens: Tensor<4>) -> Tensor<3> {
    let [batch, channels, _, length] = tokens.dims();
    tokens
        .permute([0, 2, 3, 1])
        .reshape([batch, length, channels])
}

/// The map, `[N, C, H, W]`, of the patches, which are the last of the tokens.
pub(crate) fn to_map(tokens: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [batch, channels, _, length] = tokens.dims();
    let patches = height * width;
    to_rows(tokens)
        .narrow(1, length - patches, patches)
        .reshape([batch, height, width, channels])
        .permute([0, 3, 1, 2]) // [N, C, H, W]
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn patches_are_read_row_by_row_behind_the_prefix() {
        let device = Device::flex();
        // Two tokens before 2 x 3 patches, two channels.
        let rows = Tensor::<1>::from_floats(std::array::from_fn::<_, 16, _>(|i| i as f32), &device);
        let map = to_map(from_rows(rows.reshape([1, 8, 2])), [2, 3]);
        let values: Vec<f32> = map.into_data().try_to_vec().expect("f32");
        let even = [4.0, 6.0, 8.0, 10.0, 12.0, 14.0];
        let expected: Vec<f32> = even.into_iter().chain(even.map(|v| v + 1.0)).collect();
        assert_eq!(values, expected);
    }
}
