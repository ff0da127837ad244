//! The auxiliary head: a small fully convolutional classifier on one feature map.
//!
//! Source: Long et al., *Fully Convolutional Networks for Semantic Segmentation* (2015),
//! <https://arxiv.org/abs/1411.4038>. Upstream: `UperNetFCNHead`.

use burn::{
    config::Config,
    module::Module,
    nn::conv::{Conv2d, Conv2dConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{ConvModule, ConvModuleConfig, initializer};

use crate::classifier::classify;

/// Configuration of a [`FcnHead`].
#[derive(Config, Debug)]
pub struct FcnHeadConfig {
    /// Channels of the feature map.
    pub in_channels: usize,
    /// Classes.
    pub num_labels: usize,
    /// Channels of every map inside the head.
    #[config(default = 256)]
    pub channels: usize,
    /// Convolutions before the classifier. With none, `channels` must equal `in_channels`.
    #[config(default = 1)]
    pub num_convs: usize,
    /// Whether a further convolution joins the feature map and the convolutions' output.
    #[config(default = false)]
    pub concat_input: bool,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
}

/// Labels every cell of one feature map.
#[derive(Module, Debug)]
pub struct FcnHead {
    convs: Vec<ConvModule>,
    conv_cat: Option<ConvModule>,
    classifier: Conv2d,
}

impl FcnHeadConfig {
    /// Builds the head on `device`.
    ///
    /// # Panics
    ///
    /// Panics if there are no convolutions and `channels` is not `in_channels`.
    #[must_use]
    pub fn init(&self, device: &Device) -> FcnHead {
        assert!(
            self.num_convs > 0 || self.channels == self.in_channels,
            "without convolutions channels must equal in_channels ({}), got {}",
            self.in_channels,
            self.channels
        );
        let conv = |in_channels| {
            ConvModuleConfig::new([in_channels, self.channels], 3)
                .with_initializer_range(self.initializer_range)
                .init(device)
        };
        let convs = (0..self.num_convs)
            .map(|index| {
                conv(if index == 0 {
                    self.in_channels
                } else {
                    self.channels
                })
            })
            .collect();
        let classifier = Conv2dConfig::new([self.channels, self.num_labels], [1, 1]);
        FcnHead {
            convs,
            conv_cat: self
                .concat_input
                .then(|| conv(self.in_channels + self.channels)),
            classifier: initializer::conv2d(&classifier, self.initializer_range, device),
        }
    }
}

impl FcnHead {
    /// Computes the logits at the resolution of the feature map.
    ///
    /// # Shapes
    ///
    /// - `features`: `[N, in_channels, H, W]`
    /// - output: `[N, num_labels, H, W]`
    #[must_use]
    pub fn forward(&self, features: Tensor<4>) -> Tensor<4> {
        let convolved = self
            .convs
            .iter()
            .fold(features.clone(), |x, conv| conv.forward(x));
        let convolved = match &self.conv_cat {
            Some(conv) => conv.forward(Tensor::cat(vec![features, convolved], 1)),
            None => convolved,
        };
        classify(&self.classifier, convolved)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain(1, false)]
    #[case::two_convs_and_concat(2, true)]
    fn logits_have_the_size_of_the_map(#[case] num_convs: usize, #[case] concat_input: bool) {
        let device = Device::flex();
        let head = FcnHeadConfig::new(6, 4)
            .with_channels(8)
            .with_num_convs(num_convs)
            .with_concat_input(concat_input)
            .init(&device);
        assert_eq!(
            head.forward(Tensor::ones([2, 6, 5, 7], &device)).dims(),
            [2, 4, 5, 7]
        );
    }

    #[test]
    fn no_convs_classify_the_map_itself() {
        let device = Device::flex();
        let head = FcnHeadConfig::new(6, 4)
            .with_channels(6)
            .with_num_convs(0)
            .init(&device);
        assert_eq!(head.num_params(), 6 * 4 + 4);
    }

    #[test]
    #[should_panic(expected = "without convolutions channels must equal in_channels (6), got 8")]
    fn refuses_no_convs_with_other_channels() {
        let config = FcnHeadConfig::new(6, 4).with_channels(8).with_num_convs(0);
        let _ = config.init(&Device::flex());
    }
}
