//! Image to patches. Paper: section 3.1, "patch partition" and "linear embedding".
//!
//! Upstream: `SwinEmbeddings`; `Swinv2Embeddings` does the same.

use burn::{
    module::{Module, Param},
    nn::{
        Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_nn::{Precision, initializer};
use upernet_ops::window::pad_to_multiple;

use crate::prepared::PreparedPatchEmbedding;

/// What a patch embedding is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatchEmbeddingConfig {
    /// Channels of the image.
    pub(crate) num_channels: usize,
    /// Side of a patch in pixels.
    pub(crate) patch_size: usize,
    pub(crate) embed_dim: usize,
    /// Patches that have a learned position, if they have one.
    pub(crate) positions: Option<usize>,
    pub(crate) dropout: f64,
    pub(crate) initializer_range: f64,
}

/// Cuts the image into patches, embeds each and normalises it.
#[derive(Module, Debug)]
pub(crate) struct PatchEmbedding {
    projection: Conv2d,
    norm: LayerNorm,
    /// `[1, L, C]` for the `L` patches of a training image.
    position_embeddings: Option<Param<Tensor<3>>>,
    dropout: Dropout,
    patch_size: usize,
}

impl PatchEmbedding {
    pub(crate) fn new(config: PatchEmbeddingConfig, device: &Device) -> Self {
        let projection = Conv2dConfig::new(
            [config.num_channels, config.embed_dim],
            [config.patch_size; 2],
        )
        .with_stride([config.patch_size; 2]);
        let positions = config
            .positions
            .map(|patches| Initializer::Zeros.init([1, patches, config.embed_dim], device));
        Self {
            projection: initializer::conv2d(&projection, config.initializer_range, device),
            norm: LayerNormConfig::new(config.embed_dim).init(device),
            position_embeddings: positions,
            dropout: DropoutConfig::new(config.dropout).init(),
            patch_size: config.patch_size,
        }
    }

    /// `[N, num_channels, H, W]` pixels to `[N, ceil(H / patch), ceil(W / patch), C]` tokens.
    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let pixel_values = pad_to_multiple(pixel_values, [2, 3], self.patch_size);
        let tokens = self.projection.forward(pixel_values).permute([0, 2, 3, 1]); // [N, H, W, C]
        let tokens = self.norm.forward(tokens);
        let tokens = match &self.position_embeddings {
            Some(positions) => add_positions(tokens, positions.val()),
            None => tokens,
        };
        self.dropout.forward(tokens)
    }
}

impl PatchEmbedding {
    /// The layer made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedPatchEmbedding {
        let positions = self.position_embeddings.map(Param::into_value);
        PreparedPatchEmbedding::new(self.projection, self.norm, positions, precision)
    }
}

fn add_positions(tokens: Tensor<4>, positions: Tensor<3>) -> Tensor<4> {
    let [_, height, width, channels] = tokens.dims();
    let [_, num_patches, _] = positions.dims();
    assert_eq!(
        height * width,
        num_patches,
        "absolute position embeddings fit {num_patches} patches, the image has {height} x {width}"
    );
    tokens + positions.reshape([1, height, width, channels])
}
