//! One block: attention, then a perceptron, both residual. Upstream: `Dinov2Layer`, `DINOv3ViTLayer`,
//! `ViTLayer`.

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{DropPath, DropPathConfig, Precision};
use upernet_ops::layer_norm;

use crate::{
    VitConfig,
    attention::{Attention, PreparedAttention, norm_weights},
    mlp::{Mlp, PreparedMlp},
    rotary::Rotation,
};

#[derive(Module, Debug)]
pub(crate) struct Block {
    norm1: LayerNorm,
    attention: Attention,
    /// Scale of the attention's branch per channel, `[C]`.
    layer_scale1: Option<Param<Tensor<1>>>,
    norm2: LayerNorm,
    mlp: Mlp,
    /// Scale of the perceptron's branch per channel, `[C]`.
    layer_scale2: Option<Param<Tensor<1>>>,
    dropout: Dropout,
    drop_path: DropPath,
    layer_norm_eps: f64,
}

impl Block {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        let channels = config.hidden_size;
        let norm = LayerNormConfig::new(channels).with_epsilon(config.layer_norm_eps);
        let layer_scale = || {
            let scale = |value| Initializer::Constant { value }.init([channels], device);
            config.layer_scale.map(scale)
        };
        Self {
            norm1: norm.init(device),
            attention: Attention::new(config, device),
            layer_scale1: layer_scale(),
            norm2: norm.init(device),
            mlp: Mlp::new(config, device),
            layer_scale2: layer_scale(),
            dropout: DropoutConfig::new(config.branch_dropout).init(),
            drop_path: DropPathConfig::new(config.drop_path_rate).init(),
            layer_norm_eps: config.layer_norm_eps,
        }
    }

    /// `[N, C, 1, L]` tokens to the same.
    pub(crate) fn forward(&self, x: Tensor<4>, rotation: Option<&Rotation>) -> Tensor<4> {
        let [scale1, scale2] = self.scales();
        let normal = layer_norm(x.clone(), &norm_weights(&self.norm1, self.layer_norm_eps));
        let attended = self.attention.forward(&normal, rotation, scale1);
        let x = x + self.end(attended);
        let normal = layer_norm(x.clone(), &norm_weights(&self.norm2, self.layer_norm_eps));
        let transformed = self.mlp.forward(normal, scale2);
        x + self.end(transformed)
    }

    /// What training does at the end of a branch.
    fn end(&self, branch: Tensor<4>) -> Tensor<4> {
        self.drop_path.forward(self.dropout.forward(branch))
    }

    /// The block made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedBlock {
        let [scale1, scale2] = self.scales();
        let norm1 = norm_weights(&self.norm1, self.layer_norm_eps);
        let norm2 = norm_weights(&self.norm2, self.layer_norm_eps);
        PreparedBlock {
            attention: self.attention.prepare(norm1, scale1, precision),
            mlp: self.mlp.prepare(norm2, scale2, precision),
        }
    }

    fn scales(&self) -> [Option<Tensor<1>>; 2] {
        [&self.layer_scale1, &self.layer_scale2].map(|scale| scale.as_ref().map(Param::val))
    }
}

/// A [`Block`] made ready for inference.
#[derive(Debug)]
pub(crate) struct PreparedBlock {
    attention: PreparedAttention,
    mlp: PreparedMlp,
}

impl PreparedBlock {
    pub(crate) fn forward(&self, x: Tensor<4>, rotation: Option<&Rotation>) -> Tensor<4> {
        self.mlp.forward(self.attention.forward(x, rotation))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.attention.bytes() + self.mlp.bytes()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn drop_path_acts_on_both_branches() {
        let device = Device::flex().autodiff();
        device.seed(2);
        let config = VitConfig::new()
            .with_hidden_size(8)
            .with_num_heads(2)
            .with_intermediate_size(16)
            .with_drop_path_rate(0.999_999);
        let block = Block::new(&config, &device);
        let x = Tensor::random([3, 8, 1, 5], Distribution::Normal(0.0, 1.0), &device);
        let y = block.forward(x.clone(), None);
        y.into_data().assert_eq(&x.into_data(), true);
    }
}
