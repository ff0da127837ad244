//! The whole backbone. Paper: table 9. Upstream: `ConvNextBackbone`, `ConvNextV2Backbone`,
//! `DINOv3ConvNextBackbone`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::{
    Backbone, FeaturePyramid, LayerNorm2d, LayerNorm2dConfig, Precision, PreparedBackbone,
    assert_out_stages, drop_path_schedule,
};

use crate::{
    ConvNextConfig, OutputNorm, PreparedConvNext,
    block::ConvNextBlock,
    downsample::Downsample,
    prepared::{PreparedOutput, PreparedStage},
    stem::Stem,
};

/// ConvNeXt with one feature map per requested stage.
///
/// Maps have `floor(size / stride)` cells a side, so an image has to measure at least
/// [`min_size`](Backbone::min_size) pixels a side (32 with four stages and patches of 4).
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_convnext::ConvNextConfig;
/// use upernet_nn::Backbone;
///
/// let device = Device::flex();
/// let convnext = ConvNextConfig::new()
///     .with_hidden_sizes(vec![8, 16])
///     .with_depths(vec![1, 2])
///     .with_out_stages(vec![0, 1])
///     .init(&device);
/// let features = convnext.forward(Tensor::zeros([1, 3, 30, 50], &device));
/// assert_eq!(features.channels(), [8, 16]);
/// assert_eq!(features.sizes(), [[7, 12], [3, 6]]);
/// ```
#[derive(Module, Debug)]
pub struct ConvNext {
    stem: Stem,
    stages: Vec<ConvNextStage>,
    /// One norm per returned stage, in the order of `out_stages`, or none at all.
    hidden_states_norms: Vec<LayerNorm2d>,
    #[module(skip)]
    config: ConvNextConfig,
}

/// The layer that leads in (absent for the first stage), then the blocks.
#[derive(Module, Debug)]
struct ConvNextStage {
    downsampling_layer: Option<Downsample>,
    layers: Vec<ConvNextBlock>,
}

impl ConvNextConfig {
    /// Builds the backbone on `device`.
    ///
    /// # Panics
    ///
    /// Panics if `hidden_sizes` has not as many entries as `depths`, if `out_stages` is empty, not
    /// increasing or names a stage that does not exist, or if a size is zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> ConvNext {
        self.check();
        let drop_path = drop_path_schedule(self.drop_path_rate, &self.depths);
        let stages = drop_path
            .iter()
            .enumerate()
            .map(|(stage, rates)| ConvNextStage {
                downsampling_layer: (stage > 0).then(|| Downsample::new(self, stage, device)),
                layers: rates
                    .iter()
                    .map(|&rate| ConvNextBlock::new(self, stage, rate, device))
                    .collect(),
            });
        let norm = |&stage: &usize| {
            LayerNorm2dConfig::new(self.hidden_sizes[stage], self.layer_norm_eps).init(device)
        };
        let hidden_states_norms = match self.output_norm {
            OutputNorm::EachMap => self.out_stages.iter().map(norm).collect(),
            OutputNorm::Unnormalised => Vec::new(),
        };
        ConvNext {
            stem: Stem::new(self, device),
            stages: stages.collect(),
            hidden_states_norms,
            config: self.clone(),
        }
    }

    fn check(&self) {
        assert_eq!(
            self.depths.len(),
            self.hidden_sizes.len(),
            "depths and hidden_sizes differ in length"
        );
        assert!(
            self.patch_size > 0 && !self.hidden_sizes.contains(&0),
            "patches and stages need a size"
        );
        assert_out_stages(&self.out_stages, self.num_stages());
    }
}

impl ConvNextStage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match &self.downsampling_layer {
            Some(layer) => layer.forward(x),
            None => x,
        };
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }
}

impl ConvNext {
    /// What the backbone was built from.
    #[must_use]
    pub fn config(&self) -> &ConvNextConfig {
        &self.config
    }
}

impl ConvNext {
    /// Makes the backbone ready for inference.
    ///
    /// Nothing changes in the result beyond rounding; drop path, which acts in training alone, is
    /// gone.
    #[must_use]
    pub fn into_prepared(self, precision: Precision) -> PreparedConvNext {
        let Self {
            stem,
            stages,
            hidden_states_norms,
            config,
        } = self;
        let last = config.out_stages.last().copied().unwrap_or_default();
        let mut norms = hidden_states_norms.into_iter();
        let stages = stages.into_iter().take(last + 1).enumerate();
        let stages = stages.map(|(index, stage)| {
            let is_returned = config.out_stages.contains(&index);
            let output = is_returned.then(|| match norms.next() {
                Some(norm) => PreparedOutput::Normalised(norm.prepare()),
                None => PreparedOutput::AsItIs,
            });
            let downsample = stage.downsampling_layer;
            let blocks = stage.layers.into_iter();
            PreparedStage {
                downsample: downsample.map(|layer| layer.prepare(precision)),
                blocks: blocks.map(|block| block.prepare(precision)).collect(),
                output,
            }
        });
        PreparedConvNext {
            stem: stem.prepare(precision),
            stages: stages.collect(),
        }
    }
}

