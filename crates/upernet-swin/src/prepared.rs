//! The backbone made ready for inference.

use burn::{
    module::Param,
    nn::{LayerNorm, Linear, conv::Conv2d},
    tensor::Tensor,
};
use upernet_nn::{FeaturePyramid, Precision, PreparedBackbone, layer_norm_weights};
use upernet_ops::{
    Activation, Border, CellOrder, Patches, PreparedLayerNorm, PreparedLinear, PreparedMlp,
    PreparedWindowAttention, space_to_depth,
};

/// A [`Swin`](crate::Swin) made ready for inference.
///
/// Maps stay `[N, C, H, W]` from end to end; each half of a block is one operation.
#[derive(Debug)]
pub struct PreparedSwin {
    pub(crate) patch_embedding: PreparedPatchEmbedding,
    /// Up to the last one that a map is returned of.
    pub(crate) stages: Vec<PreparedStage>,
}

/// Blocks at one resolution, and what leads away from it.
#[derive(Debug)]
pub(crate) struct PreparedStage {
    pub(crate) blocks: Vec<PreparedBlock>,
    /// Of the returned map, if this stage's is one.
    pub(crate) norm: Option<PreparedLayerNorm>,
    /// Absent after the last stage.
    pub(crate) downsample: Option<PreparedMerging>,
}

/// One block.
#[derive(Debug)]
pub(crate) struct PreparedBlock {
    pub(crate) attention: PreparedWindowAttention,
    pub(crate) mlp: PreparedMlp,
}

/// Cuts the image into patches, embeds each and normalises it.
#[derive(Debug)]
pub(crate) struct PreparedPatchEmbedding {
    patches: Patches,
    projection: PreparedLinear,
    norm: PreparedLayerNorm,
    /// `[1, L, C]` for the `L` patches of a training image.
    positions: Option<Tensor<3>>,
}

/// The 2 x 2 groups that a merging joins.
pub(crate) const GROUPS: Patches = Patches {
    size: 2,
    order: CellOrder::ColumnMajor,
    border: Border::Padded,
};

/// Joins each 2 x 2 group of cells into one with twice the channels.
#[derive(Debug)]
pub(crate) struct PreparedMerging {
    norm: PreparedLayerNorm,
    reduction: PreparedLinear,
}

impl PreparedBackbone for PreparedSwin {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let mut x = self.patch_embedding.forward(pixel_values);
        let mut features = Vec::new();
        for stage in &self.stages {
            for block in &stage.blocks {
                x = block.mlp.forward(block.attention.forward(x));
            }
            if let Some(norm) = &stage.norm {
                features.push(norm.forward(x.clone()));
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
        let blocks: usize = blocks
            .map(|block| block.attention.bytes() + block.mlp.bytes())
            .sum();
        let norm = self.norm.as_ref().map_or(0, PreparedLayerNorm::bytes);
        blocks + norm + self.downsample.as_ref().map_or(0, PreparedMerging::bytes)
    }
}

impl PreparedPatchEmbedding {
    pub(crate) fn new(
        projection: Conv2d,
        norm: LayerNorm,
        positions: Option<Tensor<3>>,
        precision: Precision,
    ) -> Self {
        let weight = projection.weight.into_value();
        let [channels, in_channels, size, _] = weight.dims();
        // A patch's cells row by row, the channels of each together.
        let weight = weight
            .permute([2, 3, 1, 0])
            .reshape([size * size * in_channels, channels]);
        let bias = projection.bias.map(Param::into_value);
        Self {
            patches: Patches {
                size,
                order: CellOrder::RowMajor,
                border: Border::Padded,
            },
            projection: PreparedLinear::new(weight, bias, Activation::None, precision),
            norm: prepare_norm(norm, crate::LAYER_NORM_EPS),
            positions,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let positions = self.positions.as_ref();
        let positions = positions.map_or(0, |positions| positions.shape().num_elements());
        self.projection.bytes() + self.norm.bytes() + positions * size_of::<f32>()
    }

    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let patches = space_to_depth(pixel_values, self.patches);
        let x = self.norm.forward(self.projection.forward(patches));
        let Some(positions) = self.positions.clone() else {
            return x;
        };
        let [_, channels, height, width] = x.dims();
        let [_, num_patches, _] = positions.dims();
        assert_eq!(
            height * width,
            num_patches,
            "absolute position embeddings fit {num_patches} patches, the image has {height} x {width}"
        );
        let positions = positions.reshape([1, height, width, channels]);
        x + positions.permute([0, 3, 1, 2]) // [1, C, H, W]
    }
}

impl PreparedMerging {
    pub(crate) fn new(norm: LayerNorm, reduction: Linear, precision: Precision) -> Self {
        let (weight, bias) = linear_weights(reduction);
        Self {
            norm: prepare_norm(norm, crate::LAYER_NORM_EPS),
            reduction: PreparedLinear::new(weight, bias, Activation::None, precision),
        }
    }

    fn bytes(&self) -> usize {
        self.norm.bytes() + self.reduction.bytes()
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.reduction
            .forward(self.norm.forward(space_to_depth(x, GROUPS)))
    }
}

pub(crate) fn prepare_norm(norm: LayerNorm, epsilon: f64) -> PreparedLayerNorm {
    PreparedLayerNorm::new(layer_norm_weights(norm, epsilon))
}

/// Weight, `[in, out]`, and bias of a linear layer.
pub(crate) fn linear_weights(linear: Linear) -> (Tensor<2>, Option<Tensor<1>>) {
    let bias = linear.bias.map(Param::into_value);
    (linear.weight.into_value(), bias)
}
