//! What a ConvNeXt backbone is made of.

use burn::config::Config;

/// Configuration of a [`ConvNext`](crate::ConvNext) backbone.
///
/// The defaults are those of Hugging Face's `ConvNextConfig`, which is ConvNeXt-T.
#[derive(Config, Debug, PartialEq)]
pub struct ConvNextConfig {
    /// Channels of the image.
    #[config(default = 3)]
    pub num_channels: usize,
    /// Side of a square patch in pixels: the stride of the first stage.
    #[config(default = 4)]
    pub patch_size: usize,
    /// Channels of each stage.
    #[config(default = "vec![96, 192, 384, 768]")]
    pub hidden_sizes: Vec<usize>,
    /// Blocks of each stage.
    #[config(default = "vec![3, 3, 9, 3]")]
    pub depths: Vec<usize>,
    /// Drop path rate of the last block; earlier blocks have linearly less.
    #[config(default = 0.0)]
    pub drop_path_rate: f64,
    /// What weighs the channels of each block's branch.
    #[config(default = "BranchScale::LayerScale(1e-6)")]
    pub branch_scale: BranchScale,
    /// Whether returned maps are normalised.
    #[config(default = "OutputNorm::EachMap")]
    pub output_norm: OutputNorm,
    /// Epsilon of every norm.
    #[config(default = 1e-6)]
    pub layer_norm_eps: f64,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
    /// Stages whose maps are returned, counted from 0, in increasing order.
    #[config(default = "vec![0, 1, 2, 3]")]
    pub out_stages: Vec<usize>,
}

/// What weighs the channels of a block's branch.
#[derive(Config, Debug, Copy, PartialEq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum BranchScale {
    /// A learned factor for each channel at the branch's end, with this initial value; ConvNeXt.
    LayerScale(f64),
    /// A global response norm between the two layers, which starts as no change; ConvNeXt V2.
    ResponseNorm,
    /// Nothing.
    Unscaled,
}

/// Whether returned maps are normalised.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum OutputNorm {
    /// Every returned map has a norm of its own; ConvNeXt and ConvNeXt V2.
    EachMap,
    /// Maps are returned as the stages leave them; DINOv3's ConvNeXt.
    Unnormalised,
}

impl ConvNextConfig {
    /// Number of stages.
    #[must_use]
    pub fn num_stages(&self) -> usize {
        self.depths.len()
    }

    /// Pixels per cell of a stage's map, stages counted from 0.
    #[must_use]
    pub fn stage_stride(&self, stage: usize) -> usize {
        self.patch_size << stage
    }
}
