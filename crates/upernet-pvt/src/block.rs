//! One block: attention, then a perceptron, both residual and behind a norm.
//!
//! Paper: figure 1 of version 1, "transformer encoder". Upstream: `PvtV2BlockLayer`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::{DropPath, DropPathConfig, LayerNorm2d, LayerNorm2dConfig, Precision};

use crate::{PvtV2Config, attention::ReducedAttention, mlp::Mlp, prepared::PreparedBlock};

#[derive(Module, Debug)]
pub(crate) struct Block {
    layer_norm_1: LayerNorm2d,
    attention: ReducedAttention,
    layer_norm_2: LayerNorm2d,
    mlp: Mlp,
    drop_path: DropPath,
}

impl Block {
    /// A block of `stage`, counted from 0.
    pub(crate) fn new(config: &PvtV2Config, stage: usize, drop_path: f64, device: &Device) -> Self {
        let norm = LayerNorm2dConfig::new(config.hidden_sizes[stage], config.layer_norm_eps);
        Self {
            layer_norm_1: norm.init(device),
            attention: ReducedAttention::new(config, stage, device),
            layer_norm_2: norm.init(device),
            mlp: Mlp::new(config, stage, device),
            drop_path: DropPathConfig::new(drop_path).init(),
        }
    }

    /// `[N, C, H, W]` to the same.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let attended = self.attention.forward(self.layer_norm_1.forward(x.clone()));
        let x = x + self.drop_path.forward(attended);
        let transformed = self.mlp.forward(self.layer_norm_2.forward(x.clone()));
        x + self.drop_path.forward(transformed)
    }

    /// The block made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedBlock {
        let norms = [self.layer_norm_1, self.layer_norm_2];
        let [before_attention, before_mlp] = norms.map(LayerNorm2d::prepare);
        PreparedBlock {
            attention: self.attention.prepare(before_attention, precision),
            mlp: self.mlp.prepare(before_mlp, precision),
        }
    }
}
