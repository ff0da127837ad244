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
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

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
    #[should_panic(expected = "kernel size must be odd, got 2")]
    fn refuses_an_even_kernel() {
        let _ = ConvModuleConfig::new([3, 4], 2).init(&Device::flex());
    }
}