impl Backbone for ConvNext {
    fn channels(&self) -> Vec<usize> {
        self.config
            .out_stages
            .iter()
            .map(|&stage| self.config.hidden_sizes[stage])
            .collect()
    }

    fn strides(&self) -> Vec<usize> {
        self.config
            .out_stages
            .iter()
            .map(|&stage| self.config.stage_stride(stage))
            .collect()
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let mut x = self.stem.forward(pixel_values);
        let out_stages = &self.config.out_stages;
        let mut features = Vec::with_capacity(out_stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            x = stage.forward(x);
            if out_stages.get(features.len()) == Some(&index) {
                features.push(match self.hidden_states_norms.get(features.len()) {
                    Some(norm) => norm.forward(x.clone()),
                    None => x.clone(),
                });
                if features.len() == out_stages.len() {
                    break;
                }
            }
        }
        FeaturePyramid::new(features)
    }

    fn min_size(&self) -> usize {
        let last = self.config.out_stages.last().copied().unwrap_or_default();
        self.config.stage_stride(last)
    }

    fn prepare(self, precision: Precision) -> Box<dyn PreparedBackbone> {
        Box::new(self.into_prepared(precision))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;
    use upernet_nn::initializer;

    use super::*;
    use crate::BranchScale;

    fn tiny() -> ConvNextConfig {
        ConvNextConfig::new()
            .with_hidden_sizes(vec![4, 8, 12, 16])
            .with_depths(vec![1, 1, 2, 1])
    }

    #[test]
    fn odd_sizes_round_down() {
        let device = Device::flex();
        let features = tiny()
            .init(&device)
            .forward(Tensor::zeros([2, 3, 69, 93], &device));
        assert_eq!(features.sizes(), [[17, 23], [8, 11], [4, 5], [2, 2]]);
    }

    #[test]
    fn the_smallest_image_gives_one_cell() {
        let device = Device::flex();
        let convnext = tiny().init(&device);
        assert_eq!(convnext.min_size(), 32);
        let features = convnext.forward(Tensor::zeros([1, 3, 32, 32], &device));
        assert_eq!(features.sizes()[3], [1, 1]);
    }

    #[test]
    fn each_choice_has_its_parameters() {
        let device = Device::flex();
        let count = |config: &ConvNextConfig| config.init(&device).num_params();
        let scaled = |scale| count(&tiny().with_branch_scale(scale));
        // One channel of each block: a factor, or weight and bias of four hidden channels.
        let (unscaled, channels) = (scaled(BranchScale::Unscaled), 4 + 8 + 2 * 12 + 16);
        assert_eq!(scaled(BranchScale::LayerScale(1e-6)), unscaled + channels);
        assert_eq!(scaled(BranchScale::LayerScale(0.0)), unscaled + channels);
        assert_eq!(scaled(BranchScale::ResponseNorm), unscaled + 8 * channels);

        let raw = count(&tiny().with_output_norm(OutputNorm::Unnormalised));
        assert_eq!(count(&tiny()), raw + 2 * (4 + 8 + 12 + 16));
    }

    #[test]
    fn raw_maps_are_what_the_norms_read() {
        let device = Device::flex();
        let normalised = tiny().init(&device);
        initializer::draw_all(&normalised);
        let raw = ConvNext {
            hidden_states_norms: Vec::new(),
            ..normalised.clone()
        };
        let image = Tensor::random([1, 3, 40, 36], Distribution::Default, &device);
        let maps = raw.forward(image.clone()).into_maps();
        let expected = normalised.forward(image).into_maps();
        assert_eq!([maps.len(), expected.len()], [4, 4]);
        let norms = &normalised.hidden_states_norms;
        for ((map, norm), expected) in maps.into_iter().zip(norms).zip(expected) {
            let map = norm.forward(map).into_data();
            map.assert_eq(&expected.into_data(), true);
        }
    }

    #[test]
    #[should_panic(expected = "depths and hidden_sizes differ in length")]
    fn refuses_lengths_that_differ() {
        let _ = tiny().with_depths(vec![1, 1]).init(&Device::flex());
    }
}
