//! The whole backbone. Paper: table 1. Upstream: `PvtV2Backbone`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::{
    Backbone, FeaturePyramid, LayerNorm2d, LayerNorm2dConfig, Precision, PreparedBackbone,
    assert_out_stages, drop_path_schedule,
};

use crate::{
    PreparedPvtV2, PvtV2Config, block::Block, patch_embedding::PatchEmbedding,
    prepared::PreparedStage,
};

/// PVTv2 with one feature map per requested stage.
///
/// Maps have `ceil(size / stride)` cells a side. A stage that reduces its map for keys and values needs
/// at least one patch of that reduction, so an image has to measure at least
/// [`min_size`](Backbone::min_size) pixels a side (29 with the published reductions).
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::Backbone;
/// use upernet_pvt::PvtV2Config;
///
/// let device = Device::flex();
/// let pvt = PvtV2Config::new()
///     .with_hidden_sizes(vec![8, 16, 20, 24])
///     .with_num_attention_heads(vec![1, 2, 5, 8])
///     .with_depths(vec![1, 1, 1, 1])
///     .with_out_stages(vec![0, 1])
///     .init(&device);
/// let features = pvt.forward(Tensor::zeros([1, 3, 30, 50], &device));
/// assert_eq!(features.channels(), [8, 16]);
/// assert_eq!(features.sizes(), [[8, 13], [4, 7]]);
/// ```
#[derive(Module, Debug)]
pub struct PvtV2 {
    stages: Vec<Stage>,
    #[module(skip)]
    config: PvtV2Config,
}

/// Patches, blocks, and a norm that both the returned map and the next stage go through.
#[derive(Module, Debug)]
struct Stage {
    patch_embedding: PatchEmbedding,
    blocks: Vec<Block>,
    layer_norm: LayerNorm2d,
}

impl PvtV2Config {
    /// Builds the backbone on `device`.
    ///
    /// # Panics
    ///
    /// Panics if a list has not as many entries as `depths`, if a size, stride or number of heads is
    /// zero, the channels of a stage do not split into its heads, the side of a patch is even, or if
    /// `out_stages` is empty, not increasing or names a stage that does not exist.
    #[must_use]
    pub fn init(&self, device: &Device) -> PvtV2 {
        self.check();
        let drop_path = drop_path_schedule(self.drop_path_rate, &self.depths);
        let stages = drop_path.iter().enumerate().map(|(stage, rates)| Stage {
            patch_embedding: PatchEmbedding::new(self, stage, device),
            blocks: rates
                .iter()
                .map(|&rate| Block::new(self, stage, rate, device))
                .collect(),
            layer_norm: LayerNorm2dConfig::new(self.hidden_sizes[stage], self.layer_norm_eps)
                .init(device),
        });
        PvtV2 {
            stages: stages.collect(),
            config: self.clone(),
        }
    }

    fn check(&self) {
        for (name, list) in [
            ("hidden_sizes", &self.hidden_sizes),
            ("patch_sizes", &self.patch_sizes),
            ("strides", &self.strides),
            ("sr_ratios", &self.sr_ratios),
            ("num_attention_heads", &self.num_attention_heads),
            ("mlp_ratios", &self.mlp_ratios),
        ] {
            assert_eq!(
                self.depths.len(),
                list.len(),
                "depths and {name} differ in length"
            );
            assert!(!list.contains(&0), "{name} must be positive, got {list:?}");
        }
        let heads = self.hidden_sizes.iter().zip(&self.num_attention_heads);
        for (channels, heads) in heads {
            assert!(
                channels % heads == 0,
                "{channels} channels do not split into {heads} heads"
            );
        }
        assert!(
            self.patch_sizes.iter().all(|size| size % 2 == 1),
            "the sides of patches must be odd, got {:?}",
            self.patch_sizes
        );
        assert_out_stages(&self.out_stages, self.num_stages());
    }
}

impl Stage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.patch_embedding.forward(x);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        self.layer_norm.forward(x)
    }
}

impl PvtV2 {
    /// What the backbone was built from.
    #[must_use]
    pub fn config(&self) -> &PvtV2Config {
        &self.config
    }

    /// Makes the backbone ready for inference.
    ///
    /// Nothing changes in the result beyond rounding.
    #[must_use]
    pub fn into_prepared(self, precision: Precision) -> PreparedPvtV2 {
        let out_stages = self.config.out_stages;
        let last = out_stages.last().copied().unwrap_or_default();
        let stages = self.stages.into_iter().take(last + 1).enumerate();
        let stages = stages.map(|(index, stage)| {
            let blocks = stage.blocks.into_iter();
            PreparedStage {
                patch_embedding: stage.patch_embedding.prepare(precision),
                blocks: blocks.map(|block| block.prepare(precision)).collect(),
                norm: stage.layer_norm.prepare(),
                returned: out_stages.contains(&index),
            }
        });
        PreparedPvtV2 {
            stages: stages.collect(),
        }
    }
}

