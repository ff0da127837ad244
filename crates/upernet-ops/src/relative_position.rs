//! Relative position bias. Paper: section 3.2, equation 4. Upstream: `SwinRelativePositionBias`.

use burn::tensor::{Device, Int, Tensor, TensorData};

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
}
