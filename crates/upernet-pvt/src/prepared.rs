//! The backbone made ready for inference.

use burn::tensor::Tensor;
use upernet_nn::{FeaturePyramid, PreparedBackbone, gelu};
use upernet_ops::{
    Patches, PreparedDepthwiseConv, PreparedLayerNorm, PreparedLinear, PreparedStridedConv,
    attention, space_to_depth,
};

use crate::reduction::averages;

/// A [`PvtV2`](crate::PvtV2) made ready for inference.
///
/// Keys and values come out of one product, biases, activations and residual sums are part of the layer
/// before them, and dropout and drop path, which act in training alone, are gone.
#[derive(Debug)]
pub struct PreparedPvtV2 {
    /// Up to the last one that a map is returned of.
    pub(crate) stages: Vec<PreparedStage>,
}

#[derive(Debug)]
pub(crate) struct PreparedStage {
    pub(crate) patch_embedding: PreparedPatchEmbedding,
    pub(crate) blocks: Vec<PreparedBlock>,
    pub(crate) norm: PreparedLayerNorm,
    /// Whether its map is returned.
    pub(crate) returned: bool,
}

#[derive(Debug)]
pub(crate) struct PreparedPatchEmbedding {
    pub(crate) proj: PreparedStridedConv,
    pub(crate) norm: PreparedLayerNorm,
}

#[derive(Debug)]
pub(crate) struct PreparedBlock {
    pub(crate) attention: PreparedAttention,
    pub(crate) mlp: PreparedPerceptron,
}

#[derive(Debug)]
pub(crate) struct PreparedAttention {
    pub(crate) norm: PreparedLayerNorm,
    pub(crate) query: PreparedLinear,
    pub(crate) reduction: Option<PreparedReduction>,
    /// Keys, then values.
    pub(crate) key_value: PreparedLinear,
    pub(crate) proj: PreparedLinear,
    pub(crate) num_heads: usize,
}

/// What makes the map that keys and values are of.
#[derive(Debug)]
pub(crate) enum PreparedReduction {
    Patches {
        patches: Patches,
        projection: PreparedLinear,
        norm: PreparedLayerNorm,
    },
    Averages {
        projection: PreparedLinear,
        norm: PreparedLayerNorm,
    },
}

#[derive(Debug)]
pub(crate) struct PreparedPerceptron {
    pub(crate) norm: PreparedLayerNorm,
    pub(crate) dense1: PreparedLinear,
    pub(crate) dwconv: PreparedDepthwiseConv,
    pub(crate) dense2: PreparedLinear,
}

impl PreparedBackbone for PreparedPvtV2 {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let mut x = pixel_values;
        let mut features = Vec::new();
        for stage in &self.stages {
            x = stage.forward(x);
            if stage.returned {
                features.push(x.clone());
            }
        }
        FeaturePyramid::new(features)
    }

    fn bytes(&self) -> usize {
        self.stages.iter().map(PreparedStage::bytes).sum()
    }
}

impl PreparedStage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let patches = &self.patch_embedding;
        let x = patches.norm.forward(patches.proj.forward(x));
        let x = self.blocks.iter().fold(x, |x, block| {
            let x = block.attention.add_to(x);
            block.mlp.add_to(x)
        });
        self.norm.forward(x)
    }

    fn bytes(&self) -> usize {
        let patches = &self.patch_embedding;
        let blocks = self.blocks.iter();
        let blocks = blocks.map(|block| block.attention.bytes() + block.mlp.bytes());
        patches.proj.bytes() + patches.norm.bytes() + blocks.sum::<usize>() + self.norm.bytes()
    }
}

impl PreparedAttention {
    fn add_to(&self, x: Tensor<4>) -> Tensor<4> {
        let normed = self.norm.forward(x.clone());
        let query = self.query.forward(normed.clone());
        let reduced = match &self.reduction {
            Some(reduction) => reduction.forward(normed),
            None => normed,
        };
        let key_value = self.key_value.forward(reduced);
        let [_, channels, ..] = query.dims();
        let key = key_value.clone().narrow(1, 0, channels);
        let value = key_value.narrow(1, channels, channels);
        let context = attention(query, key, value, self.num_heads, None);
        self.proj.forward_onto(context, x)
    }

    fn bytes(&self) -> usize {
        let layers = [&self.query, &self.key_value, &self.proj];
        let layers: usize = layers.into_iter().map(PreparedLinear::bytes).sum();
        let reduction = self.reduction.as_ref();
        layers + self.norm.bytes() + reduction.map_or(0, PreparedReduction::bytes)
    }
}

impl PreparedReduction {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Patches {
                patches,
                projection,
                norm,
            } => norm.forward(projection.forward(space_to_depth(x, *patches))),
            Self::Averages { projection, norm } => {
                gelu(norm.forward(projection.forward(averages(x))))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Patches {
                projection, norm, ..
            }
            | Self::Averages { projection, norm } => projection.bytes() + norm.bytes(),
        }
    }
}

impl PreparedPerceptron {
    fn add_to(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = self.dense1.forward(self.norm.forward(x.clone()));
        self.dense2.forward_onto(self.dwconv.forward(hidden), x)
    }

    fn bytes(&self) -> usize {
        let layers = self.dense1.bytes() + self.dense2.bytes();
        layers + self.norm.bytes() + self.dwconv.bytes()
    }
}
