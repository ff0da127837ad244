//! Attention among all tokens of an image. Upstream: `BeitAttention`.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::softmax},
};
use upernet_nn::{Precision, initializer};
use upernet_ops::{Activation, PreparedLinear, attention, linear};

use crate::{
    BeitConfig,
    prepared::{PreparedAttention, linear_weights},
    relative_position_bias::{RelativePositionBias, sum},
};

/// Multi-head attention. A key has no bias, since a softmax would not see it.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    projection: Linear,
    relative_position_bias: Option<RelativePositionBias>,
    dropout: Dropout,
    num_heads: usize,
}

impl Attention {
    pub(crate) fn new(config: &BeitConfig, device: &Device) -> Self {
        let with_bias = LinearConfig::new(config.hidden_size, config.hidden_size);
        let without_bias = with_bias.clone().with_bias(false);
        let layer = |config_of: &LinearConfig| {
            initializer::linear(config_of, config.initializer_range, device)
        };
        Self {
            query: layer(&with_bias),
            key: layer(&without_bias),
            value: layer(&with_bias),
            projection: layer(&with_bias),
            relative_position_bias: config
                .relative_position_bias
                .then(|| RelativePositionBias::new(config, device)),
            dropout: DropoutConfig::new(config.attention_dropout).init(),
            num_heads: config.num_attention_heads,
        }
    }

    /// Attends among the tokens, `[N, C, 1, L]`, of a `[CLS]` token and a grid of patches; `shared_bias`,
    /// `[heads, L, L]`, is added to the layer's own.
    pub(crate) fn forward(
        &self,
        tokens: Tensor<4>,
        grid: [usize; 2],
        shared_bias: Option<Tensor<3>>,
    ) -> Tensor<4> {
        let own_bias = self.relative_position_bias.as_ref();
        let bias = sum(own_bias.map(|bias| bias.forward(grid)), shared_bias);
        let query = apply(&self.query, tokens.clone());
        let key = apply(&self.key, tokens.clone());
        let value = apply(&self.value, tokens);
        let context = if self.dropout.prob > 0.0 {
            self.attend_with_dropout([query, key, value], bias)
        } else {
            attention(query, key, value, self.num_heads, bias)
        };
        apply(&self.projection, context)
    }

    /// [`attention`] with dropout of its weights, which no kernel has.
    fn attend_with_dropout(&self, qkv: [Tensor<4>; 3], bias: Option<Tensor<3>>) -> Tensor<4> {
        let [batch, channels, _, tokens] = qkv[0].dims();
        let head_dim = channels / self.num_heads;
        let [query, key, value] = qkv.map(|x| {
            x.permute([0, 2, 3, 1]) // [N, 1, L, C]
                .reshape([batch, tokens, self.num_heads, head_dim])
                .swap_dims(1, 2) // [N, heads, L, d]
        });
        let scale = (head_dim as f64).powf(-0.5);
        let logits = (query * scale).matmul(key.swap_dims(2, 3));
        let logits = match bias {
            Some(bias) => logits + bias.unsqueeze::<4>(),
            None => logits,
        };
        self.dropout
            .forward(softmax(logits, 3))
            .matmul(value)
            .swap_dims(1, 2) // [N, L, heads, d]
            .reshape([batch, 1, tokens, channels])
            .permute([0, 3, 1, 2]) // [N, C, 1, L]
    }

    /// Makes the layer ready for inference; `scale`, `[C]`, multiplies what it returns.
    pub(crate) fn prepare(
        self,
        scale: Option<Tensor<1>>,
        precision: Precision,
    ) -> PreparedAttention {
        let qkv = [self.query, self.key, self.value];
        let (weights, biases): (Vec<_>, Vec<_>) = qkv
            .map(|layer| linear_weights(layer, None))
            .into_iter()
            .unzip();
        let [channels, _] = weights[0].dims();
        let device = weights[0].device();
        let zeros = || Tensor::zeros([channels], &device);
        let biases = biases.into_iter().map(|bias| bias.unwrap_or_else(zeros));
        let (qkv, qkv_bias) = (Tensor::cat(weights, 1), Tensor::cat(biases.collect(), 0));
        let (weight, bias) = linear_weights(self.projection, scale);
        PreparedAttention {
            qkv: PreparedLinear::new(qkv, Some(qkv_bias), Activation::None, precision),
            projection: PreparedLinear::new(weight, bias, Activation::None, precision),
            bias_table: self
                .relative_position_bias
                .map(RelativePositionBias::into_table),
            num_heads: self.num_heads,
        }
    }
}

/// A linear layer over the channels of a map.
pub(crate) fn apply(layer: &Linear, x: Tensor<4>) -> Tensor<4> {
    let bias = layer.bias.as_ref().map(Param::val);
    linear(x, layer.weight.val(), bias, Activation::None)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    /// Outside training dropout does nothing, so both ways are the same.
    #[test]
    fn attention_that_could_drop_is_attention() {
        let device = Device::flex();
        let config = BeitConfig::new()
            .with_hidden_size(12)
            .with_num_attention_heads(3)
            .with_attention_dropout(0.5);
        let layer = Attention::new(&config, &device);
        let random =
            |shape: [usize; 4]| Tensor::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let qkv: [_; 3] = std::array::from_fn(|_| random([2, 12, 1, 7]));
        let bias = random([1, 3, 7, 7]).squeeze_dim::<3>(0);
        let found = layer.attend_with_dropout(qkv.clone(), Some(bias.clone()));
        let [query, key, value] = qkv;
        let expected = attention(query, key, value, 3, Some(bias)).into_data();
        let tolerance = Tolerance::absolute(1e-5);
        found
            .into_data()
            .assert_approx_eq::<f32>(&expected, tolerance);
    }
}
