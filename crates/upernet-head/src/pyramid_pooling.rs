//! Pyramid pooling: scene context averaged on several grids.
//!
//! Source: Zhao et al., *Pyramid Scene Parsing Network* (2017), section 3.2,
//! <https://arxiv.org/abs/1612.01105>. Upstream: `UperNetPyramidPoolingModule`, whose tensors are
//! named `psp_modules.{i}.1.*`.

use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor, module::adaptive_avg_pool2d},
};
use upernet_nn::{ConvModule, ConvModuleConfig, resize_bilinear};

/// Configuration of a [`PyramidPooling`] module.
#[derive(Config, Debug)]
pub struct PyramidPoolingConfig {
    /// Channels of the incoming feature map.
    pub in_channels: usize,
    /// Channels of every pooled map.
    pub channels: usize,
    /// Side of each pooling grid, in cells; one branch per entry.
    #[config(default = "vec![1, 2, 3, 6]")]
    pub pool_scales: Vec<usize>,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
}

/// Averages a feature map on several grids and brings each result back to full size.
#[derive(Module, Debug)]
pub struct PyramidPooling {
    blocks: Vec<PyramidPoolingBlock>,
}

/// One branch: average onto a square grid, then project the channels.
#[derive(Module, Debug)]
struct PyramidPoolingBlock {
    conv_module: ConvModule,
    scale: usize,
}

impl PyramidPoolingConfig {
    /// Builds the module on `device`, with one block per pool scale.
    ///
    /// # Panics
    ///
    /// Panics if a pool scale is zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> PyramidPooling {
        let conv_module = ConvModuleConfig::new([self.in_channels, self.channels], 1)
            .with_initializer_range(self.initializer_range);
        let block = |&scale: &usize| {
            assert!(
                scale > 0,
                "pool scales must be positive, got {:?}",
                self.pool_scales
            );
            PyramidPoolingBlock {
                conv_module: conv_module.init(device),
                scale,
            }
        };
        PyramidPooling {
            blocks: self.pool_scales.iter().map(block).collect(),
        }
    }
}

impl PyramidPooling {
    /// Returns one context map per pool scale, in the order of the configuration.
    ///
    /// Cell `i` of a grid of `s` averages rows `floor(i h / s) .. ceil((i + 1) h / s)`, so a map
    /// smaller than the grid repeats rows.
    ///
    /// # Shapes
    ///
    /// - `features`: `[N, in_channels, H, W]`
    /// - output: one `[N, channels, H, W]` per pool scale
    #[must_use]
    pub fn forward(&self, features: &Tensor<4>) -> Vec<Tensor<4>> {
        let [_, _, height, width] = features.dims();
        self.contexts(features)
            .into_iter()
            .map(|context| resize_bilinear(context, [height, width]))
            .collect()
    }

    /// Returns one context map per pool scale at its own size.
    ///
    /// # Shapes
    ///
    /// - `features`: `[N, in_channels, H, W]`
    /// - output: one `[N, channels, scale, scale]` per pool scale
    #[must_use]
    pub fn contexts(&self, features: &Tensor<4>) -> Vec<Tensor<4>> {
        let blocks = self.blocks.iter();
        blocks
            .map(|block| block.forward(features.clone()))
            .collect()
    }
}

impl PyramidPooling {
    /// The pool scales, and the convolution of each.
    pub(crate) fn into_parts(self) -> (Vec<usize>, Vec<ConvModule>) {
        let blocks = self.blocks.into_iter();
        blocks.map(|block| (block.scale, block.conv_module)).unzip()
    }
}

impl PyramidPoolingBlock {
    fn forward(&self, features: Tensor<4>) -> Tensor<4> {
        self.conv_module
            .forward(adaptive_avg_pool2d(features, [self.scale; 2]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scale_returns_to_full_size() {
        let device = Device::flex();
        let pooling = PyramidPoolingConfig::new(3, 5).init(&device);
        let context = pooling.forward(&Tensor::ones([2, 3, 7, 5], &device));
        assert_eq!(context.len(), 4);
        assert!(context.iter().all(|map| map.dims() == [2, 5, 7, 5]));
    }

    #[test]
    fn a_map_smaller_than_the_grid_is_fine() {
        let device = Device::flex();
        let pooling = PyramidPoolingConfig::new(3, 5)
            .with_pool_scales(vec![6])
            .init(&device);
        assert_eq!(
            pooling.forward(&Tensor::ones([1, 3, 1, 2], &device))[0].dims(),
            [1, 5, 1, 2]
        );
    }

    #[test]
    #[should_panic(expected = "pool scales must be positive, got [1, 0]")]
    fn refuses_a_zero_scale() {
        let config = PyramidPoolingConfig::new(3, 5).with_pool_scales(vec![1, 0]);
        let _ = config.init(&Device::flex());
    }
}
