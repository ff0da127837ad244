//! Attention of every cell to a smaller map. Paper: figure 1. Upstream: `PvtV2SelfAttention`.

use burn::{
    module::Module,
    nn::{Dropout, DropoutConfig, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::softmax},
};
use upernet_nn::Precision;
use upernet_ops::{Activation, PreparedLayerNorm, PreparedLinear, attention};

use crate::{PvtV2Config, layers, prepared::PreparedAttention, reduction::Reduction};

#[derive(Module, Debug)]
pub(crate) struct ReducedAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    proj: Linear,
    reduction: Option<Reduction>,
    attention_dropout: Dropout,
    projection_dropout: Dropout,
    num_heads: usize,
}

impl ReducedAttention {
    /// That of a block of `stage`, counted from 0.
    pub(crate) fn new(config: &PvtV2Config, stage: usize, device: &Device) -> Self {
        let channels = config.hidden_sizes[stage];
        let layer = |config: &LinearConfig, std| layers::linear_layer(config, std, device);
        let std = config.initializer_range;
        let square = LinearConfig::new(channels, channels);
        let qkv = square.clone().with_bias(config.qkv_bias);
        Self {
            query: layer(&qkv, std),
            key: layer(&qkv, std),
            value: layer(&qkv, std),
            proj: layer(&square, std),
            reduction: Reduction::new(config, stage, device),
            attention_dropout: DropoutConfig::new(config.attention_dropout).init(),
            projection_dropout: DropoutConfig::new(config.hidden_dropout).init(),
            num_heads: config.num_attention_heads[stage],
        }
    }

    /// `[N, C, H, W]` to the same.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let query = layers::apply(&self.query, x.clone(), Activation::None);
        let reduced = match &self.reduction {
            Some(reduction) => reduction.forward(x),
            None => x,
        };
        let key = layers::apply(&self.key, reduced.clone(), Activation::None);
        let value = layers::apply(&self.value, reduced, Activation::None);
        let context = self.attend(query, key, value);
        let context = layers::apply(&self.proj, context, Activation::None);
        self.projection_dropout.forward(context)
    }

    fn attend(&self, query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
        if self.attention_dropout.prob == 0.0 {
            return attention(query, key, value, self.num_heads, None);
        }
        // Spelled out, since weights are dropped between the softmax and the values.
        let [batch, channels, height, width] = query.dims();
        let head_dim = channels / self.num_heads;
        let heads = |x: Tensor<4>| {
            let [_, _, height, width] = x.dims();
            x.reshape([batch, self.num_heads, head_dim, height * width])
                .swap_dims(2, 3) // [N, heads, L, d]
        };
        let scale = (head_dim as f64).powf(-0.5);
        let logits = (heads(query) * scale).matmul(heads(key).swap_dims(2, 3));
        let weights = self.attention_dropout.forward(softmax(logits, 3));
        weights
            .matmul(heads(value))
            .swap_dims(2, 3) // [N, heads, d, L]
            .reshape([batch, channels, height, width])
    }

    /// The attention made ready for inference, behind a norm.
    pub(crate) fn prepare(
        self,
        norm: PreparedLayerNorm,
        precision: Precision,
    ) -> PreparedAttention {
        let ready = |layer| layers::prepare(layer, Activation::None, precision);
        // Keys and values are side by side in the channels of one map.
        let biases = self.key.bias.zip(self.value.bias);
        let bias =
            biases.map(|(key, value)| Tensor::cat(vec![key.into_value(), value.into_value()], 0));
        let weights = [self.key.weight, self.value.weight].map(burn::module::Param::into_value);
        let key_value = Tensor::cat(weights.to_vec(), 1);
        PreparedAttention {
            norm,
            query: ready(self.query),
            reduction: self.reduction.map(|reduction| reduction.prepare(precision)),
            key_value: PreparedLinear::new(key_value, bias, Activation::None, precision),
            proj: ready(self.proj),
            num_heads: self.num_heads,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};
    use upernet_nn::initializer;

    use super::*;

    /// Dropout that drops nothing outside training, so both ways compute the same.
    #[test]
    fn attention_with_dropout_is_attention() {
        let device = Device::flex();
        let config = PvtV2Config::new()
            .with_hidden_sizes(vec![12])
            .with_num_attention_heads(vec![3])
            .with_sr_ratios(vec![2])
            .with_initializer_range(0.4);
        let without = ReducedAttention::new(&config, 0, &device);
        initializer::draw_all(&without);
        let with = ReducedAttention {
            attention_dropout: DropoutConfig::new(0.3).init(),
            ..without.clone()
        };
        let x = Tensor::random([2, 12, 5, 7], Distribution::Normal(0.0, 1.0), &device);
        let actual = with.forward(x.clone()).into_data();
        let expected = without.forward(x).into_data();
        actual.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    /// A cell attends to the reduced map as a whole, so far cells matter.
    #[test]
    fn every_cell_sees_the_whole_map() {
        let device = Device::flex();
        let config = PvtV2Config::new()
            .with_hidden_sizes(vec![4])
            .with_num_attention_heads(vec![2])
            .with_sr_ratios(vec![2])
            .with_initializer_range(0.4);
        let attention = ReducedAttention::new(&config, 0, &device);
        initializer::draw_all(&attention);
        let x = Tensor::random([1, 4, 6, 8], Distribution::Normal(0.0, 1.0), &device);
        let far = x.clone().slice_assign(
            [0..1, 0..4, 5..6, 7..8],
            Tensor::ones([1, 4, 1, 1], &device) * 3.0,
        );
        let first = |x: Tensor<4>| attention.forward(x).slice([0..1, 0..4, 0..1, 0..1]);
        let change = (first(x) - first(far)).abs().max().into_scalar::<f32>();
        assert!(change > 1e-4, "{change}");
    }
}
