//! One Swin V2 block: attention in (shifted) windows, then an MLP, each normalised, then added.
//!
//! Paper: section 3.2, figure 1. Upstream: `Swinv2Layer`.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{DropPath, DropPathConfig, Precision, layer_norm_weights};
use upernet_ops::{PreparedCosineWindowAttention, PreparedPostNormMlp, window::in_windows};

use super::{SwinV2Config, attention::CosineAttention, prepared::PreparedBlock};
use crate::{DropPathRule, mlp::Mlp};

/// Its norms are called as upstream calls them, though both come after what they are named for.
#[derive(Module, Debug)]
pub(super) struct SwinV2Block {
    attention: CosineAttention,
    /// Of the attention branch.
    layernorm_before: LayerNorm,
    mlp: Mlp,
    /// Of the MLP branch.
    layernorm_after: LayerNorm,
    attention_drop_path: DropPath,
    mlp_drop_path: DropPath,
    window_size: usize,
    /// Patches by which the windows of this block are shifted.
    shift: usize,
}

impl SwinV2Block {
    /// Block number `index` of a stage, both counted from 0.
    pub(super) fn new(
        config: &SwinV2Config,
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
        let windows = config.stage_windows(stage);
        Self {
            attention: CosineAttention::new(config, stage, device),
            layernorm_before: norm.init(device),
            mlp: Mlp::new(config.mlp(stage), device),
            layernorm_after: norm.init(device),
            attention_drop_path: DropPathConfig::new(drop_path).init(),
            mlp_drop_path: DropPathConfig::new(mlp_drop_path).init(),
            window_size: windows.size,
            shift: if index.is_multiple_of(2) {
                0
            } else {
                windows.shift
            },
        }
    }

    /// `[N, H, W, C]` tokens to the same.
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let attended = in_windows(x.clone(), self.window_size, self.shift, |windows, mask| {
            self.attention.forward(windows, mask)
        });
        let attended = self.layernorm_before.forward(attended);
        let x = x + self.attention_drop_path.forward(attended);
        let transformed = self.layernorm_after.forward(self.mlp.forward(x.clone()));
        x + self.mlp_drop_path.forward(transformed)
    }

    /// The block made ready for inference.
    pub(super) fn prepare(self, layer_norm_eps: f64, precision: Precision) -> PreparedBlock {
        let norm = layer_norm_weights(self.layernorm_before, layer_norm_eps);
        let windows = [self.window_size, self.shift];
        let attention = self.attention.into_weights(norm, windows);
        let norm = layer_norm_weights(self.layernorm_after, layer_norm_eps);
        PreparedBlock {
            attention: PreparedCosineWindowAttention::new(attention, precision),
            mlp: PreparedPostNormMlp::new(self.mlp.into_weights(norm), precision),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    /// How much a block that drops practically every branch that it may drop changes its input.
    fn change(rule: DropPathRule) -> f32 {
        let device = Device::flex().autodiff();
        device.seed(2);
        let config = SwinV2Config::new()
            .with_embed_dim(8)
            .with_num_heads(vec![2, 2, 2, 2])
            .with_drop_path_rule(rule);
        let block = SwinV2Block::new(&config, 0, 1, 0.999_999, &device);
        let x = Tensor::random([3, 5, 6, 8], Distribution::Normal(0.0, 1.0), &device);
        (block.forward(x.clone()) - x).abs().max().into_scalar()
    }

    #[test]
    fn upstream_drops_both_branches() {
        let rule = SwinV2Config::new().drop_path_rule;
        assert_eq!(rule, DropPathRule::BothBranches);
        assert!(change(rule) == 0.0, "a branch is left");
    }

    #[test]
    fn the_attention_can_be_dropped_alone() {
        let change = change(DropPathRule::AttentionOnly);
        assert!(change > 0.0, "the MLP's branch is there");
    }
}
