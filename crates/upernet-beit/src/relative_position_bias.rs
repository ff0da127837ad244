//! What attention adds for the offset of two patches. Paper of the layout: Bao et al., section 2.3 and
//! the released code. Upstream: `BeitRelativePositionBias`.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor},
};
use upernet_ops::resize_bilinear;

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

/// The bias of every two tokens, `[heads, L, L]`, out of a table, `[(2 * side - 1)^2 + 3, heads]`.
///
/// Written as slices and concatenations: their gradient is exact and cheap, where that of a lookup by
/// index adds up as many rows as there are pairs of tokens.
pub(crate) fn between_tokens(table: Tensor<2>, grid: [usize; 2]) -> Tensor<3> {
    let [rows, heads] = table.dims();
    let of_offsets = table.clone().narrow(0, 0, rows - CLASS_ROWS);
    let of_class = table.narrow(0, rows - CLASS_ROWS, CLASS_ROWS);
    let patches = between_patches(by_offset(of_offsets, grid), grid); // [heads, L - 1, L - 1]

    let num_patches = grid[0] * grid[1];
    let of_class = of_class.transpose(); // [heads, 3]
    let row = |index| of_class.clone().narrow(1, index, 1).reshape([heads, 1, 1]);
    let from_class = row(0).expand([heads, 1, num_patches]);
    let to_class = row(1).expand([heads, num_patches, 1]);
    let first = Tensor::cat(vec![row(2), from_class], 2);
    let others = Tensor::cat(vec![to_class, patches], 2);
    Tensor::cat(vec![first, others], 1)
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

/// `[1, heads, 2h - 1, 2w - 1]` by offset to `[heads, h * w, h * w]` by query and key.
fn between_patches(offsets: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<3> {
    let [_, heads, _, _] = offsets.dims();
    // An offset counts from the key to the query. Turned about, a query's keys stand in their order.
    let offsets = offsets.flip([2, 3]);
    let columns = (0..width).map(|query| offsets.clone().narrow(3, width - 1 - query, width));
    let columns = columns.map(|keys| keys.reshape([heads, 1, 2 * height - 1, width]));
    let columns = Tensor::cat(columns.collect(), 1); // [heads, w, 2h - 1, w]
    let rows = (0..height).map(|query| columns.clone().narrow(2, height - 1 - query, height));
    let rows = rows.map(|keys| keys.reshape([heads, width, height * width]));
    Tensor::cat(rows.collect(), 1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    fn values(tensor: Tensor<3>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("f32 biases")
    }

    /// `BeitRelativePositionBias.generate_relative_position_index((2, 2))`: a table that holds its own
    /// row numbers shows them.
    #[test]
    fn index_of_a_two_by_two_grid() {
        let device = Device::flex();
        let table: Vec<f32> = (0..12_u16).map(f32::from).collect();
        let table = Tensor::from_data(TensorData::new(table, [12, 1]), &device);
        let expected = [
            11.0, 9.0, 9.0, 9.0, 9.0, //
            10.0, 4.0, 3.0, 1.0, 0.0, //
            10.0, 5.0, 4.0, 2.0, 1.0, //
            10.0, 7.0, 6.0, 4.0, 3.0, //
            10.0, 8.0, 7.0, 5.0, 4.0_f32,
        ];
        let found = values(between_tokens(table, [2, 2]));
        assert_eq!(found, expected);
    }

    /// Entry by entry, by the formula of upstream's index, on a grid that is not square.
    #[test]
    fn each_pair_has_the_bias_of_its_offset() {
        let device = Device::flex();
        let (side, [height, width], heads) = (3, [4, 2], 2);
        let rows = (2 * side - 1) * (2 * side - 1) + 3;
        let table = Tensor::random([rows, heads], Distribution::Normal(0.0, 1.0), &device);
        let offsets = by_offset(table.clone().narrow(0, 0, rows - 3), [height, width]);
        let offsets: Vec<f32> = offsets.into_data().try_to_vec().expect("f32 biases");
        let tokens = 1 + height * width;
        let found = values(between_tokens(table, [height, width]));
        assert_eq!(found.len(), heads * tokens * tokens);
        let (offset_rows, offset_columns) = (2 * height - 1, 2 * width - 1);
        for head in 0..heads {
            for (query, key) in
                (0..height * width).flat_map(|q| (0..height * width).map(move |k| (q, k)))
            {
                let row = query / width + height - 1 - key / width;
                let column = query % width + width - 1 - key % width;
                let expected = offsets[(head * offset_rows + row) * offset_columns + column];
                let index = (head * tokens + query + 1) * tokens + key + 1;
                assert_eq!(
                    found[index].to_bits(),
                    expected.to_bits(),
                    "{query} to {key}"
                );
            }
        }
    }
}
