//! What a Swin backbone is made of.

use burn::config::Config;

use crate::{mlp::MlpConfig, patch_embedding::PatchEmbeddingConfig};

/// Configuration of a [`Swin`](crate::Swin) backbone.
///
/// The defaults are those of Hugging Face's `SwinConfig`, which is Swin-T for 224 x 224 images.
#[derive(Config, Debug, PartialEq)]
pub struct SwinConfig {
    /// Channels of the image.
    #[config(default = 3)]
    pub num_channels: usize,
    /// Side of the square training image in pixels; only absolute position embeddings read it.
    #[config(default = 224)]
    pub image_size: usize,
    /// Side of a square patch in pixels: the stride of the first stage.
    #[config(default = 4)]
    pub patch_size: usize,
    /// Channels of the first stage; each later stage has twice those of the one before.
    #[config(default = 96)]
    pub embed_dim: usize,
    /// Blocks of each stage.
    #[config(default = "vec![2, 2, 6, 2]")]
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    #[config(default = "vec![3, 6, 12, 24]")]
    pub num_heads: Vec<usize>,
    /// Side of an attention window in patches.
    #[config(default = 7)]
    pub window_size: usize,
    /// Hidden channels of a block's MLP per channel of the block.
    #[config(default = 4.0)]
    pub mlp_ratio: f64,
    /// Whether queries, keys and values have a bias.
    #[config(default = true)]
    pub qkv_bias: bool,
    /// Dropout after the embedding, the attention projection and the MLP layers.
    #[config(default = 0.0)]
    pub hidden_dropout: f64,
    /// Dropout of the attention weights.
    #[config(default = 0.0)]
    pub attention_dropout: f64,
    /// Drop path rate of the last block; earlier blocks have linearly less.
    #[config(default = 0.1)]
    pub drop_path_rate: f64,
    /// Which residual branches drop path acts on.
    #[config(default = "DropPathRule::AttentionOnly")]
    pub drop_path_rule: DropPathRule,
    /// Whether learned absolute positions are added to the patches. They are never interpolated:
    /// such a model accepts images of `image_size` only.
    #[config(default = false)]
    pub absolute_positions: bool,
    /// Epsilon of the two norms inside a block; every other norm has 1e-5.
    #[config(default = 1e-5)]
    pub layer_norm_eps: f64,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
    /// Stages whose maps are returned, counted from 0, in increasing order.
    #[config(default = "vec![0, 1, 2, 3]")]
    pub out_stages: Vec<usize>,
}

/// Which residual branches of a block drop path acts on.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum DropPathRule {
    /// The attention branch alone, as Hugging Face trains.
    AttentionOnly,
    /// Attention and MLP, as the paper's authors and mmsegmentation train.
    BothBranches,
}

impl SwinConfig {
    /// Number of stages.
    #[must_use]
    pub fn num_stages(&self) -> usize {
        self.depths.len()
    }

    /// Channels of a stage, counted from 0.
    #[must_use]
    pub fn stage_channels(&self, stage: usize) -> usize {
        self.embed_dim << stage
    }

    /// Pixels per cell of a stage's map, stages counted from 0.
    #[must_use]
    pub fn stage_stride(&self, stage: usize) -> usize {
        self.patch_size << stage
    }

    pub(crate) fn patches(&self) -> PatchEmbeddingConfig {
        let patches = (self.image_size / self.patch_size).pow(2);
        PatchEmbeddingConfig {
            num_channels: self.num_channels,
            patch_size: self.patch_size,
            embed_dim: self.embed_dim,
            positions: self.absolute_positions.then_some(patches),
            dropout: self.hidden_dropout,
            initializer_range: self.initializer_range,
        }
    }

    /// The perceptron of a stage's blocks.
    pub(crate) fn mlp(&self, stage: usize) -> MlpConfig {
        MlpConfig {
            channels: self.stage_channels(stage),
            ratio: self.mlp_ratio,
            dropout: self.hidden_dropout,
            initializer_range: self.initializer_range,
        }
    }
}
