//! One ConvNeXt block. Paper: figure 4. Upstream: `ConvNextLayer`.
//!
//! Of the paper's two equal forms this is the one with channels last and linear layers, as the
//! authors' own code runs it: a linear layer is faster than a 1 x 1 convolution.

use burn::{
    module::{Module, Param},
    nn::{
        Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_nn::{DropPath, DropPathConfig, gelu, initializer};

use crate::{ConvNextConfig, LAYER_NORM_EPS};

/// Depthwise 7 x 7 convolution, norm, and an inverted bottleneck of two linear layers; residual.
#[derive(Module, Debug)]
pub(crate) struct ConvNextBlock {
    dwconv: Conv2d,
    layernorm: LayerNorm,
    pwconv1: Linear,
    pwconv2: Linear,
    /// Scale of the branch per channel, `[C]`.
    layer_scale_parameter: Option<Param<Tensor<1>>>,
    drop_path: DropPath,
}

impl ConvNextBlock {
    /// A block of `stage`, counted from 0.
    pub(crate) fn new(
        config: &ConvNextConfig,
        stage: usize,
        drop_path: f64,
        device: &Device,
    ) -> Self {
        let channels = config.hidden_sizes[stage];
        let std = config.initializer_range;
        let dwconv = Conv2dConfig::new([channels, channels], [7, 7])
            .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3))
            .with_groups(channels);
        let scale = Initializer::Constant {
            value: config.layer_scale_init_value,
        };
        Self {
            dwconv: initializer::conv2d(&dwconv, std, device),
            layernorm: LayerNormConfig::new(channels)
                .with_epsilon(LAYER_NORM_EPS)
                .init(device),
            pwconv1: initializer::linear(&LinearConfig::new(channels, 4 * channels), std, device),
            pwconv2: initializer::linear(&LinearConfig::new(4 * channels, channels), std, device),
            layer_scale_parameter: (config.layer_scale_init_value > 0.0)
                .then(|| scale.init([channels], device)),
            drop_path: DropPathConfig::new(drop_path).init(),
        }
    }

    /// `[N, C, H, W]` to the same.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let branch = self.dwconv.forward(x.clone()).permute([0, 2, 3, 1]); // [N, H, W, C]
        let branch = self.pwconv1.forward(self.layernorm.forward(branch));
        let branch = self.pwconv2.forward(gelu(branch));
        let branch = match &self.layer_scale_parameter {
            Some(scale) => branch * scale.val().unsqueeze::<4>(),
            None => branch,
        };
        x + self.drop_path.forward(branch.permute([0, 3, 1, 2])) // [N, C, H, W]
    }
}
