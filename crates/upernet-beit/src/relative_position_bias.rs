//! What attention adds for the offset of two patches. Paper of the layout: Bao et al., section 2.3 and
//! the released code. Upstream: `BeitRelativePositionBias`.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor},
};
use upernet_ops::{relative_position::token_position_bias, resize_bilinear};

use crate::BeitConfig;

/// Rows of the table after those of offsets: from `[CLS]` to a patch, from a patch to `[CLS]`, and from
/// `[CLS]` to itself.
const CLASS_ROWS: usize = 3;

/// A bias for every offset of two patches, and for the `[CLS]` token, in each head.
#[derive(Module, Debug)]
pub(crate) struct RelativePositionBias {
    /// `[(2 * side - 1)^2 + 3, heads]`, for a grid of `side * side` patches.
    relative_position_bias_table: Param<Tensor<2>>,
}

impl RelativePositionBias {
    pub(crate) fn new(config: &BeitConfig, device: &Device) -> Self {
        let offsets = (2 * config.grid() - 1).pow(2);
        let shape = [offsets + CLASS_ROWS, config.num_attention_heads];
        Self {
            relative_position_bias_table: Initializer::Zeros.init(shape, device),
        }
    }

    /// The bias of every two tokens of a grid of `[height, width]` patches behind a `[CLS]` token.
    ///
    /// Output: `[heads, 1 + height * width, 1 + height * width]`, the query first.
    pub(crate) fn forward(&self, grid: [usize; 2]) -> Tensor<3> {
        between_tokens(self.relative_position_bias_table.val(), grid)
    }

    pub(crate) fn into_table(self) -> Tensor<2> {
        self.relative_position_bias_table.into_value()
    }
}

/// The bias of every two tokens, `[heads, L, L]`, out of a table, `[(2 * side - 1)^2 + 3, heads]`, whose
/// offsets are interpolated to the grid.
pub(crate) fn between_tokens(table: Tensor<2>, grid: [usize; 2]) -> Tensor<3> {
    let [rows, _] = table.dims();
    let of_offsets = table.clone().narrow(0, 0, rows - CLASS_ROWS);
    let of_class = table.narrow(0, rows - CLASS_ROWS, CLASS_ROWS).transpose();
    token_position_bias(by_offset(of_offsets, grid), of_class)
}

/// What is there of two biases, added up.
pub(crate) fn sum(first: Option<Tensor<3>>, second: Option<Tensor<3>>) -> Option<Tensor<3>> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first + second),
        (bias, None) | (None, bias) => bias,
    }
}

/// The offsets of a grid of `[height, width]` patches, interpolated from those of a square one:
/// `[1, heads, 2 * height - 1, 2 * width - 1]`. The middle is the offset of a patch from itself.
fn by_offset(table: Tensor<2>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [offsets, heads] = table.dims();
    let side = offsets.isqrt();
    let learned = table.reshape([1, side, side, heads]).permute([0, 3, 1, 2]); // [1, heads, side, side]
    resize_bilinear(learned, [2 * height - 1, 2 * width - 1])
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    /// `torch.nn.functional.interpolate(table, size=(1, 5), mode="bilinear")` of a grid of 2 x 2.
    #[test]
    fn offsets_are_interpolated_to_the_grid() {
        let device = Device::flex();
        let table: Vec<f32> = (0..9_u16).map(f32::from).collect();
        let table = Tensor::from_data(TensorData::new(table, [9, 1]), &device);
        let found: Vec<f32> = by_offset(table, [1, 3])
            .into_data()
            .try_to_vec()
            .expect("f32");
        for (found, expected) in found.iter().zip([3.0, 3.4, 4.0, 4.6, 5.0]) {
            assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        }
        assert_eq!(found.len(), 5);
    }
}
