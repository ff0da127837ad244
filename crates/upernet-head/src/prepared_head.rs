//! The decode head made ready for inference.
//!
//! Batch normalisation is folded into the convolutions. Where the head concatenates maps of several
//! sizes and convolves them, the convolution is taken apart by input: it is a sum, and the share of a
//! coarser map is computed at that map's own size ([`PreparedUpsampleConv3x3`]). Neither the resized
//! maps nor their concatenation exist.

use burn::{module::Param, nn::conv::Conv2d, tensor::Tensor};
use upernet_nn::{ConvModule, FeaturePyramid, FoldedConv, Precision};
use upernet_ops::{
    Activation, PreparedConv3x3, PreparedLinear, PreparedUpsampleConv3x3, adaptive_avg_pools,
    add_resized,
};

/// An [`UperHead`](crate::UperHead) made ready for inference.
#[derive(Debug)]
pub struct PreparedUperHead {
    pool_scales: Vec<usize>,
    /// One per pool scale, at that scale.
    psp_modules: Vec<PreparedLinear>,
    bottleneck: Fusion,
    /// One per level but the coarsest.
    lateral_convs: Vec<PreparedLinear>,
    /// One per level but the coarsest.
    fpn_convs: Vec<PreparedConv3x3>,
    fpn_bottleneck: Fusion,
    classifier: PreparedLinear,
}

/// The layers of a head, as they come out of it.
pub(crate) struct HeadParts {
    pub(crate) pool_scales: Vec<usize>,
    pub(crate) psp_modules: Vec<ConvModule>,
    pub(crate) bottleneck: ConvModule,
    pub(crate) lateral_convs: Vec<ConvModule>,
    pub(crate) fpn_convs: Vec<ConvModule>,
    pub(crate) fpn_bottleneck: ConvModule,
    pub(crate) classifier: Conv2d,
}

impl PreparedUperHead {
    /// Takes the layers one by one, so that only one is there twice at a time.
    pub(crate) fn new(parts: HeadParts, precision: Precision) -> Self {
        let pointwise = |conv: ConvModule| {
            let FoldedConv { weight, bias } = conv.fold();
            pointwise(weight, Some(bias), Activation::Relu, precision)
        };
        let conv3x3 = |conv: ConvModule| {
            let FoldedConv { weight, bias } = conv.fold();
            PreparedConv3x3::new(weight, Some(bias), Activation::Relu, precision)
        };
        let classifier = parts.classifier;
        let bias = classifier.bias.map(Param::into_value);
        Self {
            psp_modules: parts.psp_modules.into_iter().map(pointwise).collect(),
            bottleneck: Fusion::new(parts.bottleneck, parts.pool_scales.len(), precision),
            fpn_bottleneck: Fusion::new(parts.fpn_bottleneck, parts.lateral_convs.len(), precision),
            pool_scales: parts.pool_scales,
            lateral_convs: parts.lateral_convs.into_iter().map(pointwise).collect(),
            fpn_convs: parts.fpn_convs.into_iter().map(conv3x3).collect(),
            classifier: self::pointwise(
                classifier.weight.into_value(),
                bias,
                Activation::None,
                precision,
            ),
        }
    }

    /// Computes the logits at the resolution of the finest feature map.
    ///
    /// # Shapes
    ///
    /// - `features`: `[N, in_channels[i], H_i, W_i]`, finest first
    /// - output: `[N, num_labels, H_0, W_0]`
    ///
    /// # Panics
    ///
    /// Panics if the number of maps is not that of the head.
    #[must_use]
    pub fn forward(&self, features: FeaturePyramid) -> Tensor<4> {
        let levels = self.lateral_convs.len() + 1;
        let mut maps = features.into_maps();
        assert_eq!(
            maps.len(),
            levels,
            "the head fuses {levels} maps, got {}",
            maps.len()
        );
        let coarsest = maps.pop().expect("a feature pyramid is never empty");

        // From the coarsest level down: what the next finer one needs, and what is fused at the end.
        let mut above = self.pool(coarsest);
        let mut fpn_outs = vec![above.clone()];
        let layers = self.lateral_convs.iter().zip(&self.fpn_convs);
        for (map, (lateral_conv, fpn_conv)) in maps.into_iter().zip(layers).rev() {
            above = add_resized(lateral_conv.forward(map), above);
            fpn_outs.push(fpn_conv.forward(above.clone()));
        }
        drop(above);
        let finest = fpn_outs.pop().expect("the coarsest map at least is there");
        fpn_outs.reverse();
        self.classifier
            .forward(self.fpn_bottleneck.forward(finest, fpn_outs))
    }

    /// Bytes of the weights as they are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let linear = self.psp_modules.iter().chain(&self.lateral_convs);
        let linear: usize = linear.map(PreparedLinear::bytes).sum();
        let convs: usize = self.fpn_convs.iter().map(PreparedConv3x3::bytes).sum();
        let fusions = self.bottleneck.bytes() + self.fpn_bottleneck.bytes();
        linear + convs + fusions + self.classifier.bytes()
    }

    fn pool(&self, coarsest: Tensor<4>) -> Tensor<4> {
        let grids = adaptive_avg_pools(coarsest.clone(), &self.pool_scales);
        let grids = grids.into_iter().zip(&self.psp_modules);
        let contexts = grids.map(|(grid, conv)| conv.forward(grid));
        self.bottleneck.forward(coarsest, contexts.collect())
    }
}

/// `relu(conv3x3(cat(map, others resized to its size)))`, without the concatenation.
#[derive(Debug)]
struct Fusion {
    conv: PreparedConv3x3,
    others: Vec<PreparedUpsampleConv3x3>,
}

impl Fusion {
    /// Takes the convolution apart: the last `others` groups of its inputs have as many channels as it
    /// has outputs, the rest are the map's.
    fn new(conv: ConvModule, others: usize, precision: Precision) -> Self {
        let FoldedConv { weight, bias } = conv.fold();
        let [hidden, in_channels, ..] = weight.dims();
        let own = in_channels - others * hidden;
        let others = (0..others)
            .map(|index| weight.clone().narrow(1, own + index * hidden, hidden))
            .map(|weight| PreparedUpsampleConv3x3::new(weight, None, precision))
            .collect();
        let weight = weight.narrow(1, 0, own);
        Self {
            conv: PreparedConv3x3::new(weight, Some(bias), Activation::Relu, precision),
            others,
        }
    }

    fn bytes(&self) -> usize {
        let others = self.others.iter().map(PreparedUpsampleConv3x3::bytes);
        self.conv.bytes() + others.sum::<usize>()
    }

    fn forward(&self, map: Tensor<4>, others: Vec<Tensor<4>>) -> Tensor<4> {
        let [_, _, height, width] = map.dims();
        let sum = self
            .others
            .iter()
            .zip(others)
            .fold(None, |sum, (conv, other)| {
                Some(match sum {
                    None => conv.forward(other, [height, width]),
                    Some(sum) => conv.forward_onto(other, sum),
                })
            });
        match sum {
            None => self.conv.forward(map),
            Some(sum) => self.conv.forward_onto(map, sum),
        }
    }
}

/// A 1 x 1 convolution, `weight` of `[channels out, channels in, 1, 1]`, as a linear layer.
fn pointwise(
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    activation: Activation,
    precision: Precision,
) -> PreparedLinear {
    let [channels_out, channels_in, ..] = weight.dims();
    let weight = weight.reshape([channels_out, channels_in]).transpose();
    PreparedLinear::new(weight, bias, activation, precision)
}
