//! Attention inside windows. Paper: section 3.2, equation 4. Upstream: `SwinAttention`.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::softmax},
};
use upernet_nn::initializer;
use upernet_ops::{
    LayerNormWeights, WindowAttentionWeights, add_mask,
    relative_position::{relative_position_bias, table_rows},
};

use crate::{SwinConfig, prepared::linear_weights};

/// Multi-head attention among the tokens of one window, with a bias per offset of two tokens.
#[derive(Module, Debug)]
pub(crate) struct WindowAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    projection: Linear,
    /// `[(2w - 1)^2, heads]`.
    relative_position_bias_table: Param<Tensor<2>>,
    attention_dropout: Dropout,
    projection_dropout: Dropout,
    num_heads: usize,
    window_size: usize,
}

impl WindowAttention {
    pub(crate) fn new(config: &SwinConfig, stage: usize, device: &Device) -> Self {
        let channels = config.stage_channels(stage);
        let num_heads = config.num_heads[stage];
        let std = config.initializer_range;
        let qkv = LinearConfig::new(channels, channels).with_bias(config.qkv_bias);
        Self {
            query: initializer::linear(&qkv, std, device),
            key: initializer::linear(&qkv, std, device),
            value: initializer::linear(&qkv, std, device),
            projection: initializer::linear(&LinearConfig::new(channels, channels), std, device),
            relative_position_bias_table: Initializer::Zeros
                .init([table_rows(config.window_size), num_heads], device),
            attention_dropout: DropoutConfig::new(config.attention_dropout).init(),
            projection_dropout: DropoutConfig::new(config.hidden_dropout).init(),
            num_heads,
            window_size: config.window_size,
        }
    }

    /// Its weights, behind a norm, for windows moved by `shift`.
    pub(crate) fn into_weights(
        self,
        norm: LayerNormWeights,
        shift: usize,
    ) -> WindowAttentionWeights {
        let qkv = [self.query, self.key, self.value].map(linear_weights);
        let (weights, biases): (Vec<_>, Vec<_>) = qkv.into_iter().unzip();
        let biases: Option<Vec<_>> = biases.into_iter().collect();
        let (projection, projection_bias) = linear_weights(self.projection);
        let table = self.relative_position_bias_table.into_value();
        WindowAttentionWeights {
            norm,
            qkv: Tensor::cat(weights, 1),
            qkv_bias: biases.map(|biases| Tensor::cat(biases, 0)),
            position_bias: relative_position_bias(table, self.window_size),
            projection,
            projection_bias: projection_bias.expect("the projection has a bias"),
            window_size: self.window_size,
            shift,
        }
    }

    /// Attends within each of `[N * num_windows, w^2, C]`; `mask` is `[num_windows, w^2, w^2]`.
    pub(crate) fn forward(&self, windows: Tensor<3>, mask: Option<Tensor<3>>) -> Tensor<3> {
        let [num_windows, tokens, channels] = windows.dims();
        let head_dim = channels / self.num_heads;
        let split_heads = |x: Tensor<3>| {
            x.reshape([num_windows, tokens, self.num_heads, head_dim])
                .swap_dims(1, 2) // [B, heads, L, d]
        };
        let query = split_heads(self.query.forward(windows.clone()));
        let key = split_heads(self.key.forward(windows.clone()));
        let value = split_heads(self.value.forward(windows));

        let scale = (head_dim as f64).powf(-0.5);
        let bias =
            relative_position_bias(self.relative_position_bias_table.val(), self.window_size);
        let logits = (query * scale).matmul(key.swap_dims(2, 3)) + bias.unsqueeze::<4>();
        let logits = match mask {
            Some(mask) => add_mask(logits, mask),
            None => logits,
        };
        let weights = self.attention_dropout.forward(softmax(logits, 3));
        let context = weights
            .matmul(value)
            .swap_dims(1, 2) // [B, L, heads, d]
            .reshape([num_windows, tokens, channels]);
        self.projection_dropout
            .forward(self.projection.forward(context))
    }
}
