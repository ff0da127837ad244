//! The perceptron of a block, plain or gated.
//!
//! Source of the gated one: Shazeer, *GLU Variants Improve Transformer* (2020),
//! <https://arxiv.org/abs/2002.05202>. Upstream: `Dinov2MLP`, `Dinov2SwiGLUFFN`, `DINOv3ViTMLP`,
//! `DINOv3ViTGatedMLP`.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation::silu},
};
use upernet_nn::{Precision, gelu, initializer};
use upernet_ops::{
    Activation, LayerNormWeights, MlpWeights, PreparedLayerNorm, PreparedLinear, linear,
};

use crate::{
    HiddenActivation, MlpKind, VitConfig,
    attention::{apply, prepare, scaled},
};

/// The perceptron of a block.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    layers: Layers,
    #[module(skip)]
    activation: HiddenActivation,
}

/// Its layers, under the names of their files.
#[derive(Module, Debug)]
enum Layers {
    Plain(Plain),
    JoinedGate(JoinedGate),
    Gate(Gated),
}

#[derive(Module, Debug)]
struct Plain {
    fc1: Linear,
    fc2: Linear,
}

#[derive(Module, Debug)]
struct JoinedGate {
    /// The gate's outputs first, then the values'.
    weights_in: Linear,
    weights_out: Linear,
}

#[derive(Module, Debug)]
struct Gated {
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Mlp {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let (channels, hidden) = (config.hidden_size, config.intermediate_size);
        let layer = |input, output| {
            let layer = LinearConfig::new(input, output).with_bias(config.biases.mlp);
            initializer::linear(&layer, config.initializer_range, device)
        };
        let layers = match config.mlp {
            MlpKind::Plain => Layers::Plain(Plain {
                fc1: layer(channels, hidden),
                fc2: layer(hidden, channels),
            }),
            MlpKind::JoinedGate => Layers::JoinedGate(JoinedGate {
                weights_in: layer(channels, 2 * hidden),
                weights_out: layer(hidden, channels),
            }),
            MlpKind::Gate => Layers::Gate(Gated {
                gate: layer(channels, hidden),
                up: layer(channels, hidden),
                down: layer(hidden, channels),
            }),
        };
        Self {
            layers,
            activation: config.hidden_act,
        }
    }

    /// Transforms normalised tokens, `[N, C, 1, L]`; the result is multiplied by `scale`, `[C]`.
    pub(crate) fn forward(&self, x: Tensor<4>, scale: Option<Tensor<1>>) -> Tensor<4> {
        let layer = |layer, x| apply(layer, x, Activation::None);
        let (hidden, last) = match &self.layers {
            Layers::Plain(Plain { fc1, fc2 }) => (self.activation.apply(layer(fc1, x)), fc2),
            Layers::JoinedGate(JoinedGate {
                weights_in,
                weights_out,
            }) => {
                let both = layer(weights_in, x);
                let [_, channels, ..] = both.dims();
                let hidden = channels / 2;
                let gate = self.activation.apply(both.clone().narrow(1, 0, hidden));
                (gate * both.narrow(1, hidden, hidden), weights_out)
            }
            Layers::Gate(Gated { gate, up, down }) => {
                let hidden = self.activation.apply(layer(gate, x.clone()));
                (hidden * layer(up, x), down)
            }
        };
        let (weight, bias) = scaled(last, scale);
        linear(hidden, weight, bias, Activation::None)
    }

    /// The perceptron made ready for inference, with the norm before it.
    pub(crate) fn prepare(
        self,
        norm: LayerNormWeights,
        scale: Option<Tensor<1>>,
        precision: Precision,
    ) -> PreparedMlp {
        let activation = self.activation;
        let [first, values, last] = match &self.layers {
            Layers::Plain(Plain { fc1, fc2 }) => {
                [Some(scaled(fc1, None)), None, Some(scaled(fc2, scale))]
            }
            Layers::JoinedGate(JoinedGate {
                weights_in,
                weights_out,
            }) => {
                let (weight, bias) = scaled(weights_in, None);
                let [_, both] = weight.dims();
                let part = |first: usize| {
                    let weight = weight.clone().narrow(1, first, both / 2);
                    let bias = bias.clone().map(|bias| bias.narrow(0, first, both / 2));
                    Some((weight, bias))
                };
                [part(0), part(both / 2), Some(scaled(weights_out, scale))]
            }
            Layers::Gate(Gated { gate, up, down }) => [
                Some(scaled(gate, None)),
                Some(scaled(up, None)),
                Some(scaled(down, scale)),
            ],
        };
        let (first, last) = (
            first.expect("every perceptron has a first layer"),
            last.expect("every perceptron has a last layer"),
        );
        if values.is_none() && activation == HiddenActivation::Gelu {
            let weights = mlp_weights(norm, first, last);
            return PreparedMlp::Fused(upernet_ops::PreparedMlp::new(weights, precision));
        }
        PreparedMlp::Apart {
            norm: PreparedLayerNorm::new(norm),
            first: prepare(first, precision),
            values: values.map(|values| prepare(values, precision)),
            activation,
            last: prepare(last, precision),
        }
    }
}

fn mlp_weights(
    norm: LayerNormWeights,
    (expand, expand_bias): (Tensor<2>, Option<Tensor<1>>),
    (project, project_bias): (Tensor<2>, Option<Tensor<1>>),
) -> MlpWeights {
    let or_zeros = |bias: Option<Tensor<1>>, weight: &Tensor<2>| {
        let [_, channels] = weight.dims();
        bias.unwrap_or_else(|| Tensor::zeros([channels], &weight.device()))
    };
    MlpWeights {
        norm,
        expand_bias: or_zeros(expand_bias, &expand),
        expand,
        project_bias: or_zeros(project_bias, &project),
        project,
    }
}

impl HiddenActivation {
    pub(crate) fn apply(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Gelu => gelu(x),
            Self::Silu => silu(x),
        }
    }
}

/// [`Mlp`] made ready for inference, with the norm before it and the residual around it.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network has few, and they are not moved about"
)]
pub(crate) enum PreparedMlp {
    /// Plain, with GELU.
    Fused(upernet_ops::PreparedMlp),
    /// Any other.
    Apart {
        norm: PreparedLayerNorm,
        /// The layer that the activation follows.
        first: PreparedLinear,
        /// What is multiplied by it, if it is a gate.
        values: Option<PreparedLinear>,
        activation: HiddenActivation,
        last: PreparedLinear,
    },
}

impl PreparedMlp {
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Fused(mlp) => mlp.forward(x),
            Self::Apart {
                norm,
                first,
                values,
                activation,
                last,
            } => {
                let normal = norm.forward(x.clone());
                let hidden = activation.apply(first.forward(normal.clone()));
                let hidden = match values {
                    Some(values) => hidden * values.forward(normal),
                    None => hidden,
                };
                last.forward_onto(hidden, x)
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Fused(mlp) => mlp.bytes(),
            Self::Apart {
                norm,
                first,
                values,
                last,
                ..
            } => {
                let values = values.as_ref().map_or(0, PreparedLinear::bytes);
                norm.bytes() + first.bytes() + values + last.bytes()
            }
        }
    }
}
