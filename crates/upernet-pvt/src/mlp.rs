//! The perceptron of a block, with a depthwise convolution between its layers.
//!
//! Paper: section 3.3, "convolutional feed-forward". Upstream: `PvtV2ConvFeedForwardNetwork`.

use burn::{
    module::{Module, Param},
    nn::{
        Dropout, DropoutConfig, Linear, LinearConfig,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_nn::Precision;
use upernet_ops::{Activation, PreparedDepthwiseConv, PreparedLayerNorm, depthwise_conv};

use crate::{PvtV2Config, layers, prepared::PreparedPerceptron};

#[derive(Module, Debug)]
pub(crate) struct Mlp {
    dense1: Linear,
    /// 3 x 3, one kernel for each hidden channel. It tells a cell where it is: at the border it sees
    /// zeros.
    dwconv: Conv2d,
    dense2: Linear,
    dropout: Dropout,
    /// What follows the first layer.
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// That of a block of `stage`, counted from 0.
    pub(crate) fn new(config: &PvtV2Config, stage: usize, device: &Device) -> Self {
        let channels = config.hidden_sizes[stage];
        let hidden = channels * config.mlp_ratios[stage];
        let std = config.initializer_range;
        let dwconv = Conv2dConfig::new([hidden, hidden], [3, 3])
            .with_padding(layers::half_padding(3))
            .with_groups(hidden);
        Self {
            dense1: layers::linear_layer(&LinearConfig::new(channels, hidden), std, device),
            dwconv: layers::conv2d(&dwconv, device),
            dense2: layers::linear_layer(&LinearConfig::new(hidden, channels), std, device),
            dropout: DropoutConfig::new(config.hidden_dropout).init(),
            activation: if config.linear_attention {
                Activation::Relu
            } else {
                Activation::None
            },
        }
    }

    /// `[N, C, H, W]` to the same.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = layers::apply(&self.dense1, x, self.activation);
        let bias = self.dwconv.bias.as_ref();
        let bias = bias.expect("the convolution has a bias").val();
        let hidden = depthwise_conv(hidden, self.dwconv.weight.val(), bias, Activation::Gelu);
        let hidden = self.dropout.forward(hidden);
        let y = layers::apply(&self.dense2, hidden, Activation::None);
        self.dropout.forward(y)
    }

    /// The perceptron made ready for inference, behind a norm.
    pub(crate) fn prepare(
        self,
        norm: PreparedLayerNorm,
        precision: Precision,
    ) -> PreparedPerceptron {
        let bias = self.dwconv.bias.map(Param::into_value);
        PreparedPerceptron {
            norm,
            dense1: layers::prepare(self.dense1, self.activation, precision),
            dwconv: PreparedDepthwiseConv::new(
                self.dwconv.weight.into_value(),
                bias.expect("the convolution has a bias"),
                Activation::Gelu,
            ),
            dense2: layers::prepare(self.dense2, Activation::None, precision),
        }
    }
}
