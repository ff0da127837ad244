//! burn's layers on maps.

use burn::{
    module::Param,
    nn::{
        Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_nn::initializer;
use upernet_ops::{Activation, Precision, PreparedLinear, linear};

/// A convolution as upstream draws it: normal, so that gradients keep their size on their way back
/// through a ReLU, counted by the outputs that a weight has a part in.
pub(crate) fn conv2d(config: &Conv2dConfig, device: &Device) -> Conv2d {
    let [height, width] = config.kernel_size;
    let fan_out = height * width * config.channels[1] / config.groups;
    initializer::conv2d(config, (2.0 / fan_out as f64).sqrt(), device)
}

/// A linear layer as upstream draws it.
pub(crate) fn linear_layer(config: &LinearConfig, std: f64, device: &Device) -> Linear {
    initializer::linear(config, std, device)
}

/// Padding by half of an odd kernel.
pub(crate) fn half_padding(size: usize) -> PaddingConfig2d {
    let padding = size / 2;
    PaddingConfig2d::Explicit(padding, padding, padding, padding)
}

/// A linear layer over the channels of a map, `[N, channels in, H, W]`.
pub(crate) fn apply(layer: &Linear, x: Tensor<4>, activation: Activation) -> Tensor<4> {
    let bias = layer.bias.as_ref().map(Param::val);
    linear(x, layer.weight.val(), bias, activation)
}

/// A linear layer made ready for inference.
pub(crate) fn prepare(
    layer: Linear,
    activation: Activation,
    precision: Precision,
) -> PreparedLinear {
    let bias = layer.bias.map(Param::into_value);
    PreparedLinear::new(layer.weight.into_value(), bias, activation, precision)
}
