//! The backbone made ready for inference.

use burn::{module::Param, nn::conv::Conv2d, tensor::Tensor};
use upernet_nn::{FeaturePyramid, Precision, PreparedBackbone};
use upernet_ops::{
    Activation, Border, CellOrder, Patches, PreparedConvNextBlock, PreparedLayerNorm,
    PreparedLinear, space_to_depth,
};

/// A [`ConvNext`](crate::ConvNext) made ready for inference.
///
/// Layer scale and the response norm's bias are folded into the second layer of each block, and each
/// block is one operation.
#[derive(Debug)]
pub struct PreparedConvNext {
    pub(crate) stem: PreparedStem,
    /// Up to the last one that a map is returned of.
    pub(crate) stages: Vec<PreparedStage>,
}

/// The image to patches, normalised.
#[derive(Debug)]
pub(crate) struct PreparedStem {
    pub(crate) patches: PatchProjection,
    pub(crate) norm: PreparedLayerNorm,
}

/// The layer that leads in (absent for the first stage), then the blocks.
#[derive(Debug)]
pub(crate) struct PreparedStage {
    pub(crate) downsample: Option<PreparedDownsample>,
    pub(crate) blocks: Vec<PreparedConvNextBlock>,
    /// What becomes of this stage's map, if it is returned.
    pub(crate) output: Option<PreparedOutput>,
}

/// How a stage's map is returned.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a network has few, and they are not moved about"
)]
pub(crate) enum PreparedOutput {
    /// Through a norm of its own.
    Normalised(PreparedLayerNorm),
    /// As the next stage reads it.
    AsItIs,
}

/// Norm, then a convolution that halves the map.
#[derive(Debug)]
pub(crate) struct PreparedDownsample {
    pub(crate) norm: PreparedLayerNorm,
    pub(crate) patches: PatchProjection,
}

/// A convolution whose stride is its kernel's size, as a linear layer on patches.
#[derive(Debug)]
pub(crate) struct PatchProjection {
    patches: Patches,
    projection: PreparedLinear,
}

impl PreparedBackbone for PreparedConvNext {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let patches = self.stem.patches.forward(pixel_values);
        let mut x = self.stem.norm.forward(patches);
        let mut features = Vec::new();
        for stage in &self.stages {
            if let Some(downsample) = &stage.downsample {
                x = downsample.patches.forward(downsample.norm.forward(x));
            }
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x));
            if let Some(output) = &stage.output {
                features.push(output.forward(x.clone()));
            }
        }
        FeaturePyramid::new(features)
    }

    fn bytes(&self) -> usize {
        let stem = self.stem.patches.projection.bytes() + self.stem.norm.bytes();
        stem + self.stages.iter().map(PreparedStage::bytes).sum::<usize>()
    }
}

impl PreparedStage {
    fn bytes(&self) -> usize {
        let downsample = self.downsample.as_ref().map_or(0, |downsample| {
            downsample.norm.bytes() + downsample.patches.projection.bytes()
        });
        let blocks = self.blocks.iter().map(PreparedConvNextBlock::bytes);
        let output = self.output.as_ref().map_or(0, PreparedOutput::bytes);
        downsample + blocks.sum::<usize>() + output
    }
}

impl PreparedOutput {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Normalised(norm) => norm.forward(x),
            Self::AsItIs => x,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Normalised(norm) => norm.bytes(),
            Self::AsItIs => 0,
        }
    }
}

impl PatchProjection {
    pub(crate) fn new(conv: Conv2d, precision: Precision) -> Self {
        let weight = conv.weight.into_value();
        let [channels, in_channels, size, _] = weight.dims();
        // A patch's cells row by row, the channels of each together.
        let weight = weight
            .permute([2, 3, 1, 0])
            .reshape([size * size * in_channels, channels]);
        let bias = conv.bias.map(Param::into_value);
        Self {
            patches: Patches {
                size,
                order: CellOrder::RowMajor,
                border: Border::Dropped,
            },
            projection: PreparedLinear::new(weight, bias, Activation::None, precision),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.projection.forward(space_to_depth(x, self.patches))
    }
}
