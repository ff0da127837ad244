//! Attention among all tokens. Upstream: `Dinov2Attention`, `DINOv3ViTAttention`.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, LayerNorm, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::softmax},
};
use upernet_nn::{Precision, initializer};
use upernet_ops::{
    Activation, LayerNormWeights, PreparedLayerNorm, PreparedLinear, attention, linear,
};

use crate::{VitConfig, rotary::Rotation, tokens};

/// Multi-head attention.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    dropout: Dropout,
    num_heads: usize,
}

impl Attention {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let channels = config.hidden_size;
        let biases = config.biases;
        let layer = |bias| {
            let layer = LinearConfig::new(channels, channels).with_bias(bias);
            initializer::linear(&layer, config.initializer_range, device)
        };
        Self {
            query: layer(biases.query),
            key: layer(biases.key),
            value: layer(biases.value),
            output: layer(biases.projection),
            dropout: DropoutConfig::new(config.attention_dropout).init(),
            num_heads: config.num_heads,
        }
    }

    /// Attends among normalised tokens, `[N, C, 1, L]`; the result is multiplied by `scale`, `[C]`.
    pub(crate) fn forward(
        &self,
        x: &Tensor<4>,
        rotation: Option<&Rotation>,
        scale: Option<Tensor<1>>,
    ) -> Tensor<4> {
        let project = |layer: &Linear| apply(layer, x.clone(), Activation::None);
        let turn = |x| match rotation {
            Some(rotation) => rotation.apply(x, self.num_heads),
            None => x,
        };
        let (query, key) = (turn(project(&self.query)), turn(project(&self.key)));
        let value = project(&self.value);
        let context = attend([query, key, value], self.num_heads, &self.dropout);
        let (weight, bias) = scaled(&self.output, scale);
        linear(context, weight, bias, Activation::None)
    }

    /// The layer made ready for inference, with the norm before it.
    pub(crate) fn prepare(
        self,
        norm: LayerNormWeights,
        scale: Option<Tensor<1>>,
        precision: Precision,
    ) -> PreparedAttention {
        let layers = [&self.query, &self.key, &self.value].map(|layer| scaled(layer, None));
        PreparedAttention {
            norm: PreparedLayerNorm::new(norm),
            qkv: prepare(side_by_side(layers), precision),
            output: prepare(scaled(&self.output, scale), precision),
            num_heads: self.num_heads,
        }
    }
}

/// Attention in every head; all maps are `[N, C, 1, L]`.
///
/// Weights that are dropped have to exist, so dropout has a form of its own.
fn attend(maps: [Tensor<4>; 3], num_heads: usize, dropout: &Dropout) -> Tensor<4> {
    if dropout.prob == 0.0 {
        let [query, key, value] = maps;
        return attention(query, key, value, num_heads, None);
    }
    let [batch, channels, _, length] = maps[0].dims();
    let head_dim = channels / num_heads;
    let [query, key, value] = maps.map(|map| {
        tokens::to_rows(map)
            .reshape([batch, length, num_heads, head_dim])
            .swap_dims(1, 2) // [N, heads, L, d]
    });
    let scale = (head_dim as f64).powf(-0.5);
    let logits = (query * scale).matmul(key.swap_dims(2, 3));
    let context = dropout.forward(softmax(logits, 3)).matmul(value);
    let context = context.swap_dims(1, 2).reshape([batch, length, channels]);
    tokens::from_rows(context)
}

/// [`Attention`] made ready for inference, with the norm before it and the residual around it.
#[derive(Debug)]
pub(crate) struct PreparedAttention {
    norm: PreparedLayerNorm,
    /// Queries, keys and values side by side.
    qkv: PreparedLinear,
    output: PreparedLinear,
    num_heads: usize,
}

impl PreparedAttention {
    pub(crate) fn forward(&self, x: Tensor<4>, rotation: Option<&Rotation>) -> Tensor<4> {
        let normal = self.norm.forward(x.clone());
        let turn = |x| match rotation {
            Some(rotation) => rotation.apply(x, self.num_heads),
            None => x,
        };
        let qkv = self.qkv.forward(normal);
        let [_, channels, ..] = x.dims();
        let part = |index: usize| qkv.clone().narrow(1, index * channels, channels);
        let (query, key) = (turn(part(0)), turn(part(1)));
        let context = attention(query, key, part(2), self.num_heads, None);
        self.output.forward_onto(context, x)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.norm.bytes() + self.qkv.bytes() + self.output.bytes()
    }
}

/// Layers of the same input as one: a bias that one of them lacks is zero.
fn side_by_side(layers: [(Tensor<2>, Option<Tensor<1>>); 3]) -> (Tensor<2>, Option<Tensor<1>>) {
    let has_bias = layers.iter().any(|(_, bias)| bias.is_some());
    let (weights, biases): (Vec<_>, Vec<_>) = layers
        .into_iter()
        .map(|(weight, bias)| {
            let [_, channels] = weight.dims();
            let bias = bias.unwrap_or_else(|| Tensor::zeros([channels], &weight.device()));
            (weight, bias)
        })
        .unzip();
    let bias = has_bias.then(|| Tensor::cat(biases, 0));
    (Tensor::cat(weights, 1), bias)
}

/// A linear layer on a map.
pub(crate) fn apply(layer: &Linear, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    let (weight, bias) = scaled(layer, None);
    linear(x, weight, bias, activation)
}

/// Weight, `[in, out]`, and bias of a layer whose output is multiplied by `scale`.
pub(crate) fn scaled(layer: &Linear, scale: Option<Tensor<1>>) -> (Tensor<2>, Option<Tensor<1>>) {
    let weight = layer.weight.val();
    let bias = layer.bias.as_ref().map(Param::val);
    match scale {
        Some(scale) => (
            weight * scale.clone().unsqueeze::<2>(),
            bias.map(|bias| bias * scale),
        ),
        None => (weight, bias),
    }
}

/// A layer without activation made ready for inference.
pub(crate) fn prepare(
    (weight, bias): (Tensor<2>, Option<Tensor<1>>),
    precision: Precision,
) -> PreparedLinear {
    PreparedLinear::new(weight, bias, Activation::None, precision)
}

/// The weights of a norm; burn's layer keeps its epsilon to itself.
pub(crate) fn norm_weights(norm: &LayerNorm, epsilon: f64) -> LayerNormWeights {
    upernet_nn::layer_norm_weights(norm.clone(), epsilon)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    /// The form with dropout computes the same where nothing is dropped: outside of training.
    #[test]
    fn both_forms_attend_alike() {
        let device = Device::flex();
        let map = || Tensor::random([2, 12, 1, 7], Distribution::Normal(0.0, 1.0), &device);
        let maps = [map(), map(), map()];
        let attend = |rate| attend(maps.clone(), 3, &DropoutConfig::new(rate).init()).into_data();
        let tolerance = Tolerance::<f32>::absolute(1e-5);
        attend(0.5).assert_approx_eq(&attend(0.0), tolerance);
    }
}
