//! One ConvNeXt block. Paper: figure 4; of version 2, figure 5. Upstream: `ConvNextLayer`,
//! `ConvNextV2Layer`, `DINOv3ConvNextLayer`.
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
use upernet_nn::{DropPath, DropPathConfig, Precision, initializer, layer_norm_weights};
use upernet_ops::{ConvNextBlockWeights, MlpWeights, PreparedConvNextBlock, convnext_branch};

use crate::{BranchScale, ConvNextConfig, response_norm::ResponseNorm};

/// Depthwise 7 x 7 convolution, norm, and an inverted bottleneck of two linear layers; residual.
#[derive(Module, Debug)]
pub(crate) struct ConvNextBlock {
    dwconv: Conv2d,
    layernorm: LayerNorm,
    layer_norm_eps: f64,
    pwconv1: Linear,
    /// Of the `4 * C` channels between the two layers.
    grn: Option<ResponseNorm>,
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
        let (grn, layer_scale_parameter) = match config.branch_scale {
            BranchScale::LayerScale(value) => {
                let scale = Initializer::Constant { value };
                (None, Some(scale.init([channels], device)))
            }
            BranchScale::ResponseNorm => (Some(ResponseNorm::new(4 * channels, device)), None),
            BranchScale::Unscaled => (None, None),
        };
        Self {
            dwconv: initializer::conv2d(&dwconv, std, device),
            layernorm: LayerNormConfig::new(channels)
                .with_epsilon(config.layer_norm_eps)
                .init(device),
            layer_norm_eps: config.layer_norm_eps,
            pwconv1: initializer::linear(&LinearConfig::new(channels, 4 * channels), std, device),
            grn,
            pwconv2: initializer::linear(&LinearConfig::new(4 * channels, channels), std, device),
            layer_scale_parameter,
            drop_path: DropPathConfig::new(drop_path).init(),
        }
    }

    /// The block made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedConvNextBlock {
        PreparedConvNextBlock::new(self.weights(), precision)
    }

    /// `[N, C, H, W]` to the same.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let branch = convnext_branch(x.clone(), &self.weights());
        x + self.drop_path.forward(branch)
    }

    /// The weights, layer scale in those of the second layer.
    fn weights(&self) -> ConvNextBlockWeights {
        let bias = |bias: &Option<Param<Tensor<1>>>| {
            let bias = bias.as_ref().expect("the layers of a block have a bias");
            bias.val()
        };
        let mut project = self.pwconv2.weight.val(); // [4 * C, C]
        let mut project_bias = bias(&self.pwconv2.bias);
        if let Some(scale) = &self.layer_scale_parameter {
            project = project * scale.val().unsqueeze::<2>();
            project_bias = project_bias * scale.val();
        }
        ConvNextBlockWeights {
            depthwise: self.dwconv.weight.val(),
            depthwise_bias: bias(&self.dwconv.bias),
            mlp: MlpWeights {
                norm: layer_norm_weights(self.layernorm.clone(), self.layer_norm_eps),
                expand: self.pwconv1.weight.val(),
                expand_bias: bias(&self.pwconv1.bias),
                project,
                project_bias,
            },
            response_norm: self.grn.as_ref().map(ResponseNorm::weights),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};

    use super::*;

    #[test]
    fn a_fresh_response_norm_changes_nothing() {
        let device = Device::flex();
        let config = ConvNextConfig::new()
            .with_hidden_sizes(vec![6])
            .with_depths(vec![1])
            .with_branch_scale(BranchScale::ResponseNorm)
            .with_initializer_range(0.3);
        let with = ConvNextBlock::new(&config, 0, 0.0, &device);
        initializer::draw_all(&with);
        let without = ConvNextBlock {
            grn: None,
            ..with.clone()
        };
        let x = Tensor::random([2, 6, 5, 7], Distribution::Default, &device);
        let actual = with.forward(x.clone()).into_data();
        let expected = without.forward(x).into_data();
        actual.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
    }
}
