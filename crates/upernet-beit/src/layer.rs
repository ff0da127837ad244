//! One layer: attention, then a perceptron, both residual. Paper: section 2.3. Upstream: `BeitLayer`.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{DropPath, DropPathConfig, Precision, initializer, layer_norm_weights};
use upernet_ops::{Activation, MlpWeights, PreparedLayerNorm, PreparedMlp, layer_norm, linear};

use crate::{
    BeitConfig,
    attention::{Attention, apply},
    prepared::{PreparedLayer, linear_weights},
};

#[derive(Module, Debug)]
pub(crate) struct Layer {
    layernorm_before: LayerNorm,
    attention: Attention,
    /// Scale of each channel of the attention's branch, `[C]`.
    lambda_1: Option<Param<Tensor<1>>>,
    layernorm_after: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    /// Scale of each channel of the perceptron's branch, `[C]`.
    lambda_2: Option<Param<Tensor<1>>>,
    dropout: Dropout,
    drop_path: DropPath,
    epsilon: f64,
}

impl Layer {
    pub(crate) fn new(config: &BeitConfig, drop_path: f64, device: &Device) -> Self {
        let [channels, hidden] = [config.hidden_size, config.intermediate_size];
        let norm = LayerNormConfig::new(channels).with_epsilon(config.layer_norm_eps);
        let layer = |input, output| {
            let layer = LinearConfig::new(input, output);
            initializer::linear(&layer, config.initializer_range, device)
        };
        let has_scale = config.layer_scale_init_value > 0.0;
        let scale = || {
            let value = config.layer_scale_init_value;
            has_scale.then(|| Initializer::Constant { value }.init([channels], device))
        };
        Self {
            layernorm_before: norm.init(device),
            attention: Attention::new(config, device),
            lambda_1: scale(),
            layernorm_after: norm.init(device),
            fc1: layer(channels, hidden),
            fc2: layer(hidden, channels),
            lambda_2: scale(),
            dropout: DropoutConfig::new(config.hidden_dropout).init(),
            drop_path: DropPathConfig::new(drop_path).init(),
            epsilon: config.layer_norm_eps,
        }
    }

    /// Takes the tokens `[N, C, 1, L]` of a `[CLS]` token and a grid of patches; `shared_bias`,
    /// `[heads, L, L]`, is added to the layer's own.
    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        grid: [usize; 2],
        shared_bias: Option<Tensor<3>>,
    ) -> Tensor<4> {
        let normed = self.norm(&self.layernorm_before, x.clone());
        let branch = self.attention.forward(normed, grid, shared_bias);
        let x = x + self.branch(branch, self.lambda_1.as_ref());

        let normed = self.norm(&self.layernorm_after, x.clone());
        let (expand, bias) = (self.fc1.weight.val(), self.fc1.bias.as_ref());
        let hidden = linear(normed, expand, bias.map(Param::val), Activation::Gelu);
        let branch = apply(&self.fc2, hidden);
        x + self.branch(branch, self.lambda_2.as_ref())
    }

    fn norm(&self, norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
        layer_norm(x, &layer_norm_weights(norm.clone(), self.epsilon))
    }

    fn branch(&self, x: Tensor<4>, scale: Option<&Param<Tensor<1>>>) -> Tensor<4> {
        let x = self.dropout.forward(x);
        let x = match scale {
            Some(scale) => x * scale.val().reshape([1, -1, 1, 1]),
            None => x,
        };
        self.drop_path.forward(x)
    }

    /// Makes the layer ready for inference; the scales become part of the layers before them.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedLayer {
        let bias = "the layers of a perceptron have a bias";
        let [before, after] = [self.layernorm_before, self.layernorm_after]
            .map(|norm| layer_norm_weights(norm, self.epsilon));
        let [scale_1, scale_2] = [self.lambda_1, self.lambda_2].map(|p| p.map(Param::into_value));
        let (expand, expand_bias) = linear_weights(self.fc1, None);
        let (project, project_bias) = linear_weights(self.fc2, scale_2);
        let mlp = MlpWeights {
            norm: after,
            expand,
            expand_bias: expand_bias.expect(bias),
            project,
            project_bias: project_bias.expect(bias),
        };
        PreparedLayer {
            norm: PreparedLayerNorm::new(before),
            attention: self.attention.prepare(scale_1, precision),
            mlp: PreparedMlp::new(mlp, precision),
        }
    }
}
