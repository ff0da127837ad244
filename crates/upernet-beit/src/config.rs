//! What a BEiT backbone is made of.

use burn::config::Config;

/// Configuration of a [`Beit`](crate::Beit) backbone.
///
/// The defaults are those of Hugging Face's `BeitConfig`, but for the maps: upstream returns the last
/// layer's alone and has no neck.
#[derive(Config, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "upstream's fields, of which any may be set with any other"
)]
pub struct BeitConfig {
    /// Channels of the image.
    #[config(default = 3)]
    pub num_channels: usize,
    /// Side of the image, in pixels, that positions and position biases are learned for; others are
    /// interpolated.
    #[config(default = 224)]
    pub image_size: usize,
    /// Side of a patch in pixels.
    #[config(default = 16)]
    pub patch_size: usize,
    /// Channels of every layer.
    #[config(default = 768)]
    pub hidden_size: usize,
    /// Layers; each is a stage.
    #[config(default = 12)]
    pub num_hidden_layers: usize,
    /// Attention heads of a layer.
    #[config(default = 12)]
    pub num_attention_heads: usize,
    /// Hidden channels of a layer's perceptron.
    #[config(default = 3072)]
    pub intermediate_size: usize,
    /// Dropout after the embedding, the attention and the perceptron.
    #[config(default = 0.0)]
    pub hidden_dropout: f64,
    /// Dropout of the attention weights.
    #[config(default = 0.0)]
    pub attention_dropout: f64,
    /// Drop path rate of the last layer; earlier layers have linearly less.
    #[config(default = 0.1)]
    pub drop_path_rate: f64,
    /// Epsilon of the norms.
    #[config(default = 1e-12)]
    pub layer_norm_eps: f64,
    /// Initial scale of each branch's channels; no scale if it is not above 0.
    #[config(default = 0.1)]
    pub layer_scale_init_value: f64,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
    /// Whether learned positions are added to the patches.
    #[config(default = false)]
    pub absolute_positions: bool,
    /// Whether each layer adds a bias of its own, by the offset of two patches, to their attention.
    #[config(default = false)]
    pub relative_position_bias: bool,
    /// Whether all layers add one and the same such bias.
    #[config(default = false)]
    pub shared_relative_position_bias: bool,
    /// Whether a neck makes a pyramid of the four maps: the first is enlarged four times, the second
    /// twice, the third kept, the last halved. Without it all maps have one size.
    #[config(default = true)]
    pub add_fpn: bool,
    /// Layers whose maps are returned, counted from 0, in increasing order; four of them if there is a
    /// neck.
    #[config(default = "vec![3, 5, 7, 11]")]
    pub out_stages: Vec<usize>,
}

impl BeitConfig {
    /// Patches along each side of an image of `image_size`.
    #[must_use]
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }
}
