//! The whole backbone. Paper: table 1. Upstream: `ResNetBackbone`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::{Backbone, FeaturePyramid, Precision, PreparedBackbone, assert_out_stages};

use crate::{
    LayerType, PreparedResNet, ResNetConfig, block::Block, embedder::Embedder,
    prepared::PreparedStage,
};

/// ResNet with one feature map per requested stage.
///
/// Maps have `ceil(size / stride)` cells a side, so any image will do. They are what the last block of
/// a stage computes: there is no norm of their own.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::Backbone;
/// use upernet_resnet::ResNetConfig;
///
/// let device = Device::flex();
/// let resnet = ResNetConfig::new()
///     .with_embedding_size(8)
///     .with_hidden_sizes(vec![8, 16])
///     .with_depths(vec![1, 2])
///     .with_out_stages(vec![0, 1])
///     .init(&device);
/// let features = resnet.forward(Tensor::zeros([1, 3, 30, 50], &device));
/// assert_eq!(features.channels(), [8, 16]);
/// assert_eq!(features.sizes(), [[8, 13], [4, 7]]);
/// ```
#[derive(Module, Debug)]
pub struct ResNet {
    embedder: Embedder,
    stages: Vec<ResNetStage>,
    #[module(skip)]
    config: ResNetConfig,
}

#[derive(Module, Debug)]
struct ResNetStage {
    layers: Vec<Block>,
}

impl ResNetConfig {
    /// Builds the backbone on `device`.
    ///
    /// # Panics
    ///
    /// Panics if `hidden_sizes` has not as many entries as `depths`, if `out_stages` is empty, not
    /// increasing or names a stage that does not exist, or if a size is zero or, of a bottleneck, below
    /// 4.
    #[must_use]
    pub fn init(&self, device: &Device) -> ResNet {
        self.check();
        let inputs = std::iter::once(&self.embedding_size).chain(&self.hidden_sizes);
        let stages = inputs.zip(&self.hidden_sizes).zip(&self.depths).enumerate();
        let stages = stages.map(|(stage, ((&channels_in, &channels), &depth))| {
            let layers = (0..depth).map(|index| match index {
                0 => Block::new(
                    self,
                    [channels_in, channels],
                    self.first_stride(stage),
                    device,
                ),
                _ => Block::new(self, [channels; 2], 1, device),
            });
            ResNetStage {
                layers: layers.collect(),
            }
        });
        ResNet {
            embedder: Embedder::new(self, device),
            stages: stages.collect(),
            config: self.clone(),
        }
    }

    fn check(&self) {
        assert_eq!(
            self.depths.len(),
            self.hidden_sizes.len(),
            "depths and hidden_sizes differ in length"
        );
        let least = match self.layer_type {
            LayerType::Basic => 1,
            LayerType::Bottleneck => 4,
        };
        assert!(
            self.embedding_size > 0 && self.hidden_sizes.iter().all(|&size| size >= least),
            "stages need at least {least} channels, got {:?}",
            self.hidden_sizes
        );
        assert_out_stages(&self.out_stages, self.num_stages());
    }
}

impl ResNetStage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }
}

impl ResNet {
    /// What the backbone was built from.
    #[must_use]
    pub fn config(&self) -> &ResNetConfig {
        &self.config
    }

    /// Makes the backbone ready for inference.
    ///
    /// Nothing changes in the result beyond rounding.
    #[must_use]
    pub fn into_prepared(self, precision: Precision) -> PreparedResNet {
        let out_stages = self.config.out_stages;
        let last = out_stages.last().copied().unwrap_or_default();
        let stages = self.stages.into_iter().take(last + 1).enumerate();
        let stages = stages.map(|(index, stage)| {
            let blocks = stage.layers.into_iter();
            PreparedStage {
                blocks: blocks.map(|block| block.prepare(precision)).collect(),
                returned: out_stages.contains(&index),
            }
        });
        PreparedResNet {
            embedder: self.embedder.prepare(precision),
            stages: stages.collect(),
        }
    }
}

impl Backbone for ResNet {
    fn channels(&self) -> Vec<usize> {
        let out_stages = self.config.out_stages.iter();
        out_stages
            .map(|&stage| self.config.hidden_sizes[stage])
            .collect()
    }

    fn strides(&self) -> Vec<usize> {
        let out_stages = self.config.out_stages.iter();
        out_stages
            .map(|&stage| self.config.stage_stride(stage))
            .collect()
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let out_stages = &self.config.out_stages;
        let last = out_stages.last().copied().unwrap_or_default();
        let mut x = self.embedder.forward(pixel_values);
        let mut features = Vec::with_capacity(out_stages.len());
        for (index, stage) in self.stages.iter().take(last + 1).enumerate() {
            x = stage.forward(x);
            if out_stages.contains(&index) {
                features.push(x.clone());
            }
        }
        FeaturePyramid::new(features)
    }

    fn prepare(self, precision: Precision) -> Box<dyn PreparedBackbone> {
        Box::new(self.into_prepared(precision))
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{ModuleVisitor, Param},
        tensor::Distribution,
    };
    use rstest::rstest;
    use upernet_nn::initializer;

    use super::*;
    use crate::HiddenActivation;

