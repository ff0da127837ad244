//! Maps of several sizes from the maps of one size that a plain transformer has, by resizing them.
//!
//! Source: mmsegmentation's `MultiLevelNeck` (`mmseg/models/necks/multilevel_neck.py`, version 1.2), with
//! the scales of its `UPerNet`s on ViT and `DeiT`; it is modelled on the reassembling of Ranftl et al.,
//! *Vision Transformers for Dense Prediction* (2021), <https://arxiv.org/abs/2103.13413>.

use burn::{
    module::{Module, Param},
    nn::Initializer,
    tensor::{Device, Tensor},
};
use upernet_ops::{
    Activation, PreparedConv3x3, PreparedLinear, PreparedUpsampleConv3x3, conv3x3, linear,
    resize_bilinear, upsample_conv3x3,
};

use crate::{
    Precision,
    pyramid_neck::{LEVELS, four},
};

/// Resizes the first of four maps to four times its sides, the second to twice, and the last to half of
/// them, each between a pointwise convolution and one of 3 x 3.
///
/// Resizing is bilinear, by the centres of cells. Of an odd number of rows or columns the last one is left
/// out where a map is halved: upstream reads its cells at the given scale, not at the ratio of the sizes.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::MultiLevelNeck;
///
/// let device = Device::flex();
/// let neck = MultiLevelNeck::new([2, 3], &device);
/// let maps = neck.forward(vec![Tensor::zeros([1, 2, 5, 6], &device); 4]);
/// let dims: Vec<_> = maps.iter().map(Tensor::dims).collect();
/// assert_eq!(dims, [[1, 3, 20, 24], [1, 3, 10, 12], [1, 3, 5, 6], [1, 3, 2, 3]]);
/// ```
#[derive(Module, Debug)]
pub struct MultiLevelNeck {
    lateral_convs: Vec<Convolution>,
    convs: Vec<Convolution>,
}

/// A convolution with bias that keeps the size of its map.
#[derive(Module, Debug)]
struct Convolution {
    /// `[channels out, channels in, side, side]`.
    weight: Param<Tensor<4>>,
    /// `[channels out]`.
    bias: Param<Tensor<1>>,
}

/// What becomes of the sides of a map.
#[derive(Clone, Copy, Debug)]
enum Scale {
    /// So many times as long.
    Enlarged(usize),
    Kept,
    Halved,
}

/// In the order of the maps.
const SCALES: [Scale; LEVELS] = [
    Scale::Enlarged(4),
    Scale::Enlarged(2),
    Scale::Kept,
    Scale::Halved,
];

impl MultiLevelNeck {
    /// Draws a neck that makes maps of `channels[1]` of maps of `channels[0]`, as upstream: weights of
    /// Xavier's uniform distribution, biases of zero.
    #[must_use]
    pub fn new([channels_in, channels_out]: [usize; 2], device: &Device) -> Self {
        let each = |channels, side| {
            let conv = |_| Convolution::new(channels, side, device);
            SCALES.iter().map(conv).collect()
        };
        Self {
            lateral_convs: each([channels_in, channels_out], 1),
            convs: each([channels_out, channels_out], 3),
        }
    }

    /// Four maps `[N, channels[0], H, W]` to those of `channels[1]` and four, two, one and half times the
    /// sides.
    ///
    /// # Panics
    ///
    /// Panics if there are not four maps.
    #[must_use]
    pub fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let convs = self.lateral_convs.iter().zip(&self.convs);
        let maps = four(maps).into_iter().zip(SCALES).zip(convs);
        maps.map(|((map, scale), (lateral, conv))| match scale {
            Scale::Enlarged(times) => {
                let x = lateral.pointwise(map);
                let size = enlarged(&x, times);
                conv.three_by_three_of_resized(x, size)
            }
            Scale::Kept => conv.three_by_three(lateral.pointwise(map)),
            Scale::Halved => conv.three_by_three(lateral.pointwise(halved(map))),
        })
        .collect()
    }

    /// Makes the neck ready for inference.
    #[must_use]
    pub fn prepare(self, precision: Precision) -> PreparedMultiLevelNeck {
        let convs = self.lateral_convs.into_iter().zip(self.convs);
        let levels = convs.zip(SCALES).map(|((lateral, conv), scale)| Level {
            lateral: lateral.prepare_pointwise(precision),
            conv: match scale {
                Scale::Enlarged(times) => {
                    LevelConv::Enlarged(times, conv.prepare_of_resized(precision))
                }
                Scale::Kept => LevelConv::Kept(conv.prepare_three_by_three(precision)),
                Scale::Halved => LevelConv::Halved(conv.prepare_three_by_three(precision)),
            },
        });
        PreparedMultiLevelNeck {
            levels: levels.collect(),
        }
    }
}

