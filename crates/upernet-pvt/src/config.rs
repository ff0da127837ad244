//! What a PVTv2 backbone is made of.

use burn::config::Config;

/// Configuration of a [`PvtV2`](crate::PvtV2) backbone.
///
/// The defaults are those of Hugging Face's `PvtV2Config`, which is PVTv2-B0.
#[derive(Config, Debug, PartialEq)]
pub struct PvtV2Config {
    /// Channels of the image.
    #[config(default = 3)]
    pub num_channels: usize,
    /// Channels of each stage.
    #[config(default = "vec![32, 64, 160, 256]")]
    pub hidden_sizes: Vec<usize>,
    /// Blocks of each stage.
    #[config(default = "vec![2, 2, 2, 2]")]
    pub depths: Vec<usize>,
    /// Side of each stage's overlapping patches, in cells of the map before it; odd.
    #[config(default = "vec![7, 3, 3, 3]")]
    pub patch_sizes: Vec<usize>,
    /// Distance of each stage's patches, in cells of the map before it.
    #[config(default = "vec![4, 2, 2, 2]")]
    pub strides: Vec<usize>,
    /// By what each stage divides the sides of its map for keys and values; without effect if
    /// `linear_attention` is set.
    #[config(default = "vec![8, 4, 2, 1]")]
    pub sr_ratios: Vec<usize>,
    /// Attention heads of each stage.
    #[config(default = "vec![1, 2, 5, 8]")]
    pub num_attention_heads: Vec<usize>,
    /// Hidden channels of each stage's perceptrons, as a multiple of the stage's channels.
    #[config(default = "vec![8, 8, 4, 4]")]
    pub mlp_ratios: Vec<usize>,
    /// Whether query, key and value projections have a bias.
    #[config(default = true)]
    pub qkv_bias: bool,
    /// Whether keys and values are made of averages on a grid of 7 x 7 cells, whatever the map's size,
    /// and perceptrons have a ReLU before their convolution.
    #[config(default = false)]
    pub linear_attention: bool,
    /// Probability of dropping an activation.
    #[config(default = 0.0)]
    pub hidden_dropout: f64,
    /// Probability of dropping an attention weight.
    #[config(default = 0.0)]
    pub attention_dropout: f64,
    /// Drop path rate of the last block; earlier blocks have linearly less.
    #[config(default = 0.0)]
    pub drop_path_rate: f64,
    /// Epsilon of every norm.
    #[config(default = 1e-6)]
    pub layer_norm_eps: f64,
    /// Standard deviation of the initial weights of linear layers.
    #[config(default = 0.02)]
    pub initializer_range: f64,
    /// Stages whose maps are returned, counted from 0, in increasing order.
    #[config(default = "vec![0, 1, 2, 3]")]
    pub out_stages: Vec<usize>,
}

impl PvtV2Config {
    /// Number of stages.
    #[must_use]
    pub fn num_stages(&self) -> usize {
        self.depths.len()
    }

    /// Pixels per cell of a stage's map, stages counted from 0.
    #[must_use]
    pub fn stage_stride(&self, stage: usize) -> usize {
        self.strides[..=stage].iter().product()
    }

    /// The smallest height and width, in pixels, of which every stage up to the last returned one has
    /// keys: a map smaller than the stage's reduction has none.
    #[must_use]
    pub fn min_size(&self) -> usize {
        if self.linear_attention {
            return 1;
        }
        let last = self.out_stages.last().copied().unwrap_or_default();
        // Sizes round up, so a stage has n cells from (n - 1) * stride + 1 pixels on.
        let smallest = |stage: usize| (self.sr_ratios[stage] - 1) * self.stage_stride(stage) + 1;
        (0..=last).map(smallest).max().unwrap_or(1)
    }
}
