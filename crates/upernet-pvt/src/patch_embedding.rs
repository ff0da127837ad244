//! A map to overlapping patches. Paper: section 3.2. Upstream: `PvtV2OverlapPatchEmbeddings`.

use burn::{
    module::{Module, Param},
    nn::conv::{Conv2d, Conv2dConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{LayerNorm2d, LayerNorm2dConfig, Precision};
use upernet_ops::{Activation, PreparedStridedConv, strided_conv};

use crate::{PvtV2Config, layers, prepared::PreparedPatchEmbedding};

#[derive(Module, Debug)]
pub(crate) struct PatchEmbedding {
    proj: Conv2d,
    layer_norm: LayerNorm2d,
}

impl PatchEmbedding {
    /// What leads into `stage`, counted from 0.
    pub(crate) fn new(config: &PvtV2Config, stage: usize, device: &Device) -> Self {
        let channels_in = match stage {
            0 => config.num_channels,
            _ => config.hidden_sizes[stage - 1],
        };
        let (channels, size) = (config.hidden_sizes[stage], config.patch_sizes[stage]);
        let proj = Conv2dConfig::new([channels_in, channels], [size; 2])
            .with_stride([config.strides[stage]; 2])
            .with_padding(layers::half_padding(size));
        Self {
            proj: layers::conv2d(&proj, device),
            layer_norm: LayerNorm2dConfig::new(channels, config.layer_norm_eps).init(device),
        }
    }

    /// `[N, C, H, W]` to `[N, C', H / stride, W / stride]`, rounded up.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.proj.bias.as_ref().map(Param::val);
        let [stride, _] = self.proj.stride;
        let x = strided_conv(x, self.proj.weight.val(), bias, stride, Activation::None);
        self.layer_norm.forward(x)
    }

    /// The layer made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedPatchEmbedding {
        let [stride, _] = self.proj.stride;
        let (weight, bias) = (self.proj.weight, self.proj.bias);
        PreparedPatchEmbedding {
            proj: PreparedStridedConv::new(
                weight.into_value(),
                bias.map(Param::into_value),
                stride,
                Activation::None,
                precision,
            ),
            norm: self.layer_norm.prepare(),
        }
    }
}