impl Convolution {
    fn new([channels_in, channels_out]: [usize; 2], side: usize, device: &Device) -> Self {
        let cells = side * side;
        let (fan_in, fan_out) = (Some(cells * channels_in), Some(cells * channels_out));
        let dims = [channels_out, channels_in, side, side];
        Self {
            weight: Initializer::XavierUniform { gain: 1.0 }
                .init_with(dims, fan_in, fan_out, device),
            bias: Initializer::Zeros.init([channels_out], device),
        }
    }

    fn pointwise(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = as_linear(self.weight.val());
        linear(x, weight, Some(self.bias.val()), Activation::None)
    }

    fn three_by_three(&self, x: Tensor<4>) -> Tensor<4> {
        conv3x3(
            x,
            self.weight.val(),
            Some(self.bias.val()),
            Activation::None,
        )
    }

    /// Of the map resized, which never exists.
    fn three_by_three_of_resized(&self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let y = upsample_conv3x3(x, self.weight.val(), size);
        let [_, channels, ..] = y.dims();
        y + self.bias.val().reshape([1, channels, 1, 1])
    }

    fn prepare_pointwise(self, precision: Precision) -> PreparedLinear {
        let (weight, bias) = (self.weight.into_value(), self.bias.into_value());
        PreparedLinear::new(as_linear(weight), Some(bias), Activation::None, precision)
    }

    fn prepare_three_by_three(self, precision: Precision) -> PreparedConv3x3 {
        let (weight, bias) = (self.weight.into_value(), self.bias.into_value());
        PreparedConv3x3::new(weight, Some(bias), Activation::None, precision)
    }

    fn prepare_of_resized(self, precision: Precision) -> PreparedUpsampleConv3x3 {
        let (weight, bias) = (self.weight.into_value(), self.bias.into_value());
        PreparedUpsampleConv3x3::new(weight, Some(bias), precision)
    }
}

/// The weights of a pointwise convolution as those of a linear layer, `[in, out]`.
fn as_linear(weight: Tensor<4>) -> Tensor<2> {
    let [channels_out, channels_in, ..] = weight.dims();
    weight.reshape([channels_out, channels_in]).transpose()
}

/// The size of a map whose sides are so many times as long.
fn enlarged(x: &Tensor<4>, times: usize) -> [usize; 2] {
    let [_, _, height, width] = x.dims();
    [times * height, times * width]
}

/// The map at half its sides. With a last row or column that has no partner, the ratio of the sizes would
/// not be a half, and upstream's scale is.
///
/// Resizing and a pointwise convolution commute: the smaller of the two maps is convolved.
fn halved(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let size = [height / 2, width / 2];
    let whole = x.narrow(2, 0, 2 * size[0]).narrow(3, 0, 2 * size[1]);
    resize_bilinear(whole, size)
}

/// A [`MultiLevelNeck`] made ready for inference.
#[derive(Debug)]
pub struct PreparedMultiLevelNeck {
    levels: Vec<Level>,
}

/// What one of the maps passes.
#[derive(Debug)]
struct Level {
    lateral: PreparedLinear,
    conv: LevelConv,
}

/// The convolution of 3 x 3, and how its map is resized before.
#[derive(Debug)]
enum LevelConv {
    /// To so many times the sides.
    Enlarged(usize, PreparedUpsampleConv3x3),
    Kept(PreparedConv3x3),
    Halved(PreparedConv3x3),
}

impl PreparedMultiLevelNeck {
    /// As [`MultiLevelNeck::forward`].
    ///
    /// # Panics
    ///
    /// Panics if there are not four maps.
    #[must_use]
    pub fn forward(&self, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let maps = four(maps).into_iter().zip(&self.levels);
        maps.map(|(map, level)| level.forward(map)).collect()
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.levels.iter().map(Level::bytes).sum()
    }
}

