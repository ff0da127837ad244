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
    tensor::{Device, Tensor, activation::relu},
};

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
        relu(self.batch_norm.forward(self.conv.forward(input)))
    }

    /// Folds the batch normalisation into the convolution, as it acts outside training.
    #[must_use]
    pub fn fold(self) -> FoldedConv {
        let weight = self.conv.weight.into_value();
        let (scale, shift) = self.batch_norm.scale_and_shift(&weight.device());
        let [channels] = scale.dims();
        FoldedConv {
            weight: weight * scale.reshape([channels, 1, 1, 1]),
            bias: shift,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tolerance};
    use rstest::rstest;
    use upernet_ops::{Activation, conv3x3};

    use super::*;

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
    #[should_panic(expected = "kernel size must be odd, got 2")]
    fn refuses_an_even_kernel() {
        let _ = ConvModuleConfig::new([3, 4], 2).init(&Device::flex());
    }
}
