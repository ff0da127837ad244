//! Image to the first map, at a quarter of its size. Paper: table 1, "conv1" and the pooling after it.
//!
//! Upstream: `ResNetEmbeddings`; of a deep stem, mmsegmentation's `ResNetV1c`.

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
    /// What a deep stem has before its last convolution; empty in a plain one.
    stem: Vec<ConvLayer>,
    embedder: ConvLayer,
}

impl Embedder {
    pub(crate) fn new(config: &ResNetConfig, device: &Device) -> Self {
        let layer =
            |channels, kernel| ConvLayer::new(channels, kernel, config.hidden_act.into(), device);
        let (channels_in, channels_out) = (config.num_channels, config.embedding_size);
        if !config.deep_stem {
            let kernel = Kernel { size: 7, stride: 2 };
            return Self {
                stem: Vec::new(),
                embedder: layer([channels_in, channels_out], kernel),
            };
        }
        let inner = config.stem_channels();
        let [first, others] = [2, 1].map(|stride| Kernel { size: 3, stride });
        Self {
            stem: vec![
                layer([channels_in, inner], first),
                layer([inner, inner], others),
            ],
            embedder: layer([inner, channels_out], others),
        }
    }

    /// `[N, num_channels, H, W]` to `[N, embedding_size, H / 4, W / 4]`, rounded up.
    pub(crate) fn forward(&self, pixel_values: Tensor<4>) -> Tensor<4> {
        let stem = self.stem.iter();
        let x = stem.fold(pixel_values, |x, layer| layer.forward(x));
        max_pool3x3(self.embedder.forward(x))
    }

    /// The convolutions made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> Vec<PreparedConvLayer> {
        let layers = self.stem.into_iter().chain([self.embedder]);
        layers.map(|layer| layer.prepare(precision)).collect()
    }
}
