//! Convolution, batch normalisation, ReLU: the unit both heads are made of.
//!
//! Upstream: `UperNetConvModule` (Hugging Face), `ConvModule` (mmcv).

use burn::{
    config::Config,
    module::Module,
    nn::{
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use upernet_ops::{Activation, conv3x3, linear, upsample_conv3x3};

use crate::{BatchNorm2d, BatchNorm2dConfig, initializer};

/// Configuration of a [`ConvModule`].
#[derive(Config, Debug)]
pub struct ConvModuleConfig {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Side of the square kernel, odd; the map is zero-padded so that its size stays.
    pub kernel_size: usize,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
}

/// A convolution without bias, then batch normalisation, then ReLU; keeps height and width.
#[derive(Module, Debug)]
pub struct ConvModule {
    conv: Conv2d,
    batch_norm: BatchNorm2d,
}

/// A convolution with the batch normalisation after it folded into its weights; the ReLU is left to
/// whoever computes it.
#[derive(Clone, Debug)]
pub struct FoldedConv {
    /// `[channels out, channels in, kernel_size, kernel_size]`.
    pub weight: Tensor<4>,
    /// `[channels out]`.
    pub bias: Tensor<1>,
}

impl ConvModuleConfig {
    /// Builds the module on `device`.
    ///
    /// # Panics
    ///
    /// Panics if the kernel size is even.
    #[must_use]
    pub fn init(&self, device: &Device) -> ConvModule {
        assert!(
            self.kernel_size % 2 == 1,
            "kernel size must be odd, got {}",
            self.kernel_size
        );
        let padding = self.kernel_size / 2;
        let conv = Conv2dConfig::new(self.channels, [self.kernel_size; 2])
            .with_padding(PaddingConfig2d::Explicit(
                padding, padding, padding, padding,
            ))
            .with_bias(false);
        let [_, channels] = self.channels;
        ConvModule {
            conv: initializer::conv2d(&conv, self.initializer_range, device),
            batch_norm: BatchNorm2dConfig::new(channels).init(device),
        }
    }
}

impl ConvModule {
    /// Applies the three layers.
    ///
    /// # Shapes
    ///
    /// - `input`: `[N, channels[0], H, W]`
    /// - output: `[N, channels[1], H, W]`
    #[must_use]
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let weight = self.conv.weight.val();
        let output = match self.conv.kernel_size {
            [1, 1] => {
                let [channels_out, channels_in, ..] = weight.dims();
                let weight = weight.reshape([channels_out, channels_in]).transpose();
                linear(input, weight, None, Activation::None)
            }
            [3, 3] => conv3x3(input, weight, None, Activation::None),
            _ => self.conv.forward(input),
        };
        self.batch_norm.forward_relu(output)
    }

    /// Applies the three layers to the concatenation of `map` and `others`, which are resized
    /// bilinearly to its size.
    ///
    /// A convolution of a concatenation is a sum over its parts, and the part of a smaller map can be
    /// computed before it is resized. So neither the resized maps nor their concatenation exist.
    ///
    /// # Shapes
    ///
    /// - `map`: `[N, C, H, W]`
    /// - `others`: `[N, C_i, H_i, W_i]`; `C` and all `C_i` together are `channels[0]`
    /// - output: `[N, channels[1], H, W]`
    ///
    /// # Panics
    ///
    /// Panics if the kernel is not 3 x 3 or the channels are not those of the module.
    #[must_use]
    pub fn forward_joined(&self, map: Tensor<4>, others: Vec<Tensor<4>>) -> Tensor<4> {
        assert!(
            self.is_three_by_three(),
            "only a 3 x 3 convolution joins maps"
        );
        let weight = self.conv.weight.val();
        let [_, in_channels, ..] = weight.dims();
        let [_, channels, height, width] = map.dims();
        let own = weight.clone().narrow(1, 0, channels);
        let mut sum = conv3x3(map, own, None, Activation::None);
        let mut first = channels;
        for other in others {
            let [_, channels, ..] = other.dims();
            let share = weight.clone().narrow(1, first, channels);
            sum = sum + upsample_conv3x3(other, share, [height, width]);
            first += channels;
        }
        assert_eq!(
            first, in_channels,
            "the convolution joins {in_channels} channels, got {first}"
        );
        self.batch_norm.forward_relu(sum)
    }

    fn is_three_by_three(&self) -> bool {
        self.conv.kernel_size == [3, 3]
    }

    /// Folds the batch normalisation into the convolution, as it acts outside training.
    #[must_use]
    pub fn fold(self) -> FoldedConv {
        self.batch_norm.fold_into(self.conv.weight.into_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;
    use upernet_ops::resize_bilinear;

    #[rstest]
    #[case::pointwise(1)]
    #[case::three_by_three(3)]
    fn keeps_height_and_width(#[case] kernel_size: usize) {
        let device = Device::flex();
        let module = ConvModuleConfig::new([3, 4], kernel_size).init(&device);
        let output = module.forward(Tensor::ones([2, 3, 5, 7], &device));
        assert_eq!(output.dims(), [2, 4, 5, 7]);
    }

    #[test]
    fn folding_changes_nothing_but_rounding() {
        let device = Device::flex();
        let module = ConvModuleConfig::new([3, 4], 3)
            .with_initializer_range(0.3)
            .init(&device);
        // Running statistics, scale and shift that are not those of a fresh layer.
        let batch = Tensor::random(
            [2, 3, 5, 7],
            Distribution::Normal(1.0, 2.0),
            &device.clone().autodiff(),
        );
        let trained = module.train();
        let _ = trained.forward(batch.clone());
        let module = trained.valid();
        let input = batch.inner();
        let expected = module.forward(input.clone());
        let folded = module.fold();
        let output = conv3x3(input, folded.weight, Some(folded.bias), Activation::Relu);
        output
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn joining_is_a_convolution_of_the_concatenation() {
        let device = Device::flex();
        let module = ConvModuleConfig::new([9, 4], 3)
            .with_initializer_range(0.3)
            .init(&device);
        let map = |channels, size: [usize; 2]| {
            let dims = [2, channels, size[0], size[1]];
            Tensor::random(dims, Distribution::Normal(0.0, 1.0), &device)
        };
        let (finest, others) = (map(2, [9, 7]), vec![map(3, [4, 5]), map(4, [1, 1])]);
        let resized = others
            .iter()
            .map(|other| resize_bilinear(other.clone(), [9, 7]));
        let concatenation: Vec<_> = std::iter::once(finest.clone()).chain(resized).collect();
        let expected = module.forward(Tensor::cat(concatenation, 1)).into_data();
        let output = module.forward_joined(finest, others).into_data();
        output.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-4));
    }

    #[test]
    #[should_panic(expected = "the convolution joins 9 channels, got 8")]
    fn joins_its_own_channels_alone() {
        let device = Device::flex();
        let module = ConvModuleConfig::new([9, 4], 3).init(&device);
        let map = |channels| Tensor::zeros([1, channels, 3, 3], &device);
        let _ = module.forward_joined(map(5), vec![map(3)]);
    }

    #[test]
    #[should_panic(expected = "kernel size must be odd, got 2")]
    fn refuses_an_even_kernel() {
        let _ = ConvModuleConfig::new([3, 4], 2).init(&Device::flex());
    }
}
