//! Relative position bias: of the cells of a window, and of the patches of a whole image.
//!
//! Source: Liu et al., *Swin Transformer* (2021), section 3.2, equation 4. Upstream:
//! `SwinRelativePositionBias`, and `BeitRelativePositionBias` for [`token_position_bias`].

use burn::tensor::{DType, Device, Int, Tensor, TensorData, assert_shape};

use crate::{
    flex::{self, Map},
    kernels::position_bias::PositionBias,
};

/// Row of the bias table for every (query, key) pair of a window, `[w^2 * w^2]`, query outermost.
///
/// The table has one row per offset: `(row offset + w - 1) * (2w - 1) + (column offset + w - 1)`.
///
/// # Panics
///
/// Panics if the window is so large that its table has 2^31 rows.
#[must_use]
pub fn relative_position_index(window_size: usize, device: &Device) -> Tensor<1, Int> {
    let tokens = window_size * window_size;
    let mut index = Vec::with_capacity(tokens * tokens);
    for query in 0..tokens {
        for key in 0..tokens {
            let row = query / window_size + window_size - 1 - key / window_size;
            let column = query % window_size + window_size - 1 - key % window_size;
            let offset = row * (2 * window_size - 1) + column;
            index.push(i32::try_from(offset).expect("a bias table has far fewer than 2^31 rows"));
        }
    }
    Tensor::from_data(TensorData::new(index, [tokens * tokens]), device)
}

/// Rows of the bias table.
#[must_use]
pub fn table_rows(window_size: usize) -> usize {
    (2 * window_size - 1).pow(2)
}

/// Looks the bias up: `[rows, heads]` table to `[heads, w^2, w^2]`.
#[must_use]
pub fn relative_position_bias(table: Tensor<2>, window_size: usize) -> Tensor<3> {
    let [_, num_heads] = table.dims();
    let tokens = window_size * window_size;
    let index = relative_position_index(window_size, &table.device());
    table
        .select(0, index)
        .reshape([tokens, tokens, num_heads])
        .permute([2, 0, 1])
}

