//! What a Swin V2 backbone is made of.

use burn::config::Config;

use crate::{DropPathRule, mlp::MlpConfig, patch_embedding::PatchEmbeddingConfig};

/// Configuration of a [`SwinV2`](crate::SwinV2) backbone.
///
/// The defaults are those of Hugging Face's `Swinv2Config`: the sizes of SwinV2-T, for 224 x 224 images.
#[derive(Config, Debug, PartialEq)]
pub struct SwinV2Config {
    /// Channels of the image.
    #[config(default = 3)]
    pub num_channels: usize,
    /// Side of the square training image in pixels. It decides how large windows may be
    /// ([`stage_windows`](Self::stage_windows)); images of any size are accepted.
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
    /// Largest side of an attention window in patches.
    #[config(default = 7)]
    pub window_size: usize,
    /// Side of the windows that each stage's position bias was trained with, in patches; 0 for those
    /// that it has. Offsets are measured against it.
    #[config(default = "vec![0, 0, 0, 0]")]
    pub pretrained_window_sizes: Vec<usize>,
    /// Hidden channels of a block's MLP per channel of the block.
    #[config(default = 4.0)]
    pub mlp_ratio: f64,
    /// Whether queries and values have a bias; keys have none.
    #[config(default = true)]
    pub qkv_bias: bool,
    /// Dropout after the embedding and the MLP layers.
    #[config(default = 0.0)]
    pub hidden_dropout: f64,
    /// Dropout of the attention weights, and after the attention projection.
    #[config(default = 0.0)]
    pub attention_dropout: f64,
    /// Drop path rate of the last block; earlier blocks have linearly less.
    #[config(default = 0.1)]
    pub drop_path_rate: f64,
    /// Which residual branches drop path acts on.
    #[config(default = "DropPathRule::BothBranches")]
    pub drop_path_rule: DropPathRule,
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

/// The windows of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageWindows {
    /// Side of a window in patches.
    pub size: usize,
    /// Patches by which the windows of every other block are shifted.
    pub shift: usize,
}

impl SwinV2Config {
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

    /// Windows of a stage, counted from 0: no larger than the map of a training image, and not shifted
    /// where one window holds it. The image at hand plays no part.
    ///
    /// ```
    /// use upernet_swin::SwinV2Config;
    ///
    /// let config = SwinV2Config::new().with_image_size(256).with_window_size(16);
    /// let [fine, coarse] = [0, 3].map(|stage| config.stage_windows(stage));
    /// assert_eq!([fine.size, fine.shift], [16, 8]);
    /// assert_eq!([coarse.size, coarse.shift], [8, 0]);
    /// ```
    #[must_use]
    pub fn stage_windows(&self, stage: usize) -> StageWindows {
        let side = (self.image_size / self.patch_size) >> stage;
        if side <= self.window_size {
            StageWindows {
                size: side,
                shift: 0,
            }
        } else {
            StageWindows {
                size: self.window_size,
                shift: self.window_size / 2,
            }
        }
    }

    pub(super) fn patches(&self) -> PatchEmbeddingConfig {
        PatchEmbeddingConfig {
            num_channels: self.num_channels,
            patch_size: self.patch_size,
            embed_dim: self.embed_dim,
            positions: None,
            dropout: self.hidden_dropout,
            initializer_range: self.initializer_range,
        }
    }

    /// The perceptron of a stage's blocks.
    pub(super) fn mlp(&self, stage: usize) -> MlpConfig {
        MlpConfig {
            channels: self.stage_channels(stage),
            ratio: self.mlp_ratio,
            dropout: self.hidden_dropout,
            initializer_range: self.initializer_range,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_clamped_by_the_training_image() {
        let config = SwinV2Config::new().with_image_size(64).with_window_size(8);
        let windows = |stage| {
            let windows = config.stage_windows(stage);
            [windows.size, windows.shift]
        };
        // Maps of 16, 8, 4 and 2 patches: a map of exactly one window is not shifted either.
        assert_eq!([0, 1, 2, 3].map(windows), [[8, 4], [8, 0], [4, 0], [2, 0]]);
    }
}
