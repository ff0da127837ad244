//! The two-layer perceptron of a block, of either generation. Upstream: `SwinIntermediate` and
//! `SwinOutput`.

use burn::{
    module::Module,
    nn::{Dropout, DropoutConfig, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{gelu, initializer};
use upernet_ops::{LayerNormWeights, MlpWeights};

use crate::prepared::linear_weights;

/// What a perceptron is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MlpConfig {
    pub(crate) channels: usize,
    /// Hidden channels per channel.
    pub(crate) ratio: f64,
    pub(crate) dropout: f64,
    pub(crate) initializer_range: f64,
}

#[derive(Module, Debug)]
pub(crate) struct Mlp {
    fc1: Linear,
    fc2: Linear,
    dropout: Dropout,
}

impl Mlp {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "upstream truncates too: int(mlp_ratio * channels)"
    )]
    pub(crate) fn new(config: MlpConfig, device: &Device) -> Self {
        let channels = config.channels;
        let hidden = (config.ratio * channels as f64) as usize;
        let std = config.initializer_range;
        Self {
            fc1: initializer::linear(&LinearConfig::new(channels, hidden), std, device),
            fc2: initializer::linear(&LinearConfig::new(hidden, channels), std, device),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// Its weights, beside a norm.
    pub(crate) fn into_weights(self, norm: LayerNormWeights) -> MlpWeights {
        let bias = "the layers of an MLP have a bias";
        let (expand, expand_bias) = linear_weights(self.fc1);
        let (project, project_bias) = linear_weights(self.fc2);
        MlpWeights {
            norm,
            expand,
            expand_bias: expand_bias.expect(bias),
            project,
            project_bias: project_bias.expect(bias),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.dropout
            .forward(self.fc2.forward(gelu(self.fc1.forward(x))))
    }
}
