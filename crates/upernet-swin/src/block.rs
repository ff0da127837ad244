//! One Swin block: attention in (shifted) windows, then an MLP, both residual.
//!
//! Paper: section 3.2, equation 3. Upstream: `SwinLayer`.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{DropPath, DropPathConfig, Precision, layer_norm_weights};
use upernet_ops::{PreparedMlp, PreparedWindowAttention, window::in_windows};

use crate::{
    DropPathRule, SwinConfig, attention::WindowAttention, mlp::Mlp, prepared::PreparedBlock,
};

#[derive(Module, Debug)]
pub(crate) struct SwinBlock {
    layernorm_before: LayerNorm,
    attention: WindowAttention,
    layernorm_after: LayerNorm,
    mlp: Mlp,
    attention_drop_path: DropPath,
    mlp_drop_path: DropPath,
    window_size: usize,
    /// Patches by which the windows of this block are shifted; 0 in every other block.
    shift: usize,
}

impl SwinBlock {
    /// Block number `index` of a stage, both counted from 0.
    pub(crate) fn new(
        config: &SwinConfig,
        stage: usize,
        index: usize,
        drop_path: f64,
        device: &Device,
    ) -> Self {
        let norm =
            LayerNormConfig::new(config.stage_channels(stage)).with_epsilon(config.layer_norm_eps);
        let mlp_drop_path = match config.drop_path_rule {
            DropPathRule::AttentionOnly => 0.0,
            DropPathRule::BothBranches => drop_path,
        };
        Self {
            layernorm_before: norm.init(device),
            attention: WindowAttention::new(config, stage, device),
            layernorm_after: norm.init(device),
            mlp: Mlp::new(config.mlp(stage), device),
            attention_drop_path: DropPathConfig::new(drop_path).init(),
            mlp_drop_path: DropPathConfig::new(mlp_drop_path).init(),
            window_size: config.window_size,
            shift: if index.is_multiple_of(2) {
                0
            } else {
                config.window_size / 2
            },
        }
    }

    /// `[N, H, W, C]` tokens to the same.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let attended = self.attend(self.layernorm_before.forward(x.clone()));
        let x = x + self.attention_drop_path.forward(attended);
        let transformed = self.mlp.forward(self.layernorm_after.forward(x.clone()));
        x + self.mlp_drop_path.forward(transformed)
    }

    /// The block made ready for inference.
    pub(crate) fn prepare(self, layer_norm_eps: f64, precision: Precision) -> PreparedBlock {
        let norm = layer_norm_weights(self.layernorm_before, layer_norm_eps);
        let attention = self.attention.into_weights(norm, self.shift);
        let norm = layer_norm_weights(self.layernorm_after, layer_norm_eps);
        PreparedBlock {
            attention: PreparedWindowAttention::new(attention, precision),
            mlp: PreparedMlp::new(self.mlp.into_weights(norm), precision),
        }
    }

    fn attend(&self, x: Tensor<4>) -> Tensor<4> {
        in_windows(x, self.window_size, self.shift, |windows, mask| {
            self.attention.forward(windows, mask)
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    /// Runs a block that drops practically every branch that it may drop.
    fn run(rule: DropPathRule) -> [Tensor<4>; 2] {
        let device = Device::flex().autodiff();
        device.seed(2);
        let config = SwinConfig::new()
            .with_embed_dim(8)
            .with_num_heads(vec![2, 2, 2, 2])
            .with_drop_path_rule(rule);
        let block = SwinBlock::new(&config, 0, 1, 0.999_999, &device);
        let x = Tensor::random([3, 5, 6, 8], Distribution::Normal(0.0, 1.0), &device);
        [x.clone(), block.forward(x)]
    }

    #[test]
    fn upstream_drops_the_attention_alone() {
        let [x, y] = run(DropPathRule::AttentionOnly);
        let changed: f32 = (y - x).abs().max().into_scalar();
        assert!(changed > 0.0, "the MLP's branch is there");
    }

    #[test]
    fn the_papers_rule_drops_the_mlp_too() {
        let [x, y] = run(DropPathRule::BothBranches);
        y.into_data().assert_eq(&x.into_data(), true);
    }
}
