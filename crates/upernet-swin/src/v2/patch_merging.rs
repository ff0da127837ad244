//! Halves the map between stages. Upstream: `Swinv2PatchMerging`.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{Precision, initializer};

use super::{SwinV2Config, prepared::PreparedMerging};
use crate::patch_merging::gather_neighbours;

/// Joins each 2 x 2 group of tokens into one with twice the channels, and normalises it.
#[derive(Module, Debug)]
pub(super) struct PatchMerging {
    reduction: Linear,
    norm: LayerNorm,
}

impl PatchMerging {
    /// The merging at the end of a stage, counted from 0.
    pub(super) fn new(config: &SwinV2Config, stage: usize, device: &Device) -> Self {
        let channels = config.stage_channels(stage);
        let reduction = LinearConfig::new(4 * channels, 2 * channels).with_bias(false);
        Self {
            reduction: initializer::linear(&reduction, config.initializer_range, device),
            norm: LayerNormConfig::new(2 * channels).init(device),
        }
    }

    /// `[N, H, W, C]` to `[N, ceil(H / 2), ceil(W / 2), 2C]`.
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm
            .forward(self.reduction.forward(gather_neighbours(x)))
    }

    /// The layer made ready for inference.
    pub(super) fn prepare(self, precision: Precision) -> PreparedMerging {
        PreparedMerging::new(self.reduction, self.norm, precision)
    }
}
