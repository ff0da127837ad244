//! The whole backbone. Paper: figure 3. Upstream: `SwinBackbone`.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig},
    tensor::{Device, Tensor},
};
use upernet_nn::{
    Backbone, FeaturePyramid, Precision, PreparedBackbone, assert_out_stages, drop_path_schedule,
};

use crate::{
    LAYER_NORM_EPS, PreparedSwin, SwinConfig,
    patch_embedding::PatchEmbedding,
    prepared::{PreparedStage, prepare_norm},
    stage::SwinStage,
};

/// Swin Transformer with one feature map per requested stage.
///
/// Any image size is accepted, unless the model has absolute positions. A map has
/// `ceil(height / stride) x ceil(width / stride)` cells.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use upernet_nn::Backbone;
/// use upernet_swin::SwinConfig;
///
/// let device = Device::flex();
/// let swin = SwinConfig::new()
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
pub struct Swin {
    patch_embedding: PatchEmbedding,
    stages: Vec<SwinStage>,
    /// One norm per returned stage, in the order of `out_stages`.
    hidden_states_norms: Vec<LayerNorm>,
    #[module(skip)]
    config: SwinConfig,
}

impl SwinConfig {
    /// Builds the backbone on `device`.
    ///
    /// # Panics
    ///
    /// Panics if `num_heads` has not as many entries as `depths`, if a stage's channels do not
    /// divide into its heads, if `out_stages` is empty, not increasing or names a stage that does
    /// not exist, or if a size is zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> Swin {
        self.check();
        let drop_path = drop_path_schedule(self.drop_path_rate, &self.depths);
        // Stages after the last requested one would be computed for nothing, yet they exist: a
        // checkpoint has their weights.
        let stages = drop_path
            .iter()
            .enumerate()
            .map(|(stage, rates)| SwinStage::new(self, stage, rates, device))
            .collect();
        let norms = self
            .out_stages
            .iter()
            .map(|&stage| LayerNormConfig::new(self.stage_channels(stage)).init(device));
        Swin {
            patch_embedding: PatchEmbedding::new(self.patches(), device),
            stages,
            hidden_states_norms: norms.collect(),
            config: self.clone(),
        }
    }

    fn check(&self) {
        assert_eq!(
            self.depths.len(),
            self.num_heads.len(),
            "depths and num_heads differ in length"
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
        }
        assert_out_stages(&self.out_stages, self.num_stages());
    }
}

impl Swin {
    /// What the backbone was built from.
    #[must_use]
    pub fn config(&self) -> &SwinConfig {
        &self.config
    }
}

impl Swin {
    /// Makes the backbone ready for inference.
    ///
    /// Nothing changes in the result beyond rounding; drop path and dropout, which act in training
    /// alone, are gone.
    #[must_use]
    pub fn into_prepared(self, precision: Precision) -> PreparedSwin {
        let Self {
            patch_embedding,
            stages,
            hidden_states_norms,
            config,
        } = self;
        let last = config.out_stages.last().copied().unwrap_or_default();
        let mut norms = hidden_states_norms.into_iter();
        let stages = stages.into_iter().take(last + 1).enumerate();
        let stages = stages.map(|(index, stage)| {
            let returned = config.out_stages.contains(&index);
            let norm = if returned { norms.next() } else { None };
            let (blocks, downsample) = stage.prepare(config.layer_norm_eps, precision);
            PreparedStage {
                blocks,
                norm: norm.map(|norm| prepare_norm(norm, LAYER_NORM_EPS)),
                downsample: downsample.filter(|_| index < last),
            }
        });
        PreparedSwin {
            patch_embedding: patch_embedding.prepare(precision),
            stages: stages.collect(),
        }
    }
}

impl Backbone for Swin {
    fn channels(&self) -> Vec<usize> {
        self.config
            .out_stages
            .iter()
            .map(|&stage| self.config.stage_channels(stage))
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
        let mut x = self.patch_embedding.forward(pixel_values);
        let mut features = Vec::with_capacity(self.hidden_states_norms.len());
        for (index, stage) in self.stages.iter().enumerate() {
            x = stage.forward(x);
            if self.config.out_stages.get(features.len()) == Some(&index) {
                let map = self.hidden_states_norms[features.len()].forward(x.clone());
                features.push(map.permute([0, 3, 1, 2])); // [N, C, H, W]
                if features.len() == self.hidden_states_norms.len() {
                    break;
                }
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

    fn tiny() -> SwinConfig {
        SwinConfig::new()
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
    #[should_panic(expected = "absolute position embeddings fit 64 patches, the image has 9 x 8")]
    fn absolute_positions_fit_one_size() {
        let device = Device::flex();
        let swin = tiny()
            .with_image_size(32)
            .with_absolute_positions(true)
            .init(&device);
        let _ = swin.forward(Tensor::zeros([1, 3, 36, 32], &device));
    }

    #[test]
    #[should_panic(expected = "out_stages must increase and stay below 4, got [1, 4]")]
    fn refuses_a_stage_that_does_not_exist() {
        let _ = tiny().with_out_stages(vec![1, 4]).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "16 channels of stage 1 do not divide into 3 heads")]
    fn refuses_heads_that_do_not_divide() {
        let _ = tiny()
            .with_num_heads(vec![1, 3, 2, 4])
            .init(&Device::flex());
    }
}