impl Backbone for PvtV2 {
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
        let mut x = pixel_values;
        let mut features = Vec::with_capacity(out_stages.len());
        for (index, stage) in self.stages.iter().take(last + 1).enumerate() {
            x = stage.forward(x);
            if out_stages.contains(&index) {
                features.push(x.clone());
            }
        }
        FeaturePyramid::new(features)
    }

    fn min_size(&self) -> usize {
        self.config.min_size()
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

    fn tiny() -> PvtV2Config {
        PvtV2Config::new()
            .with_hidden_sizes(vec![4, 8, 10, 16])
            .with_depths(vec![1, 1, 2, 1])
            .with_mlp_ratios(vec![2, 2, 2, 2])
    }

    #[rstest]
    #[case::reduced_by_convolutions(tiny())]
    #[case::reduced_to_averages(tiny().with_linear_attention(true))]
    fn odd_sizes_round_up(#[case] config: PvtV2Config) {
        let device = Device::flex();
        let pvt = config.init(&device);
        let features = pvt.forward(Tensor::zeros([2, 3, 69, 93], &device));
        assert_eq!(features.sizes(), [[18, 24], [9, 12], [5, 6], [3, 3]]);
        assert_eq!(features.channels(), pvt.channels());
        assert_eq!(pvt.strides(), [4, 8, 16, 32]);
    }

    #[test]
    fn the_smallest_image_has_a_key_in_every_stage() {
        let device = Device::flex();
        let pvt = tiny().init(&device);
        assert_eq!(pvt.min_size(), 29);
        let features = pvt.forward(Tensor::zeros([1, 3, 29, 29], &device));
        assert_eq!(features.sizes(), [[8, 8], [4, 4], [2, 2], [1, 1]]);
        // Of the stages that run alone: 3 cells of 8 pixels, and a pixel of the fourth.
        let second = tiny().with_sr_ratios(vec![1, 4, 1, 64]);
        let second = second.with_out_stages(vec![1, 2]).init(&device);
        assert_eq!(second.min_size(), 25);
        let features = second.forward(Tensor::zeros([1, 3, 25, 25], &device));
        assert_eq!(features.sizes(), [[4, 4], [2, 2]]);
    }

    #[test]
    fn averages_need_no_more_than_a_pixel() {
        let device = Device::flex();
        let pvt = tiny().with_linear_attention(true).init(&device);
        assert_eq!(pvt.min_size(), 1);
        let features = pvt.forward(Tensor::zeros([1, 3, 1, 2], &device));
        assert_eq!(features.sizes(), [[1, 1]; 4]);
    }

    /// Upstream's count of `PvtV2Backbone`, without and with linear attention.
    #[rstest]
    #[case::b0(PvtV2Config::new(), 3_409_760)]
    #[case::b0_linear(PvtV2Config::new().with_linear_attention(true), 3_136_864)]
    fn parameters_are_as_many_as_upstreams(#[case] config: PvtV2Config, #[case] expected: usize) {
        assert_eq!(config.init(&Device::flex()).num_params(), expected);
    }

    /// `init.normal_(weight, 0, sqrt(2 / fan_out))` for convolutions, 0.02 for linear layers.
    #[test]
    fn weights_are_drawn_as_upstream_draws_them() {
        struct Deviations(Vec<(Vec<usize>, f32)>);
        impl ModuleVisitor for Deviations {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if D > 1 {
                    let dims = param.val().dims().to_vec();
                    let std = param.val().reshape([-1]).var(0).sqrt().into_scalar::<f32>();
                    self.0.push((dims, std));
                }
            }
        }
        let device = Device::flex();
        device.seed(2);
        let pvt = tiny()
            .with_hidden_sizes(vec![64, 96, 120, 160])
            .init(&device);
        initializer::draw_all(&pvt);
        let mut found = Deviations(Vec::new());
        pvt.visit(&mut found);
        // For each stage its patches; for each block six linear layers and a convolution, and another one
        // where keys are reduced.
        assert_eq!(found.0.len(), 4 + 5 * 7 + 4);
        for (dims, std) in found.0 {
            let count: usize = dims.iter().product();
            let expected = match dims[..] {
                // One kernel for each channel.
                [_, 1, height, width] => (2.0 / (height * width) as f32).sqrt(),
                [outputs, _, height, width] => (2.0 / (outputs * height * width) as f32).sqrt(),
                _ => 0.02,
            };
            // Six standard errors of a deviation of that many draws.
            let slack = 6.0 * expected / (2.0 * count as f32).sqrt();
            assert!(
                (std - expected).abs() < slack,
                "{dims:?}: {std}, not {expected}"
            );
        }
    }

    /// Both branches of a block are dropped, and with them everything but the patches.
    #[test]
    fn drop_path_acts_on_both_branches() {
        let device = Device::flex().autodiff();
        device.seed(4);
        let config = tiny().with_out_stages(vec![0]);
        let block = Block::new(&config, 0, 0.999_999, &device);
        let x = Tensor::random([3, 4, 9, 8], Distribution::Normal(0.0, 1.0), &device);
        let y = block.forward(x.clone());
        y.into_data().assert_eq(&x.into_data(), true);
    }

    #[test]
    #[should_panic(expected = "depths and sr_ratios differ in length")]
    fn refuses_lengths_that_differ() {
        let _ = tiny().with_sr_ratios(vec![8, 4]).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "10 channels do not split into 4 heads")]
    fn refuses_heads_that_do_not_fit() {
        let config = tiny().with_num_attention_heads(vec![1, 2, 4, 8]);
        let _ = config.init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "the sides of patches must be odd, got [4, 3, 3, 3]")]
    fn refuses_even_patches() {
        let config = tiny().with_patch_sizes(vec![4, 3, 3, 3]);
        let _ = config.init(&Device::flex());
    }
}
