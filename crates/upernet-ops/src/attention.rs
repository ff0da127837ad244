//! Attention of the cells of one map to those of another.
//!
//! Source: Vaswani et al., *Attention Is All You Need* (2017), section 3.2,
//! <https://arxiv.org/abs/1706.03762>.

use burn::tensor::{Tensor, activation::softmax};

use crate::{
    differentiable,
    flex::{self, Map, RowMap},
    kernels::attention::Attention,
};

/// Computes `softmax(query * key / sqrt(C / num_heads) + bias) * value` in each head; heads lie side by
/// side in the channels.
///
/// Each cell of `query` attends to all cells of `key`, in row order. Tokens without a place in an image
/// are a map of one row.
///
/// # Shapes
///
/// - `query`, output: `[N, C, H, W]`
/// - `key`, `value`: `[N, C, h, w]`
/// - `bias`: `[num_heads, H * W, h * w]`
///
/// # Panics
///
/// Panics if the channels do not split into `num_heads` heads, or if the sizes do not fit each other.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_ops::attention;
///
/// let device = Device::flex();
/// let query = Tensor::zeros([1, 2, 1, 3], &device);
/// let value = Tensor::<1>::from_floats([1.0, 3.0, 4.0, 8.0], &device).reshape([1, 2, 1, 2]);
/// // A query of zeros attends to all alike.
/// let context = attention(query, value.clone(), value, 1, None);
/// let context: Vec<f32> = context.into_data().try_to_vec().unwrap();
/// assert_eq!(context, [2.0, 2.0, 2.0, 6.0, 6.0, 6.0]);
/// ```
#[must_use]
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    num_heads: usize,
    bias: Option<Tensor<3>>,
) -> Tensor<4> {
    let [_, channels, ..] = query.dims();
    assert!(
        num_heads > 0 && channels.is_multiple_of(num_heads),
        "{channels} channels do not split into {num_heads} heads"
    );
    let maps = [&query, &key, &value];
    if let Some(context) = differentiable::attention(maps, bias.as_ref(), num_heads) {
        return context;
    }
    if flex::has_kernels(&query.device()) && RowMap::holds(&query) {
        return with_kernel([query, key, value], num_heads, bias);
    }
    let logits_scale = ((channels / num_heads) as f64).powf(-0.5);
    let heads = |x: Tensor<4>| {
        let [batch, channels, height, width] = x.dims();
        x.reshape([batch, num_heads, channels / num_heads, height * width])
            .swap_dims(2, 3) // [N, heads, L, d]
    };
    let [batch, _, height, width] = query.dims();
    let logits = (heads(query) * logits_scale).matmul(heads(key).swap_dims(2, 3));
    let logits = match bias {
        Some(bias) => logits + bias.unsqueeze::<4>(),
        None => logits,
    };
    softmax(logits, 3)
        .matmul(heads(value))
        .swap_dims(2, 3) // [N, heads, d, L]
        .reshape([batch, channels, height, width])
}

fn with_kernel(maps: [Tensor<4>; 3], num_heads: usize, bias: Option<Tensor<3>>) -> Tensor<4> {
    let [query, key, value] = maps.map(RowMap::from_tensor);
    let [batch, channels, height, width] = query.dims();
    // Rows of keys as a map of them: its memory is taken as it lies.
    let bias = bias.map(|bias| Map::from_tensor(bias.unsqueeze::<4>().permute([0, 3, 1, 2])));
    let mut context = Map::to_fill([batch, height, width, channels]);
    let attention = Attention {
        num_heads,
        channels,
        query: query.tokens(),
        key: key.tokens(),
        value: value.tokens(),
        bias: bias.as_ref().map(Map::values),
    };
    attention.run(context.values_mut());
    context.into_tensor()
}
