//! One stage: blocks at one resolution, then the merging that leads to the next.
//!
//! Upstream: `Swinv2Stage`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::Precision;

use super::{
    SwinV2Config, block::SwinV2Block, patch_merging::PatchMerging, prepared::PreparedStage,
};

#[derive(Module, Debug)]
pub(super) struct SwinV2Stage {
    blocks: Vec<SwinV2Block>,
    /// Absent after the last stage.
    downsample: Option<PatchMerging>,
}

impl SwinV2Stage {
    /// Stage number `stage`, counted from 0, with the drop path rate of each of its blocks.
    pub(super) fn new(
        config: &SwinV2Config,
        stage: usize,
        drop_path: &[f64],
        device: &Device,
    ) -> Self {
        let blocks = drop_path
            .iter()
            .enumerate()
            .map(|(index, &rate)| SwinV2Block::new(config, stage, index, rate, device))
            .collect();
        let is_last = stage + 1 == config.num_stages();
        let downsample = (!is_last).then(|| PatchMerging::new(config, stage, device));
        Self { blocks, downsample }
    }

    /// The stage's map at its own resolution, `[N, H, W, C]`.
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }

    /// What the next stage starts from.
    pub(super) fn downsample(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.downsample {
            Some(downsample) => downsample.forward(x),
            None => x,
        }
    }

    /// The stage made ready for inference.
    pub(super) fn prepare(self, layer_norm_eps: f64, precision: Precision) -> PreparedStage {
        let blocks = self.blocks.into_iter();
        let blocks = blocks.map(|block| block.prepare(layer_norm_eps, precision));
        PreparedStage {
            blocks: blocks.collect(),
            downsample: self.downsample.map(|merging| merging.prepare(precision)),
        }
    }
}
