//! One stage: blocks at one resolution, then the merging that leads to the next.
//!
//! Upstream: `SwinStage`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::Precision;

use crate::{
    SwinConfig,
    block::SwinBlock,
    patch_merging::PatchMerging,
    prepared::{PreparedBlock, PreparedMerging},
};

#[derive(Module, Debug)]
pub(crate) struct SwinStage {
    blocks: Vec<SwinBlock>,
    /// Absent after the last stage.
    downsample: Option<PatchMerging>,
}

impl SwinStage {
    /// Stage number `stage`, counted from 0, with the drop path rate of each of its blocks.
    pub(crate) fn new(
        config: &SwinConfig,
        stage: usize,
        drop_path: &[f64],
        device: &Device,
    ) -> Self {
        let blocks = drop_path
            .iter()
            .enumerate()
            .map(|(index, &rate)| SwinBlock::new(config, stage, index, rate, device))
            .collect();
        let is_last = stage + 1 == config.num_stages();
        let downsample = (!is_last).then(|| PatchMerging::new(config, stage, device));
        Self { blocks, downsample }
    }

    /// The stage's map at its own resolution, `[N, H, W, C]`.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }

    /// The blocks and the merging made ready for inference.
    pub(crate) fn prepare(
        self,
        layer_norm_eps: f64,
        precision: Precision,
    ) -> (Vec<PreparedBlock>, Option<PreparedMerging>) {
        let blocks = self.blocks.into_iter();
        let blocks = blocks.map(|block| block.prepare(layer_norm_eps, precision));
        let downsample = self.downsample.map(|merging| merging.prepare(precision));
        (blocks.collect(), downsample)
    }

    /// What the next stage starts from.
    pub(crate) fn downsample(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.downsample {
            Some(downsample) => downsample.forward(x),
            None => x,
        }
    }
}
