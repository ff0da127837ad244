//! Maps of several sizes from the maps of one size that a plain transformer has.
//!
//! Source: Li et al., *Exploring Plain Vision Transformer Backbones for Object Detection* (2022),
//! <https://arxiv.org/abs/2203.16527>, figure 2a; mmsegmentation's `Feature2Pyramid`, and the `fpn1` to
//! `fpn4` of Hugging Face's `BeitBackbone`, compute the same.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor, module::max_pool2d, ops::MaxPoolOptions},
};
use upernet_ops::{Activation, PreparedLinear, gelu, linear};

use crate::{BatchNorm2d, BatchNorm2dConfig, Precision};

/// Maps that a neck takes and returns.
pub(crate) const LEVELS: usize = 4;

/// Makes the first of four maps four times as large, the second twice, and the last half as large.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::PyramidNeck;
///
/// let device = Device::flex();
/// let neck = PyramidNeck::new(2, 0.02, &device);
/// let maps = neck.forward(vec![Tensor::zeros([1, 2, 4, 6], &device); PyramidNeck::LEVELS]);
/// let heights: Vec<usize> = maps.iter().map(|map| map.dims()[2]).collect();
/// assert_eq!(heights, [16, 8, 4, 2]);
/// ```
#[derive(Module, Debug)]
pub struct PyramidNeck {
    fpn1: TwiceTwofold,
    fpn2: Deconvolution,
}

/// Two deconvolutions with batch normalisation and GELU between them.
#[derive(Module, Debug)]
struct TwiceTwofold {
    conv_transpose1: Deconvolution,
    batch_norm: BatchNorm2d,
    conv_transpose2: Deconvolution,
}

/// A deconvolution of 2 x 2 cells with a stride of 2: every cell becomes four, none of which another
/// reaches.
#[derive(Module, Debug)]
struct Deconvolution {
    /// `[channels in, channels out, 2, 2]`.
    weight: Param<Tensor<4>>,
    /// `[channels out]`.
    bias: Param<Tensor<1>>,
}

impl PyramidNeck {
    /// Maps that it takes and returns.
    pub const LEVELS: usize = LEVELS;

    /// Draws a neck for maps of `channels`, with weights of a normal distribution of standard deviation
    /// `initializer_range`.
    #[must_use]
    pub fn new(channels: usize, initializer_range: f64, device: &Device) -> Self {
        let deconvolution = || Deconvolution::new(channels, initializer_range, device);
        Self {
            fpn1: TwiceTwofold {
                conv_transpose1: deconvolution(),
                batch_norm: BatchNorm2dConfig::new(channels).init(device),
                conv_transpose2: deconvolution(),
            },
            fpn2: deconvolution(),
        }
    }

    /// Four maps `[N, C, H, W]` to those of four, two, one and half times the sides; an odd row or column of
    /// the last one is left out.
    ///
    /// # Panics
    ///
    /// Panics if there are not four maps.
    #[must_use]
    pub fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let [first, second, third, fourth] = four(maps);
        let first = self.fpn1.conv_transpose1.forward(first);
        let first = gelu(self.fpn1.batch_norm.forward(first));
        vec![
            self.fpn1.conv_transpose2.forward(first),
            self.fpn2.forward(second),
            third,
            halved(fourth),
        ]
    }

    /// Makes the neck ready for inference: batch normalisation becomes part of the layer before it.
    #[must_use]
    pub fn prepare(self, precision: Precision) -> PreparedPyramidNeck {
        let TwiceTwofold {
            conv_transpose1,
            batch_norm,
            conv_transpose2,
        } = self.fpn1;
        let folded = conv_transpose1.folded(&batch_norm);
        PreparedPyramidNeck {
            first: folded.prepare(Activation::Gelu, precision),
            first_again: conv_transpose2.prepare(Activation::None, precision),
            second: self.fpn2.prepare(Activation::None, precision),
        }
    }
}

