//! What a ResNet backbone is made of.

use burn::config::Config;
use upernet_ops::Activation;

/// Configuration of a [`ResNet`](crate::ResNet) backbone.
///
/// The defaults are those of Hugging Face's `ResNetConfig`, which is ResNet-50.
#[derive(Config, Debug, PartialEq)]
pub struct ResNetConfig {
    /// Channels of the image.
    #[config(default = 3)]
    pub num_channels: usize,
    /// Channels of the stem.
    #[config(default = 64)]
    pub embedding_size: usize,
    /// Whether the stem is three 3 x 3 convolutions, of which the first two have half of its channels,
    /// and not one of 7 x 7: mmsegmentation's `ResNetV1c`, which Hugging Face has not.
    #[config(default = false)]
    pub deep_stem: bool,
    /// Channels of each stage's map.
    #[config(default = "vec![256, 512, 1024, 2048]")]
    pub hidden_sizes: Vec<usize>,
    /// Blocks of each stage.
    #[config(default = "vec![3, 4, 6, 3]")]
    pub depths: Vec<usize>,
    /// What a block is made of.
    #[config(default = "LayerType::Bottleneck")]
    pub layer_type: LayerType,
    /// What follows the stem's convolution and the sum at the end of each block; every other
    /// convolution is followed by a ReLU.
    #[config(default = "HiddenActivation::Relu")]
    pub hidden_act: HiddenActivation,
    /// Whether the first stage halves the map, as all later ones do.
    #[config(default = false)]
    pub downsample_in_first_stage: bool,
    /// Whether a bottleneck that halves the map does so in its first 1 x 1 convolution, as the paper's
    /// do, and not in its 3 x 3 one.
    #[config(default = false)]
    pub downsample_in_bottleneck: bool,
    /// Stages whose maps are returned, counted from 0, in increasing order.
    #[config(default = "vec![0, 1, 2, 3]")]
    pub out_stages: Vec<usize>,
}

/// What a block is made of. Paper: figure 5.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum LayerType {
    /// Two 3 x 3 convolutions, as in ResNet-18 and ResNet-34.
    Basic,
    /// A 3 x 3 convolution of a quarter of the channels, between two of 1 x 1.
    Bottleneck,
}

/// The activation after the stem and after each block.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum HiddenActivation {
    /// `max(x, 0)`.
    Relu,
    /// The exact GELU.
    Gelu,
}

impl ResNetConfig {
    /// Number of stages.
    #[must_use]
    pub fn num_stages(&self) -> usize {
        self.depths.len()
    }

    /// Pixels per cell of a stage's map, stages counted from 0.
    #[must_use]
    pub fn stage_stride(&self, stage: usize) -> usize {
        4 << (stage + usize::from(self.downsample_in_first_stage))
    }

    /// Channels within a deep stem.
    pub(crate) fn stem_channels(&self) -> usize {
        (self.embedding_size / 2).max(1)
    }

    /// By what the first block of a stage divides the sides of the map, stages counted from 0.
    pub(crate) fn first_stride(&self, stage: usize) -> usize {
        if stage > 0 || self.downsample_in_first_stage {
            2
        } else {
            1
        }
    }
}

impl From<HiddenActivation> for Activation {
    fn from(activation: HiddenActivation) -> Self {
        match activation {
            HiddenActivation::Relu => Self::Relu,
            HiddenActivation::Gelu => Self::Gelu,
        }
    }
}
