//! Image to the first map, at a quarter of its size. Paper: table 1, "conv1" and the pooling after it.
//!
//! Upstream: `ResNetEmbeddings`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::Precision;
use upernet_ops::max_pool3x3;

use crate::{
    ResNetConfig,
    conv_layer::{ConvLayer, Kernel},
    prepared::PreparedConvLayer,
};

#[derive(Module, Debug)]
pub(crate) struct Embedder {
    embedder: ConvLayer,
}

impl Embedder {
    pub(crate) fn new(config: &ResNetConfig, device: &Device) -> Self {
        let channels = [config.num_channels, config.embedding_size];
        let kernel = Kernel { size: 7, stride: 2 };
        Self {
            embedder: ConvLayer::new(channels, kernel, config.hidden_act.into(), device),
        }
    }

    /// `[N, num_channels, H, W]` to `[N, embedding_size, H / 4, W / 4]`, rounded up.
    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        max_pool3x3(self.embedder.forward(pixel_values))
    }

    /// The convolution made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedConvLayer {
        self.embedder.prepare(precision)
    }
}