/// The bias of every two tokens of a `[CLS]` token and a grid of `h * w` patches behind it, out of those of
/// every offset.
///
/// Written as slices and concatenations: their gradient is exact and cheap, where that of a lookup by
/// index adds up as many rows as there are pairs of tokens.
///
/// # Shapes
///
/// - `offsets`: `[1, heads, 2 * h - 1, 2 * w - 1]`, from the key to the query; the middle is the offset of
///   a patch from itself
/// - `of_class`: `[heads, 3]`: from `[CLS]` to a patch, from a patch to `[CLS]`, from `[CLS]` to itself
/// - output: `[heads, 1 + h * w, 1 + h * w]`, the query first
///
/// # Panics
///
/// Panics if the heads are not the same or a side of the offsets is even.
#[must_use]
pub fn token_position_bias(offsets: Tensor<4>, of_class: Tensor<2>) -> Tensor<3> {
    let [_, heads, rows, columns] = offsets.dims();
    assert_shape!(of_class, [heads, 3]);
    assert!(
        rows % 2 == 1 && columns % 2 == 1,
        "offsets have odd sides, got {rows} x {columns}"
    );
    let grid = [rows, columns].map(|side| side.div_ceil(2));
    if offsets.dtype() == DType::F32 && flex::has_kernels(&offsets.device()) {
        return with_kernel(offsets, of_class, grid);
    }
    let num_patches = grid[0] * grid[1];
    let row = |index| of_class.clone().narrow(1, index, 1).reshape([heads, 1, 1]);
    let from_class = row(0).expand([heads, 1, num_patches]);
    let to_class = row(1).expand([heads, num_patches, 1]);
    let first = Tensor::cat(vec![row(2), from_class], 2);
    let others = Tensor::cat(vec![to_class, between_patches(offsets, grid)], 2);
    Tensor::cat(vec![first, others], 1)
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

fn with_kernel(offsets: Tensor<4>, of_class: Tensor<2>, grid: [usize; 2]) -> Tensor<3> {
    let [heads, _] = of_class.dims();
    let tokens = 1 + grid[0] * grid[1];
    let mut bias = Map::to_fill([heads, tokens, tokens, 1]);
    let kernel = PositionBias {
        offsets: &flex::values(offsets),
        of_class: &flex::values(of_class),
        heads,
        grid,
    };
    kernel.write(bias.values_mut());
    bias.into_tensor().reshape([heads, tokens, tokens])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `relative_position_index` of a Hugging Face Swin with `window_size=2`.
    #[test]
    fn index_of_a_two_by_two_window() {
        let index = relative_position_index(2, &Device::flex()).into_data();
        let expected = [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4];
        let index: Vec<i64> = index.iter::<i64>().collect();
        assert_eq!(index, expected);
        assert_eq!(table_rows(2), 9);
    }

    /// `BeitRelativePositionBias.generate_relative_position_index((2, 2))`: a table that holds its own
    /// row numbers shows them. Both ways, that of gradients by burn's operations.
    #[test]
    fn index_of_a_two_by_two_grid_behind_a_class_token() {
        let expected = [
            11.0, 9.0, 9.0, 9.0, 9.0, //
            10.0, 4.0, 3.0, 1.0, 0.0, //
            10.0, 5.0, 4.0, 2.0, 1.0, //
            10.0, 7.0, 6.0, 4.0, 3.0, //
            10.0, 8.0, 7.0, 5.0, 4.0_f32,
        ];
        for device in [Device::flex(), Device::flex().autodiff()] {
            let table = (0..12_u16).map(f32::from).collect();
            let table = Tensor::<1>::from_data(TensorData::new(table, [12]), &device);
            let offsets = table.clone().narrow(0, 0, 9).reshape([1, 1, 3, 3]);
            let found = token_position_bias(offsets, table.narrow(0, 9, 3).reshape([1, 3]));
            let found: Vec<f32> = found.into_data().try_to_vec().expect("f32 biases");
            assert_eq!(found, expected);
        }
    }

    /// Entry by entry, by the formula of upstream's index, on a grid that is not square.
    #[test]
    fn each_pair_of_patches_has_the_bias_of_its_offset() {
        let ([height, width], heads) = ([4, 2], 2);
        let (rows, columns) = (2 * height - 1, 2 * width - 1);
        let tokens = 1 + height * width;
        let by_offset: Vec<f32> = (0..heads * rows * columns).map(|at| at as f32).collect();
        for device in [Device::flex(), Device::flex().autodiff()] {
            let offsets = TensorData::new(by_offset.clone(), [1, heads, rows, columns]);
            let offsets = Tensor::from_data(offsets, &device);
            let found = token_position_bias(offsets, Tensor::zeros([heads, 3], &device));
            let found: Vec<f32> = found.into_data().try_to_vec().expect("f32 biases");
            assert_eq!(found.len(), heads * tokens * tokens);
            for pair in 0..heads * (tokens - 1) * (tokens - 1) {
                let (head, query) = (
                    pair / (tokens - 1).pow(2),
                    pair / (tokens - 1) % (tokens - 1),
                );
                let key = pair % (tokens - 1);
                let row = query / width + height - 1 - key / width;
                let column = query % width + width - 1 - key % width;
                let expected = by_offset[(head * rows + row) * columns + column];
                let index = (head * tokens + query + 1) * tokens + key + 1;
                assert!((found[index] - expected).abs() < 0.5, "{query} to {key}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "offsets have odd sides, got 3 x 4")]
    fn a_grid_has_a_middle() {
        let device = Device::flex();
        let offsets = Tensor::zeros([1, 2, 3, 4], &device);
        let _ = token_position_bias(offsets, Tensor::zeros([2, 3], &device));
    }
}