impl Deconvolution {
    fn new(channels: usize, std: f64, device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std };
        Self {
            weight: normal.init([channels, channels, 2, 2], device),
            bias: Initializer::Zeros.init([channels], device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = as_linear(self.weight.val(), self.bias.val());
        depth_to_space(linear(x, weight, Some(bias), Activation::None))
    }

    /// With the batch normalisation after it, as it acts outside training.
    fn folded(self, batch_norm: &BatchNorm2d) -> Self {
        let weight = self.weight.val().swap_dims(0, 1); // [out, in, 2, 2]
        let [channels_out, channels_in, ..] = weight.dims();
        // The bias is the weight of one more input that is always 1.
        let bias = self.bias.val().reshape([channels_out, 1, 1, 1]);
        let both = Tensor::cat(vec![weight, bias.expand([channels_out, 1, 2, 2])], 1);
        let folded = batch_norm.fold_into(both);
        let bias = folded.weight.clone().slice([
            0..channels_out,
            channels_in..channels_in + 1,
            0..1,
            0..1,
        ]);
        let weight = folded.weight.narrow(1, 0, channels_in).swap_dims(0, 1);
        Self {
            weight: Param::from_tensor(weight),
            bias: Param::from_tensor(folded.bias + bias.reshape([channels_out])),
        }
    }

    fn prepare(self, activation: Activation, precision: Precision) -> PreparedLinear {
        let (weight, bias) = as_linear(self.weight.val(), self.bias.val());
        PreparedLinear::new(weight, Some(bias), activation, precision)
    }
}

/// The layer that computes the four cells of each, side by side: `[in, 4 * out]` and `[4 * out]`.
fn as_linear(weight: Tensor<4>, bias: Tensor<1>) -> (Tensor<2>, Tensor<1>) {
    let [channels_in, channels_out, ..] = weight.dims();
    let weight = weight
        .permute([0, 2, 3, 1])
        .reshape([channels_in, 4 * channels_out]);
    let bias = bias.unsqueeze::<2>().repeat_dim(0, 4);
    (weight, bias.reshape([4 * channels_out]))
}

/// `[N, 4 * C, H, W]`, four cells side by side, to `[N, C, 2 * H, 2 * W]`.
fn depth_to_space(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let channels = channels / 4;
    x.permute([0, 2, 3, 1])
        .reshape([batch, height, width, 2, 2, channels])
        .permute([0, 1, 3, 2, 4, 5]) // [N, H, 2, W, 2, C]
        .reshape([batch, 2 * height, 2 * width, channels])
        .permute([0, 3, 1, 2]) // [N, C, 2 * H, 2 * W]
}

/// The largest value of each 2 x 2 cells; a last row or column without a partner is left out.
fn halved(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
}

/// # Panics
///
/// Panics if there are not four maps.
pub(crate) fn four(maps: Vec<Tensor<4>>) -> [Tensor<4>; LEVELS] {
    let count = maps.len();
    maps.try_into()
        .unwrap_or_else(|_| panic!("a neck is made for {LEVELS} maps, got {count}"))
}

/// A [`PyramidNeck`] made ready for inference.
#[derive(Debug)]
pub struct PreparedPyramidNeck {
    /// With batch normalisation and GELU.
    first: PreparedLinear,
    first_again: PreparedLinear,
    second: PreparedLinear,
}

impl PreparedPyramidNeck {
    /// As [`PyramidNeck::forward`].
    ///
    /// # Panics
    ///
    /// Panics if there are not four maps.
    #[must_use]
    pub fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let [first, second, third, fourth] = four(maps);
        let first = depth_to_space(self.first.forward(first));
        vec![
            depth_to_space(self.first_again.forward(first)),
            depth_to_space(self.second.forward(second)),
            third,
            halved(fourth),
        ]
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let layers = [&self.first, &self.first_again, &self.second];
        layers.into_iter().map(PreparedLinear::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::ModuleMapper,
        tensor::{Distribution, Tolerance, module::conv_transpose2d, ops::ConvTransposeOptions},
    };

    use super::*;

    /// Random values for all parameters and statistics.
    fn random(device: &Device) -> PyramidNeck {
        struct Randomise;
        impl ModuleMapper for Randomise {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                // Positive vectors: variances are among them.
                let values = match D {
                    1 => Distribution::Uniform(0.2, 1.2),
                    _ => Distribution::Normal(0.0, 0.4),
                };
                param.map(|value| value.random_like(values))
            }
        }
        PyramidNeck::new(5, 0.3, device).map(&mut Randomise)
    }

    fn maps(size: [usize; 2], device: &Device) -> Vec<Tensor<4>> {
        let map = |_| {
            let dims = [2, 5, size[0], size[1]];
            Tensor::random(dims, Distribution::Normal(0.0, 1.0), device)
        };
        (0..4).map(map).collect()
    }

    #[test]
    fn a_deconvolution_is_burns() {
        let device = Device::flex();
        let deconvolution = random(&device).fpn2;
        let x = maps([3, 4], &device).remove(0);
        let options = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
        let expected = conv_transpose2d(
            x.clone(),
            deconvolution.weight.val(),
            Some(deconvolution.bias.val()),
            options,
        );
        let actual = deconvolution.forward(x);
        assert_eq!(actual.dims(), [2, 5, 6, 8]);
        let tolerance = Tolerance::<f32>::absolute(1e-5);
        let actual = actual.into_data();
        actual.assert_approx_eq(&expected.into_data(), tolerance);
    }

    #[test]
    fn preparing_changes_nothing_but_rounding() {
        let device = Device::flex();
        let neck = random(&device);
        let maps = maps([3, 5], &device);
        let expected = neck.forward(maps.clone());
        let actual = neck.prepare(Precision::F32).forward(maps);
        let sizes = [[12, 20], [6, 10], [3, 5], [1, 2]];
        for ((actual, expected), [height, width]) in actual.into_iter().zip(expected).zip(sizes) {
            assert_eq!(actual.dims(), [2, 5, height, width]);
            let tolerance = Tolerance::<f32>::absolute(1e-4);
            let actual = actual.into_data();
            actual.assert_approx_eq(&expected.into_data(), tolerance);
        }
    }

    #[test]
    #[should_panic(expected = "a neck is made for 4 maps, got 3")]
    fn takes_four_maps_alone() {
        let device = Device::flex();
        let mut maps = maps([2, 2], &device);
        maps.truncate(3);
        let _ = random(&device).forward(maps);
    }
}
