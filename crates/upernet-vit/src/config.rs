//! What a plain vision transformer is made of.

use burn::config::Config;

/// Configuration of a [`Vit`](crate::Vit) backbone.
///
/// The defaults are those of Hugging Face's `Dinov2Config`, which is `DINOv2-B` for 224 x 224 images.
#[derive(Config, Debug, PartialEq)]
pub struct VitConfig {
    /// Channels of the image.
    #[config(default = 3)]
    pub num_channels: usize,
    /// Side of a square patch in pixels: the stride of every map.
    #[config(default = 14)]
    pub patch_size: usize,
    /// Channels of every layer.
    #[config(default = 768)]
    pub hidden_size: usize,
    /// Number of layers.
    #[config(default = 12)]
    pub num_layers: usize,
    /// Attention heads of every layer.
    #[config(default = 12)]
    pub num_heads: usize,
    /// What a layer's perceptron is made of.
    #[config(default = "MlpKind::Plain")]
    pub mlp: MlpKind,
    /// Hidden channels of the perceptron.
    #[config(default = 3072)]
    pub intermediate_size: usize,
    /// What becomes of a border of the image that no whole patch covers.
    #[config(default = "ImageBorder::LeftOut")]
    pub border: ImageBorder,
    /// The activation of the perceptron.
    #[config(default = "HiddenActivation::Gelu")]
    pub hidden_act: HiddenActivation,
    /// Which linear layers of a block have a bias.
    #[config(default = "Biases::all()")]
    pub biases: Biases,
    /// Initial value of the learned factor of each channel at the end of a branch; `None` for no such
    /// factors.
    #[config(default = "Some(1.0)")]
    pub layer_scale: Option<f64>,
    /// How a token knows where its patch is.
    #[config(default = "Positions::Bicubic(16)")]
    pub positions: Positions,
    /// What training does to rotary positions.
    #[config(default = "RotaryAugmentation::none()")]
    pub rotary_augmentation: RotaryAugmentation,
    /// Learned tokens beside the class token that belong to no patch.
    #[config(default = 0)]
    pub num_register_tokens: usize,
    /// The token that stood for hidden patches in pretraining. Nothing reads it, but published files
    /// carry it on.
    #[config(default = "MaskTokenShape::Row")]
    pub mask_token: MaskTokenShape,
    /// Dropout after the embedding.
    #[config(default = 0.0)]
    pub embedding_dropout: f64,
    /// Dropout of the attention weights.
    #[config(default = 0.0)]
    pub attention_dropout: f64,
    /// Dropout at the end of both branches of every layer.
    #[config(default = 0.0)]
    pub branch_dropout: f64,
    /// Drop path rate of both branches of every layer.
    #[config(default = 0.0)]
    pub drop_path_rate: f64,
    /// Which maps the final norm is applied to.
    #[config(default = "OutputNorm::Every")]
    pub output_norm: OutputNorm,
    /// What makes maps of four sizes of those of four layers: the first with four times the cells a side,
    /// the second with twice as many, the last with half as many. Upstream has no such thing.
    #[config(default = "None")]
    pub neck: Option<NeckKind>,
    /// Epsilon of all norms.
    #[config(default = 1e-6)]
    pub layer_norm_eps: f64,
    /// Standard deviation of the initial weights.
    #[config(default = 0.02)]
    pub initializer_range: f64,
    /// Layers whose maps are returned, counted from 0, in increasing order.
    #[config(default = "vec![2, 5, 8, 11]")]
    pub out_layers: Vec<usize>,
}

/// What becomes of a border of the image that no whole patch covers, at the bottom and on the right.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum ImageBorder {
    /// It is not seen; Hugging Face's.
    LeftOut,
    /// It is filled up with zeros; mmsegmentation's ViT.
    Padded,
}

/// What a layer's perceptron is made of.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum MlpKind {
    /// Two layers with an activation between them.
    Plain,
    /// A gated one whose first layer holds gate and values side by side; DINOv2's.
    JoinedGate,
    /// A gated one with a layer for the gate and one for the values; DINOv3's.
    Gate,
}

