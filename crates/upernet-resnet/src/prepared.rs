//! The backbone made ready for inference.

use burn::tensor::Tensor;
use upernet_nn::{FeaturePyramid, PreparedBackbone};
use upernet_ops::{PreparedConv3x3, PreparedLinear, PreparedStridedConv, max_pool3x3};

/// A [`ResNet`](crate::ResNet) made ready for inference.
///
/// Batch normalisation is folded into the convolution before it, and the residual sum with its
/// activation is part of a block's last convolution.
#[derive(Debug)]
pub struct PreparedResNet {
    /// The convolutions of the stem.
    pub(crate) embedder: Vec<PreparedConvLayer>,
    /// Up to the last one that a map is returned of.
    pub(crate) stages: Vec<PreparedStage>,
}

#[derive(Debug)]
pub(crate) struct PreparedStage {
    pub(crate) blocks: Vec<PreparedBlock>,
    /// Whether its map is returned.
    pub(crate) returned: bool,
}

#[derive(Debug)]
pub(crate) struct PreparedBlock {
    pub(crate) shortcut: Option<PreparedConvLayer>,
    pub(crate) first: Vec<PreparedConvLayer>,
    /// Adds the residual.
    pub(crate) last: PreparedConvLayer,
}

/// A convolution with all that follows it.
#[derive(Debug)]
pub(crate) enum PreparedConvLayer {
    Pointwise(PreparedLinear),
    ThreeByThree(PreparedConv3x3),
    /// Every other size and stride.
    Strided(PreparedStridedConv),
}

impl PreparedBackbone for PreparedResNet {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let embedder = self.embedder.iter();
        let mut x = max_pool3x3(embedder.fold(pixel_values, |x, layer| layer.forward(x)));
        let mut features = Vec::new();
        for stage in &self.stages {
            x = stage.blocks.iter().fold(x, |x, block| block.forward(x));
            if stage.returned {
                features.push(x.clone());
            }
        }
        FeaturePyramid::new(features)
    }

    fn bytes(&self) -> usize {
        let blocks = self.stages.iter().flat_map(|stage| &stage.blocks);
        let embedder = self.embedder.iter().map(PreparedConvLayer::bytes);
        embedder.chain(blocks.map(PreparedBlock::bytes)).sum()
    }
}

impl PreparedBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let residual = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x.clone()),
            None => x.clone(),
        };
        let y = self.first.iter().fold(x, |x, layer| layer.forward(x));
        self.last.forward_onto(y, residual)
    }

    fn bytes(&self) -> usize {
        let layers = self.shortcut.iter().chain(&self.first);
        let layers = layers.chain(std::iter::once(&self.last));
        layers.map(PreparedConvLayer::bytes).sum()
    }
}

impl PreparedConvLayer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Pointwise(layer) => layer.forward(x),
            Self::ThreeByThree(layer) => layer.forward(x),
            Self::Strided(layer) => layer.forward(x),
        }
    }

    fn forward_onto(&self, x: Tensor<4>, residual: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Pointwise(layer) => layer.forward_onto(x, residual),
            Self::ThreeByThree(layer) => layer.forward_onto(x, residual),
            Self::Strided(layer) => layer.forward_onto(x, residual),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Pointwise(layer) => layer.bytes(),
            Self::ThreeByThree(layer) => layer.bytes(),
            Self::Strided(layer) => layer.bytes(),
        }
    }
}
