//! Halves the map between stages. Paper: section 2.6, "separate downsampling layers".
//!
//! Upstream: `ConvNextStage.downsampling_layer`.

use burn::{
    module::Module,
    nn::conv::{Conv2d, Conv2dConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{LayerNorm2d, LayerNorm2dConfig, Precision, initializer};

use crate::{
    ConvNextConfig,
    prepared::{PatchProjection, PreparedDownsample},
};

#[derive(Module, Debug)]
pub(crate) struct Downsample {
    norm: LayerNorm2d,
    conv: Conv2d,
}

impl Downsample {
    /// The layer that leads into `stage`, counted from 0 and at least 1.
    pub(crate) fn new(config: &ConvNextConfig, stage: usize, device: &Device) -> Self {
        let channels = [config.hidden_sizes[stage - 1], config.hidden_sizes[stage]];
        let conv = Conv2dConfig::new(channels, [2, 2]).with_stride([2, 2]);
        Self {
            norm: LayerNorm2dConfig::new(channels[0], config.layer_norm_eps).init(device),
            conv: initializer::conv2d(&conv, config.initializer_range, device),
        }
    }

    /// The layer made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedDownsample {
        PreparedDownsample {
            norm: self.norm.prepare(),
            patches: PatchProjection::new(self.conv, precision),
        }
    }

    /// `[N, C, H, W]` to `[N, C', H / 2, W / 2]`, an odd last row or column dropped.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(self.norm.forward(x))
    }
}
