//! The backbone made ready for inference.

use burn::tensor::Tensor;
use upernet_nn::{FeaturePyramid, PreparedBackbone};
use upernet_ops::PreparedLayerNorm;

use crate::{
    ImageBorder, block::PreparedBlock, embeddings::PreparedEmbeddings, neck::PreparedNeck,
    rotary::Rotary, tokens,
};

/// A [`Vit`](crate::Vit) made ready for inference.
///
/// Layer scales are folded into the layers before them, and the perceptron of a block is one operation.
#[derive(Debug)]
pub struct PreparedVit {
    pub(crate) embeddings: PreparedEmbeddings,
    pub(crate) rotary: Option<Rotary>,
    /// Up to the last one that a map is returned of.
    pub(crate) layers: Vec<PreparedLayer>,
    /// Absent if no returned map has one.
    pub(crate) norm: Option<PreparedLayerNorm>,
    pub(crate) neck: Option<PreparedNeck>,
    pub(crate) patch_size: usize,
    pub(crate) border: ImageBorder,
}

/// One layer, and what becomes of its map.
#[derive(Debug)]
pub(crate) struct PreparedLayer {
    pub(crate) block: PreparedBlock,
    pub(crate) is_returned: bool,
    pub(crate) is_normalised: bool,
}

impl PreparedVit {
    fn maps(&self, pixel_values: Tensor<4>) -> Vec<Tensor<4>> {
        let pixel_values = tokens::covered(pixel_values, self.patch_size, self.border);
        let grid = tokens::grid(&pixel_values, self.patch_size);
        let rotary = self.rotary.as_ref();
        let rotation = rotary.map(|rotary| rotary.rotation(grid, &pixel_values.device()));
        let mut x = self.embeddings.forward(pixel_values);
        let mut maps = Vec::new();
        for layer in &self.layers {
            x = layer.block.forward(x, rotation.as_ref());
            if layer.is_returned {
                let norm = self.norm.as_ref().filter(|_| layer.is_normalised);
                let normal = norm.map_or_else(|| x.clone(), |norm| norm.forward(x.clone()));
                maps.push(tokens::to_map(normal, grid));
            }
        }
        maps
    }
}

impl PreparedBackbone for PreparedVit {
    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let maps = self.maps(pixel_values);
        FeaturePyramid::new(match &self.neck {
            Some(neck) => neck.forward(maps),
            None => maps,
        })
    }

    fn bytes(&self) -> usize {
        let layers = self.layers.iter().map(|layer| layer.block.bytes());
        let norm = self.norm.as_ref().map_or(0, PreparedLayerNorm::bytes);
        let neck = self.neck.as_ref().map_or(0, PreparedNeck::bytes);
        self.embeddings.bytes() + layers.sum::<usize>() + norm + neck
    }
}