/// The activation of a perceptron; of a gated one, that of the gate.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum HiddenActivation {
    /// The exact GELU.
    Gelu,
    /// `x * sigmoid(x)`.
    Silu,
}

/// Which linear layers of a block have a bias.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
#[expect(clippy::struct_excessive_bools, reason = "one for each layer")]
pub struct Biases {
    /// That of the queries.
    pub query: bool,
    /// That of the keys.
    pub key: bool,
    /// That of the values.
    pub value: bool,
    /// That after attention.
    pub projection: bool,
    /// Those of the perceptron.
    pub mlp: bool,
}

impl Biases {
    /// All layers have one.
    #[must_use]
    pub fn all() -> Self {
        Self {
            query: true,
            key: true,
            value: true,
            projection: true,
            mlp: true,
        }
    }
}

/// How a token knows where its patch is.
#[derive(Config, Debug, Copy, PartialEq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum Positions {
    /// A vector is learned for each patch of a square image with so many patches a side, and resized
    /// bicubically for other images; DINOv2, ViT.
    Bicubic(usize),
    /// The same, antialiased: DINOv2 with registers.
    AntialiasedBicubic(usize),
    /// Queries and keys are turned by angles that follow from the place, the wavelengths by this base;
    /// DINOv3.
    Rotary(f64),
}

/// How training varies the places that rotary positions are computed from; they run from -1 to 1.
///
/// Each is drawn once for a batch. Source: DINOv3, section 3.2.
#[derive(Config, Debug, Copy, PartialEq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub struct RotaryAugmentation {
    /// Both coordinates are moved by up to this much, each on its own.
    pub shift: Option<f64>,
    /// Both are multiplied by up to this much or its inverse, each on its own.
    pub jitter: Option<f64>,
    /// Both are multiplied by up to this much or its inverse, together.
    pub rescale: Option<f64>,
}

impl RotaryAugmentation {
    /// Nothing is varied.
    #[must_use]
    pub fn none() -> Self {
        Self {
            shift: None,
            jitter: None,
            rescale: None,
        }
    }
}

/// In what shape a file holds the mask token.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum MaskTokenShape {
    /// There is none.
    Absent,
    /// `[1, C]`; DINOv2.
    Row,
    /// `[1, 1, C]`; DINOv3.
    Token,
}

/// What makes maps of four sizes of those of four layers.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum NeckKind {
    /// Deconvolutions and pooling: [`PyramidNeck`](upernet_nn::PyramidNeck).
    FeaturePyramid,
    /// Maps are resized between convolutions, and have so many channels from then on:
    /// [`MultiLevelNeck`](upernet_nn::MultiLevelNeck).
    MultiLevel(usize),
}

/// Which maps the final norm is applied to.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "burn's `Config` derive writes the `Clone`"
)]
pub enum OutputNorm {
    /// To each.
    Every,
    /// To that of the last layer alone.
    Last,
    /// To none, though files have its weights.
    Never,
    /// To none, and there is no such norm.
    Absent,
}

impl VitConfig {
    /// Channels of one attention head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_heads
    }

    /// Pixels a side that so many patches need.
    pub(crate) fn least_pixels(&self, patches: usize) -> usize {
        match self.border {
            ImageBorder::LeftOut => patches * self.patch_size,
            ImageBorder::Padded => (patches - 1) * self.patch_size + 1,
        }
    }

    /// Tokens that belong to no patch: the class token and the registers.
    #[must_use]
    pub fn num_prefix_tokens(&self) -> usize {
        1 + self.num_register_tokens
    }

    /// Whether the map of a layer, counted from 0, passes the final norm.
    pub(crate) fn is_normalised(&self, layer: usize) -> bool {
        match self.output_norm {
            OutputNorm::Every => true,
            OutputNorm::Last => layer + 1 == self.num_layers,
            OutputNorm::Never | OutputNorm::Absent => false,
        }
    }
}
