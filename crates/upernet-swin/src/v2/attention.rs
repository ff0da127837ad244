//! Attention inside windows by cosines. Paper: section 3.2, equation 2.
//!
//! Upstream: `Swinv2SelfAttention` and `Swinv2SelfOutput`.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::softmax},
};
use upernet_nn::initializer;
use upernet_ops::{CosineWindowAttentionWeights, LayerNormWeights, add_position_bias, cosines};

use super::{
    SwinV2Config,
    position_bias::{PositionBias, PositionBiasConfig},
};
use crate::prepared::linear_weights;

/// Logarithm of the factor of a head's cosines, to begin with.
const FIRST_FACTOR: f64 = std::f64::consts::LN_10;

/// Logarithm of the largest factor, that of 100.
const LARGEST_FACTOR: f64 = 2.0 * std::f64::consts::LN_10;

/// Multi-head attention among the tokens of one window by the cosine of query and key.
#[derive(Module, Debug)]
pub(super) struct CosineAttention {
    query: Linear,
    /// Without a bias.
    key: Linear,
    value: Linear,
    projection: Linear,
    /// Logarithm of what the cosines of each head are multiplied by, `[heads, 1, 1]`.
    logit_scale: Param<Tensor<3>>,
    continuous_position_bias_mlp: PositionBias,
    attention_dropout: Dropout,
    projection_dropout: Dropout,
    num_heads: usize,
}

impl CosineAttention {
    pub(super) fn new(config: &SwinV2Config, stage: usize, device: &Device) -> Self {
        let channels = config.stage_channels(stage);
        let num_heads = config.num_heads[stage];
        let std = config.initializer_range;
        let with_bias = LinearConfig::new(channels, channels).with_bias(config.qkv_bias);
        let key = LinearConfig::new(channels, channels).with_bias(false);
        let position_bias = PositionBiasConfig {
            window_size: config.stage_windows(stage).size,
            pretrained_window_size: config.pretrained_window_sizes[stage],
            num_heads,
            initializer_range: std,
        };
        let factor = Initializer::Constant {
            value: FIRST_FACTOR,
        };
        Self {
            query: initializer::linear(&with_bias, std, device),
            key: initializer::linear(&key, std, device),
            value: initializer::linear(&with_bias, std, device),
            projection: initializer::linear(&LinearConfig::new(channels, channels), std, device),
            logit_scale: factor.init([num_heads, 1, 1], device),
            continuous_position_bias_mlp: PositionBias::new(position_bias, device),
            attention_dropout: DropoutConfig::new(config.attention_dropout).init(),
            projection_dropout: DropoutConfig::new(config.attention_dropout).init(),
            num_heads,
        }
    }

    /// Its weights, before a norm, for windows of that size moved by `shift`.
    pub(super) fn into_weights(
        self,
        norm: LayerNormWeights,
        [window_size, shift]: [usize; 2],
    ) -> CosineWindowAttentionWeights {
        let factors = self.factors().reshape([self.num_heads]);
        let position_bias = self.continuous_position_bias_mlp.forward();
        let (query, query_bias) = linear_weights(self.query);
        let (key, _) = linear_weights(self.key);
        let (value, value_bias) = linear_weights(self.value);
        let (projection, projection_bias) = linear_weights(self.projection);
        CosineWindowAttentionWeights {
            qkv: Tensor::cat(vec![query, key, value], 1),
            query_value_bias: query_bias.zip(value_bias).map(<[_; 2]>::from),
            factors,
            position_bias,
            projection,
            projection_bias: projection_bias.expect("the projection has a bias"),
            norm,
            window_size,
            shift,
        }
    }

    /// Attends within each of `[N * num_windows, w^2, C]`; `mask` is `[num_windows, w^2, w^2]`.
    pub(super) fn forward(&self, windows: Tensor<3>, mask: Option<Tensor<3>>) -> Tensor<3> {
        let [num_windows, tokens, channels] = windows.dims();
        let head_dim = channels / self.num_heads;
        let split_heads = |x: Tensor<3>| {
            x.reshape([num_windows, tokens, self.num_heads, head_dim])
                .swap_dims(1, 2) // [B, heads, L, d]
        };
        let query = split_heads(self.query.forward(windows.clone()));
        let key = split_heads(self.key.forward(windows.clone()));
        let value = split_heads(self.value.forward(windows));

        let logits = cosines(query, key) * self.factors().unsqueeze::<4>();
        let position_bias = self.continuous_position_bias_mlp.forward();
        let logits = add_position_bias(logits, position_bias, mask);
        let weights = self.attention_dropout.forward(softmax(logits, 3));
        let context = weights
            .matmul(value)
            .swap_dims(1, 2) // [B, L, heads, d]
            .reshape([num_windows, tokens, channels]);
        self.projection_dropout
            .forward(self.projection.forward(context))
    }

    /// What the cosines of each head are multiplied by, `[heads, 1, 1]`.
    fn factors(&self) -> Tensor<3> {
        self.logit_scale.val().clamp_max(LARGEST_FACTOR).exp()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    fn attention(config: &SwinV2Config, device: &Device) -> CosineAttention {
        let attention = CosineAttention::new(config, 0, device);
        initializer::draw_all(&attention);
        attention
    }

    fn tiny() -> SwinV2Config {
        SwinV2Config::new()
            .with_embed_dim(4)
            .with_num_heads(vec![2, 2, 2, 2])
            .with_window_size(3)
            .with_initializer_range(0.5)
    }

    #[test]
    fn a_factor_begins_at_10_and_ends_at_100() {
        let mut attention = attention(&tiny(), &Device::flex());
        let factors: Vec<f32> = attention.factors().into_data().try_to_vec().expect("f32");
        assert!(
            factors.iter().all(|f| (f - 10.0).abs() < 1e-5),
            "{factors:?}"
        );
        attention.logit_scale = attention.logit_scale.map(|scale| scale + 4.0);
        let factors: Vec<f32> = attention.factors().into_data().try_to_vec().expect("f32");
        assert!(
            factors.iter().all(|f| (f - 100.0).abs() < 1e-4),
            "{factors:?}"
        );
    }

    /// Longer tokens have longer values, but look at the same places: doubling all tokens doubles what
    /// is found, if there are no biases.
    #[test]
    fn attention_does_not_depend_on_lengths() {
        let device = Device::flex();
        let attention = attention(&tiny().with_qkv_bias(false), &device);
        let windows = Tensor::random([2, 9, 4], Distribution::Normal(0.0, 1.0), &device);
        let once = attention.forward(windows.clone(), None);
        let twice = attention.forward(windows * 2.0, None);
        let tolerance = Tolerance::<f32>::absolute(1e-5);
        (once * 2.0)
            .into_data()
            .assert_approx_eq(&twice.into_data(), tolerance);
    }

    /// A window of padding alone: lengths of zero have no direction, and no gradient that is not a
    /// number.
    #[test]
    fn zeros_have_finite_gradients() {
        let device = Device::flex().autodiff();
        let attention = attention(&tiny().with_qkv_bias(false), &device);
        let windows = Tensor::zeros([1, 9, 4], &device);
        let gradients = attention.forward(windows, None).sum().backward();
        let gradient = attention.key.weight.val().grad(&gradients);
        let gradient = gradient.expect("keys take part").abs().sum();
        let sum: f32 = gradient.into_scalar();
        assert!(sum.is_finite(), "the gradient is {sum}");
    }
}
