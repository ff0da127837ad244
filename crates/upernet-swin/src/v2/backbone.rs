//! The whole backbone. Upstream: `Swinv2Backbone`.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use upernet_nn::{
    Backbone, FeaturePyramid, Precision, PreparedBackbone, assert_out_stages, drop_path_schedule,
};

use super::{PreparedSwinV2, SwinV2Config, stage::SwinV2Stage};
use crate::patch_embedding::PatchEmbedding;

/// Swin Transformer V2 with one feature map per requested stage.
///
/// Any image size is accepted. A map has `ceil(height / stride) x ceil(width / stride)` cells.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::Backbone;
/// use upernet_swin::SwinV2Config;
///
/// let device = Device::flex();
/// let swin = SwinV2Config::new()
///     .with_embed_dim(8)
///     .with_depths(vec![1, 2])
///     .with_num_heads(vec![1, 2])
///     .with_out_stages(vec![0, 1])
///     .init(&device);
/// assert_eq!(swin.channels(), [8, 16]);
/// let features = swin.forward(Tensor::zeros([1, 3, 30, 50], &device));
/// assert_eq!(features.sizes(), [[8, 13], [4, 7]]);
/// ```
#[derive(Module, Debug)]
pub struct SwinV2 {
    patch_embedding: PatchEmbedding,
    stages: Vec<SwinV2Stage>,
    #[module(skip)]
    config: SwinV2Config,
}

impl SwinV2Config {
    /// Builds the backbone on `device`.
    ///
    /// # Panics
    ///
    /// Panics if `num_heads` has not as many entries as `depths`, or `pretrained_window_sizes` has
    /// fewer; if a stage's channels do not divide into its heads; if the training image leaves no patch
    /// in the last stage; if a pretrained window has one token; if `out_stages` is empty, not increasing
    /// or names a stage that does not exist; or if a size is zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> SwinV2 {
        self.check();
        let drop_path = drop_path_schedule(self.drop_path_rate, &self.depths);
        // Stages after the last requested one would be computed for nothing, yet they exist: a
        // checkpoint has their weights.
        let stages = drop_path
            .iter()
            .enumerate()
            .map(|(stage, rates)| SwinV2Stage::new(self, stage, rates, device))
            .collect();
        SwinV2 {
            patch_embedding: PatchEmbedding::new(self.patches(), device),
            stages,
            config: self.clone(),
        }
    }

    fn check(&self) {
        let stages = self.num_stages();
        assert_eq!(
            stages,
            self.num_heads.len(),
            "depths and num_heads differ in length"
        );
        assert!(
            stages <= self.pretrained_window_sizes.len(),
            "a stage has no pretrained window size"
        );
        assert!(
            self.patch_size > 0 && self.window_size > 0,
            "patches and windows need a size"
        );
        for (stage, &heads) in self.num_heads.iter().enumerate() {
            let channels = self.stage_channels(stage);
            assert!(
                heads > 0 && channels > 0 && channels.is_multiple_of(heads),
                "{channels} channels of stage {stage} do not divide into {heads} heads"
            );
            assert!(
                self.stage_windows(stage).size > 0,
                "an image of {0} x {0} pixels leaves no patch in stage {stage}",
                self.image_size
            );
            assert_ne!(
                self.pretrained_window_sizes[stage], 1,
                "a pretrained window of one token has no offsets"
            );
        }
        assert_out_stages(&self.out_stages, stages);
    }
}

impl SwinV2 {
    /// What the backbone was built from.
    #[must_use]
    pub fn config(&self) -> &SwinV2Config {
        &self.config
    }

    /// Makes the backbone ready for inference.
    ///
    /// Nothing changes in the result beyond rounding; drop path and dropout, which act in training
    /// alone, are gone.
    #[must_use]
    pub fn into_prepared(self, precision: Precision) -> PreparedSwinV2 {
        let config = self.config;
        let last = config.out_stages.last().copied().unwrap_or_default();
        let stages = self.stages.into_iter().take(last + 1).enumerate();
        let stages = stages.map(|(index, stage)| {
            let mut stage = stage.prepare(config.layer_norm_eps, precision);
            if index == last {
                stage.downsample = None;
            }
            stage
        });
        PreparedSwinV2 {
            patch_embedding: self.patch_embedding.prepare(precision),
            stages: stages.collect(),
            out_stages: config.out_stages,
        }
    }
}

impl Backbone for SwinV2 {
    fn channels(&self) -> Vec<usize> {
        let stages = self.config.out_stages.iter();
        stages
            .map(|&stage| self.config.stage_channels(stage))
            .collect()
    }

    fn strides(&self) -> Vec<usize> {
        let stages = self.config.out_stages.iter();
        stages
            .map(|&stage| self.config.stage_stride(stage))
            .collect()
    }

    fn forward(&self, pixel_values: Tensor<4>) -> FeaturePyramid {
        let out_stages = &self.config.out_stages;
        let mut x = self.patch_embedding.forward(pixel_values);
        let mut features = Vec::with_capacity(out_stages.len());
        for (index, stage) in self.stages.iter().enumerate() {
            x = stage.forward(x);
            if out_stages.contains(&index) {
                features.push(x.clone().permute([0, 3, 1, 2])); // [N, C, H, W]
            }
            if features.len() == out_stages.len() {
                break;
            }
            x = stage.downsample(x);
        }
        FeaturePyramid::new(features)
    }

    fn prepare(self, precision: Precision) -> Box<dyn PreparedBackbone> {
        Box::new(self.into_prepared(precision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> SwinV2Config {
        SwinV2Config::new()
            .with_embed_dim(8)
            .with_depths(vec![1, 1, 1, 1])
            .with_num_heads(vec![1, 2, 2, 4])
    }

    #[test]
    fn odd_sizes_round_up() {
        let device = Device::flex();
        let features = tiny()
            .init(&device)
            .forward(Tensor::zeros([1, 3, 97, 131], &device));
        assert_eq!(features.sizes(), [[25, 33], [13, 17], [7, 9], [4, 5]]);
        assert_eq!(features.channels(), [8, 16, 32, 64]);
    }

    #[test]
    fn returns_only_the_requested_stages() {
        let device = Device::flex();
        let swin = tiny().with_out_stages(vec![1, 2]).init(&device);
        assert_eq!(swin.strides(), [8, 16]);
        let features = swin.forward(Tensor::zeros([1, 3, 32, 32], &device));
        assert_eq!(features.channels(), [16, 32]);
    }

    #[test]
    #[should_panic(expected = "out_stages must increase and stay below 4, got [1, 4]")]
    fn refuses_a_stage_that_does_not_exist() {
        let _ = tiny().with_out_stages(vec![1, 4]).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "an image of 31 x 31 pixels leaves no patch in stage 3")]
    fn refuses_a_training_image_that_is_too_small() {
        let _ = tiny().with_image_size(31).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "a stage has no pretrained window size")]
    fn refuses_too_few_pretrained_windows() {
        let _ = tiny()
            .with_pretrained_window_sizes(vec![0, 0, 0])
            .init(&Device::flex());
    }
}