    fn tiny() -> ResNetConfig {
        ResNetConfig::new()
            .with_embedding_size(6)
            .with_hidden_sizes(vec![4, 8, 12, 16])
            .with_depths(vec![1, 1, 2, 1])
    }

    #[rstest]
    #[case::bottleneck(tiny())]
    #[case::stride_in_the_first_convolution(tiny().with_downsample_in_bottleneck(true))]
    #[case::basic(tiny().with_layer_type(LayerType::Basic))]
    #[case::deep_stem(tiny().with_deep_stem(true))]
    fn odd_sizes_round_up(#[case] config: ResNetConfig) {
        let device = Device::flex();
        let resnet = config.init(&device);
        let features = resnet.forward(Tensor::zeros([2, 3, 69, 93], &device));
        assert_eq!(features.sizes(), [[18, 24], [9, 12], [5, 6], [3, 3]]);
        assert_eq!(features.channels(), resnet.channels());
        assert_eq!(resnet.strides(), [4, 8, 16, 32]);
    }

    #[test]
    fn the_first_stage_may_halve_the_map_too() {
        let device = Device::flex();
        let resnet = tiny().with_downsample_in_first_stage(true).init(&device);
        let features = resnet.forward(Tensor::zeros([1, 3, 69, 93], &device));
        assert_eq!(features.sizes(), [[9, 12], [5, 6], [3, 3], [2, 2]]);
        assert_eq!(resnet.strides(), [8, 16, 32, 64]);
    }

    #[test]
    fn one_pixel_is_an_image() {
        let device = Device::flex();
        let resnet = tiny().init(&device);
        assert_eq!(resnet.min_size(), 1);
        let features = resnet.forward(Tensor::zeros([1, 3, 1, 1], &device));
        assert_eq!(features.sizes(), [[1, 1]; 4]);
    }

    /// Weights of 3 x 3 in place of 7 x 7, and batch normalisation: four vectors and a count each.
    #[test]
    fn a_deep_stem_is_three_convolutions() {
        let device = Device::flex();
        let plain = tiny().init(&device).num_params();
        let deep = tiny().with_deep_stem(true).init(&device).num_params();
        let plain_stem = 49 * 3 * 6 + (4 * 6 + 1);
        let deep_stem = 9 * (3 * 3 + 3 * 3 + 3 * 6) + (4 * (3 + 3 + 6) + 3);
        assert_eq!(deep - deep_stem, plain - plain_stem);
    }

    /// A shortcut has a convolution only where channels or size change.
    #[test]
    fn blocks_that_change_nothing_add_their_input_itself() {
        let device = Device::flex();
        let config = tiny().with_embedding_size(4);
        let without = config.init(&device).num_params();
        let with = config
            .with_downsample_in_first_stage(true)
            .init(&device)
            .num_params();
        // 4 x 4 weights, and batch normalisation: four vectors of 4, and a count.
        assert_eq!(with - without, 16 + 4 * 4 + 1);
    }

    /// A ReLU at the end of a block leaves nothing below 0, a GELU does.
    #[test]
    fn the_activation_follows_the_sum() {
        let device = Device::flex();
        let negative = |config: ResNetConfig| {
            device.seed(3);
            let resnet = config.init(&device);
            let x = Tensor::random([1, 3, 33, 40], Distribution::Normal(0.0, 1.0), &device);
            let map = resnet.forward(x).into_maps().remove(0);
            map.min().into_scalar::<f32>() < 0.0
        };
        assert!(!negative(tiny()));
        assert!(negative(tiny().with_hidden_act(HiddenActivation::Gelu)));
    }

    /// `torch.nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")`.
    #[test]
    fn weights_keep_the_size_of_gradients() {
        struct Deviations(Vec<(Vec<usize>, f32)>);
        impl ModuleVisitor for Deviations {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if D == 4 {
                    let dims = param.val().dims().to_vec();
                    let std = param.val().reshape([-1]).var(0).sqrt().into_scalar::<f32>();
                    self.0.push((dims, std));
                }
            }
        }
        let device = Device::flex();
        device.seed(2);
        let resnet = tiny()
            .with_hidden_sizes(vec![64, 96, 128, 160])
            .init(&device);
        initializer::draw_all(&resnet);
        let mut found = Deviations(Vec::new());
        resnet.visit(&mut found);
        assert_eq!(found.0.len(), 1 + 5 * 3 + 4);
        for (dims, std) in found.0 {
            let count: usize = dims.iter().product();
            let expected = (2.0 / (dims[0] * dims[2] * dims[3]) as f32).sqrt();
            // Six standard errors of a deviation of that many draws.
            let slack = 6.0 * expected / (2.0 * count as f32).sqrt();
            assert!(
                (std - expected).abs() < slack,
                "{dims:?}: {std}, not {expected}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "depths and hidden_sizes differ in length")]
    fn refuses_lengths_that_differ() {
        let _ = tiny().with_depths(vec![1, 1]).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "stages need at least 4 channels, got [4, 8, 3, 16]")]
    fn refuses_a_bottleneck_without_channels() {
        let config = tiny().with_hidden_sizes(vec![4, 8, 3, 16]);
        let _ = config.init(&Device::flex());
    }
}
