//! One residual block. Paper: section 3.2, figure 5. Upstream: `ResNetBasicLayer`,
//! `ResNetBottleNeckLayer`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::Precision;
use upernet_ops::Activation;

use crate::{
    LayerType, ResNetConfig,
    conv_layer::{ConvLayer, Kernel},
    prepared::PreparedBlock,
};

/// A bottleneck's inner convolutions have this part of the channels.
const REDUCTION: usize = 4;

/// Convolutions, and their input added to what they compute.
#[derive(Module, Debug)]
pub(crate) struct Block {
    /// Brings the input to the size of the output; absent where it has that already.
    shortcut: Option<ConvLayer>,
    layer: Vec<ConvLayer>,
    #[module(skip)]
    activation: Activation,
}

impl Block {
    /// A block that turns `[channels in, channels out]` and divides the sides of the map by `stride`.
    pub(crate) fn new(
        config: &ResNetConfig,
        channels: [usize; 2],
        stride: usize,
        device: &Device,
    ) -> Self {
        let layer =
            |channels, kernel, activation| ConvLayer::new(channels, kernel, activation, device);
        let (pointwise, three) = (kernel(1, 1), kernel(3, 1));
        let [channels_in, channels_out] = channels;
        let layers = match config.layer_type {
            LayerType::Basic => vec![
                layer(channels, kernel(3, stride), Activation::Relu),
                layer([channels_out; 2], three, Activation::None),
            ],
            LayerType::Bottleneck => {
                let inner = channels_out / REDUCTION;
                let (first, middle) = if config.downsample_in_bottleneck {
                    (kernel(1, stride), three)
                } else {
                    (pointwise, kernel(3, stride))
                };
                vec![
                    layer([channels_in, inner], first, Activation::Relu),
                    layer([inner, inner], middle, Activation::Relu),
                    layer([inner, channels_out], pointwise, Activation::None),
                ]
            }
        };
        let changes = channels_in != channels_out || stride != 1;
        Self {
            shortcut: changes.then(|| layer(channels, kernel(1, stride), Activation::None)),
            layer: layers,
            activation: config.hidden_act.into(),
        }
    }

    /// `[N, C, H, W]` to `[N, C', H / stride, W / stride]`, rounded up.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let residual = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x.clone()),
            None => x.clone(),
        };
        let y = self.layer.iter().fold(x, |x, layer| layer.forward(x));
        self.activation.apply(y + residual)
    }

    /// The block made ready for inference: the sum and the activation after it are the last
    /// convolution's.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedBlock {
        let mut layers = self.layer;
        let last = layers.pop().expect("a block has two or three layers");
        let first = layers.into_iter();
        PreparedBlock {
            shortcut: self.shortcut.map(|layer| layer.prepare(precision)),
            first: first.map(|layer| layer.prepare(precision)).collect(),
            last: last.prepare_with(self.activation, precision),
        }
    }
}

fn kernel(size: usize, stride: usize) -> Kernel {
    Kernel { size, stride }
}
