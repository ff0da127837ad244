//! The backbone made ready for inference.

use burn::{
    nn::{LayerNorm, Linear},
    tensor::Tensor,
};
use upernet_nn::{FeaturePyramid, Precision, PreparedBackbone};
use upernet_ops::{
    Activation, PreparedCosineWindowAttention, PreparedLayerNorm, PreparedLinear,
    PreparedPostNormMlp, space_to_depth,
};

use crate::prepared::{GROUPS, PreparedPatchEmbedding, linear_weights, prepare_norm};

/// A [`SwinV2`](crate::SwinV2) made ready for inference.
///
/// Maps stay `[N, C, H, W]` from end to end; each half of a block is one operation, and the position
/// bias is computed once for all.
#[derive(Debug)]
pub struct PreparedSwinV2 {
    pub(super) patch_embedding: PreparedPatchEmbedding,
    /// Up to the last one that a map is returned of.
    pub(super) stages: Vec<PreparedStage>,
    /// Stages whose maps are returned, counted from 0.
    pub(super) out_stages: Vec<usize>,
}

/// Blocks at one resolution, and what leads away from it.
#[derive(Debug)]
pub(super) struct PreparedStage {
    pub(super) blocks: Vec<PreparedBlock>,
    /// Absent after the last stage.
    pub(super) downsample: Option<PreparedMerging>,
}

/// One block.
#[derive(Debug)]
pub(super) struct PreparedBlock {
    pub(super) attention: PreparedCosineWindowAttention,
    pub(super) mlp: PreparedPostNormMlp,
}

/// Joins each 2 x 2 group of cells into one with twice the channels, and normalises it.
#[derive(Debug)]
pub(super) struct PreparedMerging {
    reduction: PreparedLinear,
    norm: PreparedLayerNorm,
}

impl PreparedBackbone for PreparedSwinV2 {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let mut x = self.patch_embedding.forward(pixel_values);
        let mut features = Vec::new();
        for (index, stage) in self.stages.iter().enumerate() {
            for block in &stage.blocks {
                x = block.mlp.forward(block.attention.forward(x));
            }
            if self.out_stages.contains(&index) {
                features.push(x.clone());
            }
            if let Some(downsample) = &stage.downsample {
                x = downsample.forward(x);
            }
        }
        FeaturePyramid::new(features)
    }

    fn bytes(&self) -> usize {
        let stages = self.stages.iter().map(PreparedStage::bytes);
        self.patch_embedding.bytes() + stages.sum::<usize>()
    }
}

impl PreparedStage {
    fn bytes(&self) -> usize {
        let blocks = self.blocks.iter();
        let blocks = blocks.map(|block| block.attention.bytes() + block.mlp.bytes());
        let downsample = self.downsample.as_ref().map_or(0, PreparedMerging::bytes);
        blocks.sum::<usize>() + downsample
    }
}

impl PreparedMerging {
    pub(super) fn new(reduction: Linear, norm: LayerNorm, precision: Precision) -> Self {
        let (weight, bias) = linear_weights(reduction);
        Self {
            reduction: PreparedLinear::new(weight, bias, Activation::None, precision),
            norm: prepare_norm(norm, crate::LAYER_NORM_EPS),
        }
    }

    fn bytes(&self) -> usize {
        self.reduction.bytes() + self.norm.bytes()
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm
            .forward(self.reduction.forward(space_to_depth(x, GROUPS)))
    }
}
