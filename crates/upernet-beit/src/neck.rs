//! Maps of one size to a pyramid. Upstream: `BeitFPNNeck`, from mmsegmentation's recipes of BEiT.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor, module::max_pool2d, ops::MaxPoolOptions},
};
use upernet_nn::{BatchNorm2d, BatchNorm2dConfig, Precision};
use upernet_ops::{Activation, PreparedLinear, gelu, linear};

use crate::{BeitConfig, prepared::PreparedNeck};

/// Enlarges the first map four times, the second twice, keeps the third and halves the last.
#[derive(Module, Debug)]
pub(crate) struct Neck {
    fpn1: FourTimes,
    fpn2: Doubling,
}

/// Two doublings, with batch normalisation and GELU between them.
#[derive(Module, Debug)]
struct FourTimes {
    first: Doubling,
    batch_norm: BatchNorm2d,
    second: Doubling,
}

/// A transposed convolution of 2 x 2 cells that makes of each cell four, none of which overlap: a linear
/// layer, whose channels are then the cells.
#[derive(Module, Debug)]
struct Doubling {
    /// `[C, C, 2, 2]`, input first.
    weight: Param<Tensor<4>>,
    /// `[C]`.
    bias: Param<Tensor<1>>,
}

impl Neck {
    pub(crate) fn new(config: &BeitConfig, device: &Device) -> Self {
        Self {
            fpn1: FourTimes {
                first: Doubling::new(config, device),
                batch_norm: BatchNorm2dConfig::new(config.hidden_size).init(device),
                second: Doubling::new(config, device),
            },
            fpn2: Doubling::new(config, device),
        }
    }

    pub(crate) fn forward(&self, maps: [Tensor<4>; 4]) -> [Tensor<4>; 4] {
        let [first, second, third, last] = maps;
        let first = self.fpn1.first.forward(first);
        let first = gelu(self.fpn1.batch_norm.forward(first));
        let first = self.fpn1.second.forward(first);
        [first, self.fpn2.forward(second), third, halved(last)]
    }

    /// Makes the neck ready for inference; batch normalisation becomes part of the layer before it.
    pub(crate) fn prepare(self, precision: Precision) -> PreparedNeck {
        let FourTimes {
            first,
            batch_norm,
            second,
        } = self.fpn1;
        let first = first.folded(&batch_norm);
        let layer = |doubling: Doubling, activation| {
            let weight = linear_weight(doubling.weight.into_value());
            let bias = linear_bias(doubling.bias.into_value());
            PreparedLinear::new(weight, Some(bias), activation, precision)
        };
        PreparedNeck {
            fpn1: [
                layer(first, Activation::Gelu),
                layer(second, Activation::None),
            ],
            fpn2: layer(self.fpn2, Activation::None),
        }
    }
}

impl Doubling {
    fn new(config: &BeitConfig, device: &Device) -> Self {
        let channels = config.hidden_size;
        let weights = Initializer::Normal {
            mean: 0.0,
            std: config.initializer_range,
        };
        Self {
            weight: weights.init([channels, channels, 2, 2], device),
            bias: Initializer::Zeros.init([channels], device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = linear_weight(self.weight.val());
        let bias = linear_bias(self.bias.val());
        depth_to_space(linear(x, weight, Some(bias), Activation::None))
    }

    /// With the normalisation that follows it, as that acts outside training.
    fn folded(self, batch_norm: &BatchNorm2d) -> Self {
        let bias = self.bias.into_value();
        let [channels] = bias.dims();
        let weight = self.weight.into_value().swap_dims(0, 1); // [out, in, 2, 2]
        let weight = batch_norm.fold_into(weight).weight.swap_dims(0, 1);
        let bias = batch_norm.fold_into(bias.reshape([channels, 1, 1, 1]));
        let bias = bias.weight.reshape([channels]) + bias.bias;
        Self {
            weight: Param::from_tensor(weight),
            bias: Param::from_tensor(bias),
        }
    }
}

/// `[in, out, 2, 2]` to `[in, 4 * out]`, the cells row by row and the channels of each together.
fn linear_weight(weight: Tensor<4>) -> Tensor<2> {
    let [input, output, height, width] = weight.dims();
    weight
        .permute([0, 2, 3, 1])
        .reshape([input, height * width * output])
}

/// `[out]` to `[4 * out]`.
fn linear_bias(bias: Tensor<1>) -> Tensor<1> {
    let [output] = bias.dims();
    bias.reshape([1, output])
        .expand([4, output])
        .reshape([4 * output])
}

/// Makes of each cell 2 x 2 cells, each of a quarter of its channels, row by row.
///
/// `[N, 4 * C, H, W]` to `[N, C, 2 * H, 2 * W]`.
pub(crate) fn depth_to_space(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let channels = channels / 4;
    x.permute([0, 2, 3, 1]) // [N, H, W, 4 * C]
        .reshape([batch * height, width, 2, 2 * channels])
        .swap_dims(1, 2) // [N * H, 2, W, 2 * C]
        .reshape([batch, 2 * height, 2 * width, channels])
        .permute([0, 3, 1, 2])
}

/// The largest of each 2 x 2 cells; an odd row or column at the end is left out.
pub(crate) fn halved(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
}

#[cfg(test)]
mod tests {
    use burn::{
        nn::conv::ConvTranspose2dConfig,
        tensor::{Distribution, Tolerance},
    };

    use super::*;

    #[test]
    fn doubling_is_a_transposed_convolution() {
        let device = Device::flex();
        let config = BeitConfig::new().with_hidden_size(5);
        let mut convolution = ConvTranspose2dConfig::new([5, 5], [2, 2])
            .with_stride([2, 2])
            .init(&device);
        let normal = Distribution::Normal(0.0, 1.0);
        let doubling = Doubling {
            weight: Param::from_tensor(Tensor::random([5, 5, 2, 2], normal, &device)),
            bias: Param::from_tensor(Tensor::random([5], normal, &device)),
        };
        assert_eq!(Doubling::new(&config, &device).weight.dims(), [5, 5, 2, 2]);
        convolution.weight = doubling.weight.clone();
        convolution.bias = Some(doubling.bias.clone());
        let x = Tensor::random([2, 5, 3, 4], normal, &device);
        let expected = convolution.forward(x.clone()).into_data();
        let found = doubling.forward(x).into_data();
        found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    #[test]
    fn halving_leaves_an_odd_border_out() {
        let device = Device::flex();
        let x = Tensor::<1>::from_floats([1.0, -4.0, 9.0, -2.0, -3.0, 9.0], &device);
        let y: Vec<f32> = halved(x.reshape([1, 1, 2, 3]))
            .into_data()
            .try_to_vec()
            .expect("f32");
        assert_eq!(y, [1.0]);
    }
}
