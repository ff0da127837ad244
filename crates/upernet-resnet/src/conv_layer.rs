//! Convolution, batch normalisation, activation: the unit the whole network is made of.
//!
//! Upstream: `ResNetConvLayer`, and `ResNetShortCut`, which has no activation.

use burn::{
    module::Module,
    nn::{
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_nn::{BatchNorm2d, BatchNorm2dConfig, Precision, initializer};
use upernet_ops::{
    Activation, PreparedConv3x3, PreparedLinear, PreparedStridedConv, conv3x3, linear, strided_conv,
};

use crate::prepared::PreparedConvLayer;

#[derive(Module, Debug)]
pub(crate) struct ConvLayer {
    convolution: Conv2d,
    normalization: BatchNorm2d,
    #[module(skip)]
    activation: Activation,
}

/// What a [`ConvLayer`] convolves with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    /// Its side, odd; the map is zero-padded by half of it.
    pub(crate) size: usize,
    /// Distance of two positions of it.
    pub(crate) stride: usize,
}

impl ConvLayer {
    /// A layer with weights as upstream draws them: normal, so that gradients keep their size on their
    /// way back through a ReLU (`kaiming_normal_` with `fan_out`).
    pub(crate) fn new(
        channels: [usize; 2],
        Kernel { size, stride }: Kernel,
        activation: Activation,
        device: &Device,
    ) -> Self {
        let [_, channels_out] = channels;
        let padding = size / 2;
        let convolution = Conv2dConfig::new(channels, [size; 2])
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(
                padding, padding, padding, padding,
            ))
            .with_bias(false);
        let fan_out = (channels_out * size * size) as f64;
        Self {
            convolution: initializer::conv2d(&convolution, (2.0 / fan_out).sqrt(), device),
            normalization: BatchNorm2dConfig::new(channels_out).init(device),
            activation,
        }
    }

    /// `[N, C, H, W]` to `[N, C', H / stride, W / stride]`, rounded up.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.convolve(x);
        match self.activation {
            Activation::Relu => self.normalization.forward_relu(y),
            other => other.apply(self.normalization.forward(y)),
        }
    }

    fn convolve(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.convolution.weight.val();
        match self.kernel() {
            Kernel { size: 1, stride: 1 } => {
                let weight = weight.squeeze_dims::<2>(&[2, 3]).transpose();
                linear(x, weight, None, Activation::None)
            }
            Kernel { size: 3, stride: 1 } => conv3x3(x, weight, None, Activation::None),
            Kernel { stride, .. } => strided_conv(x, weight, None, stride, Activation::None),
        }
    }

    /// The layer made ready for inference.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedConvLayer {
        let activation = self.activation;
        self.prepare_with(activation, precision)
    }

    /// The same with another activation.
    pub(crate) fn prepare_with(
        self,
        activation: Activation,
        precision: Precision,
    ) -> PreparedConvLayer {
        let kernel = self.kernel();
        let folded = self
            .normalization
            .fold_into(self.convolution.weight.into_value());
        let (weight, bias) = (folded.weight, Some(folded.bias));
        match kernel {
            Kernel { size: 1, stride: 1 } => {
                let weight = weight.squeeze_dims::<2>(&[2, 3]).transpose();
                let layer = PreparedLinear::new(weight, bias, activation, precision);
                PreparedConvLayer::Pointwise(layer)
            }
            Kernel { size: 3, stride: 1 } => {
                let layer = PreparedConv3x3::new(weight, bias, activation, precision);
                PreparedConvLayer::ThreeByThree(layer)
            }
            Kernel { stride, .. } => {
                let layer = PreparedStridedConv::new(weight, bias, stride, activation, precision);
                PreparedConvLayer::Strided(layer)
            }
        }
    }

    fn kernel(&self) -> Kernel {
        Kernel {
            size: self.convolution.kernel_size[0],
            stride: self.convolution.stride[0],
        }
    }
}