impl Level {
    fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        match &self.conv {
            LevelConv::Enlarged(times, conv) => {
                let x = self.lateral.forward(map);
                let size = enlarged(&x, *times);
                conv.forward(x, size)
            }
            LevelConv::Kept(conv) => conv.forward(self.lateral.forward(map)),
            LevelConv::Halved(conv) => conv.forward(self.lateral.forward(halved(map))),
        }
    }

    fn bytes(&self) -> usize {
        let conv = match &self.conv {
            LevelConv::Enlarged(_, conv) => conv.bytes(),
            LevelConv::Kept(conv) | LevelConv::Halved(conv) => conv.bytes(),
        };
        self.lateral.bytes() + conv
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::ModuleMapper,
        tensor::{Distribution, Tolerance, module::conv2d, ops::ConvOptions},
    };

    use super::*;

    /// Random values for all parameters.
    fn random(device: &Device) -> MultiLevelNeck {
        struct Randomise;
        impl ModuleMapper for Randomise {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|value| value.random_like(Distribution::Normal(0.0, 0.4)))
            }
        }
        MultiLevelNeck::new([5, 3], device).map(&mut Randomise)
    }

    fn maps(size: [usize; 2], device: &Device) -> Vec<Tensor<4>> {
        let map = |_| {
            let dims = [2, 5, size[0], size[1]];
            Tensor::random(dims, Distribution::Normal(0.0, 1.0), device)
        };
        (0..4).map(map).collect()
    }

    /// `torch.nn.functional.interpolate(x, scale_factor=scale, mode="bilinear")`, as it is defined: as many
    /// cells as fit, each read at the place that the given scale says.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place is clamped to the line before it becomes an index"
    )]
    fn interpolated(x: &Tensor<4>, scale: f64) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let values: Vec<f32> = x.to_data().try_to_vec().expect("32 bits");
        let line = |length: usize| -> Vec<(usize, usize, f64)> {
            let made = (length as f64 * scale).floor() as usize;
            let position = |index: usize| {
                let last = (length - 1) as f64;
                let place = ((index as f64 + 0.5) / scale - 0.5).clamp(0.0, last);
                let low = place as usize;
                (low, (low + 1).min(length - 1), place - low as f64)
            };
            (0..made).map(position).collect()
        };
        let (rows, columns) = (line(height), line(width));
        let mut made: Vec<f32> = Vec::new();
        for plane in values.chunks_exact(height * width) {
            for &(top, bottom, down) in &rows {
                for &(left, right, across) in &columns {
                    let at = |row: usize, column: usize| f64::from(plane[row * width + column]);
                    let upper = at(top, left) * (1.0 - across) + at(top, right) * across;
                    let lower = at(bottom, left) * (1.0 - across) + at(bottom, right) * across;
                    made.push((upper * (1.0 - down) + lower * down) as f32);
                }
            }
        }
        let dims = [batch, channels, rows.len(), columns.len()];
        Tensor::<1>::from_floats(made.as_slice(), &x.device()).reshape(dims)
    }

    fn convolved(x: Tensor<4>, conv: &Convolution, padding: usize) -> Tensor<4> {
        let options = ConvOptions::new([1, 1], [padding; 2], [1, 1], 1);
        conv2d(x, conv.weight.val(), Some(conv.bias.val()), options)
    }

    /// In the order upstream has it: convolved, resized, convolved.
    fn upstreams(neck: &MultiLevelNeck, maps: Vec<Tensor<4>>) -> Vec<Tensor<4>> {
        let convs = neck.lateral_convs.iter().zip(&neck.convs);
        let maps = maps.into_iter().zip([4.0, 2.0, 1.0, 0.5]).zip(convs);
        maps.map(|((map, scale), (lateral, conv))| {
            let x = convolved(map, lateral, 0);
            convolved(interpolated(&x, scale), conv, 1)
        })
        .collect()
    }

    fn assert_same(actual: Vec<Tensor<4>>, expected: Vec<Tensor<4>>) {
        assert_eq!(actual.len(), expected.len());
        for (actual, expected) in actual.into_iter().zip(expected) {
            assert_eq!(actual.dims(), expected.dims());
            let tolerance = Tolerance::<f32>::absolute(1e-4);
            let actual = actual.into_data();
            actual.assert_approx_eq(&expected.into_data(), tolerance);
        }
    }

    #[test]
    fn maps_are_resized_by_scales_whatever_their_sizes() {
        let device = Device::flex();
        let neck = random(&device);
        for (size, last) in [([7, 5], [3, 2]), ([2, 3], [1, 1]), ([6, 4], [3, 2])] {
            let maps = maps(size, &device);
            let made = neck.forward(maps.clone());
            assert_eq!(made[3].dims()[2..], last);
            assert_same(made, upstreams(&neck, maps));
        }
    }

    #[test]
    fn preparing_changes_nothing_but_rounding() {
        let device = Device::flex();
        let neck = random(&device);
        let maps = maps([3, 5], &device);
        let expected = neck.forward(maps.clone());
        let prepared = neck.prepare(Precision::F32);
        assert!(prepared.bytes() > 0, "it has weights");
        assert_same(prepared.forward(maps), expected);
    }

    /// Xavier: between -a and a, where a^2 is 6 / (fan in + fan out), so the deviation is a / sqrt(3).
    #[test]
    fn weights_are_drawn_as_upstream_draws_them() {
        let device = Device::flex();
        device.seed(5);
        let neck = MultiLevelNeck::new([60, 40], &device);
        for (convs, fans) in [
            (&neck.lateral_convs, 60.0 + 40.0),
            (&neck.convs, 9.0 * (40.0 + 40.0)),
        ] {
            let reach = (6.0_f32 / fans).sqrt();
            for conv in convs {
                let weight = conv.weight.val();
                let largest: f32 = weight.clone().abs().max().into_scalar();
                assert!(
                    largest <= reach && largest > 0.99 * reach,
                    "{largest} of {reach}"
                );
                let variance: f32 = weight.powf_scalar(2.0).mean().into_scalar();
                let ratio = variance.sqrt() * 3.0_f32.sqrt() / reach;
                // 2,400 draws or more: the standard error is below 0.01.
                assert!((ratio - 1.0).abs() < 0.04, "{ratio}");
                let bias: f32 = conv.bias.val().abs().max().into_scalar();
                assert!(bias == 0.0, "a bias begins at zero");
            }
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
