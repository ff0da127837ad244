//! Image to patches. Paper: section 2.2, "changing stem to patchify".
//!
//! Upstream: `ConvNextEmbeddings`.

use burn::{
    module::Module,
    nn::conv::{Conv2d, Conv2dConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{LayerNorm2d, LayerNorm2dConfig, Precision, initializer};

use crate::{
    ConvNextConfig,
    prepared::{PatchProjection, PreparedStem},
};

#[derive(Module, Debug)]
pub(crate) struct Stem {
    patch_embeddings: Conv2d,
    layernorm: LayerNorm2d,
}

impl Stem {
    pub(crate) fn new(config: &ConvNextConfig, device: &Device) -> Self {
        let channels = config.hidden_sizes[0];
        let convolution =
            Conv2dConfig::new([config.num_channels, channels], [config.patch_size; 2])
                .with_stride([config.patch_size; 2]);
        Self {
            patch_embeddings: initializer::conv2d(&convolution, config.initializer_range, device),
            layernorm: LayerNorm2dConfig::new(channels, config.layer_norm_eps).init(device),
        }
    }

    /// The layer made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedStem {
        PreparedStem {
            patches: PatchProjection::new(self.patch_embeddings, precision),
            norm: self.layernorm.prepare(),
        }
    }

    /// `[N, num_channels, H, W]` to `[N, C, H / patch, W / patch]`; pixels beyond the last whole
    /// patch are dropped.
    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        self.layernorm
            .forward(self.patch_embeddings.forward(pixel_values))
    }
}
